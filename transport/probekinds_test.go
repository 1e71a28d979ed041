package transport

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/image-spec/specs-go"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// mixed is images of many kinds, each in a repository of its own, beside those given.
func mixed(c *ocitest.Content, kinds map[string]oci.Descriptor) *oci.Inventory {
	layer := c.Layer(100, ocitest.LayerGzip)
	kinds["docker-in-oci"] = c.Index(false, c.Image(true, layer))
	kinds["oci-in-docker"] = c.Index(true, c.Image(false, layer))
	kinds["nested"] = c.Index(false, c.Index(false, c.Image(false, layer)))
	kinds["helm"] = manifestOf(c, oci.MediaTypeManifest, "", "application/vnd.cncf.helm.config.v1+json", "application/vnd.cncf.helm.chart.content.v1.tar+gzip")
	kinds["artifact"] = manifestOf(c, oci.MediaTypeManifest, "application/vnd.example.thing", ispec.MediaTypeEmptyJSON, "application/x-thing")
	return images(kinds)
}

func manifestOf(c *ocitest.Content, mediaType, artifactType, config string, layers ...string) oci.Descriptor {
	m := ispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: mediaType, ArtifactType: artifactType, Config: c.Blob([]byte("{}"), config)}
	for _, l := range layers {
		m.Layers = append(m.Layers, c.Blob([]byte("layer "+l), l))
	}
	body, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return c.Blob(body, mediaType)
}

// TestProbeOfKinds has real registries take the like of all that they take, and nothing
// of it stay where it may be deleted.
func TestProbeOfKinds(t *testing.T) {
	t.Parallel()
	for name, host := range map[string]string{
		"docker-registry": registrytest.Start(t).Host, "distribution 3": registrytest.StartV3(t, false, "", "").Host, "olareg": registrytest.StartOlareg(t).Host,
		"docker-registry without deletion": registrytest.StartUndeletable(t).Host,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := ocitest.New(71)
			inv := mixed(c, c.Kinds())
			p := registrytest.StartProxy(t, host)
			m := mirrorAt(insecure(t), p.Host, 4)
			missing, err := m.Missing(t.Context(), c, inv)
			if err != nil {
				t.Fatal(err)
			}
			p.Reset()
			for range 2 {
				if err := m.ProbeImages(t.Context(), c, inv.Images, missing); err != nil {
					t.Fatal(err)
				}
			}
			if pushes := p.Count("PUT manifest"); pushes > 2*5*len(inv.Images) {
				t.Errorf("%d manifests were pushed for %d images", pushes, len(inv.Images))
			}
			if sent := m.Sent(); sent != (Sent{}) {
				t.Errorf("counted as sent: %+v", sent)
			}
			mustFill(t, m, c, inv)
			if err := m.Confirm(t.Context(), c, inv.Images); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestProbeFindsKinds has registries refuse one kind of manifest, or alter it.
func TestProbeFindsKinds(t *testing.T) {
	t.Parallel()
	host := registrytest.Start(t).Host
	for name, k := range map[string]struct {
		refuses func(contentType, body string) bool
		image   string // that is named
		problem Problem
	}{
		"artifact types": {func(_, body string) bool { return strings.Contains(body, `"artifactType":"application/vnd.example`) }, "artifact", ProblemKind},
		"config types":   {func(_, body string) bool { return strings.Contains(body, "helm.config") }, "helm", ProblemKind},
		"layer types":    {func(_, body string) bool { return strings.Contains(body, "helm.chart") }, "helm", ProblemKind},
		"Docker in OCI": {func(of, body string) bool {
			return of == oci.MediaTypeIndex && strings.Contains(body, oci.MediaTypeDockerManifest)
		}, "docker-in-oci", ProblemKind},
		"OCI in Docker": {func(of, body string) bool {
			return of == oci.MediaTypeDockerList && strings.Contains(body, oci.MediaTypeManifest)
		}, "oci-in-docker", ProblemKind},
		"an index in index": {func(of, body string) bool {
			return strings.Contains(body, `"manifests"`) && strings.Contains(body, oci.MediaTypeIndex+`","digest`)
		}, "nested", ProblemKind},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := ocitest.New(72)
			inv := mixed(c, map[string]oci.Descriptor{})
			p := registrytest.StartProxy(t, host)
			p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
				if registrytest.Kind(r) != "PUT manifest" {
					return false
				}
				return k.refuses(r.Header.Get("Content-Type"), peek(r)) && refuse(w, r, 400, "MANIFEST_INVALID", "not this kind")
			}
			m := NewMirror(insecure(t), oci.Mirror{Host: p.Host, Namespace: strings.ReplaceAll(strings.ToLower(name), " ", "-")}, 2)
			missing, err := m.Missing(t.Context(), c, inv)
			if err != nil {
				t.Fatal(err)
			}
			var found *ProbeError
			err = m.ProbeImages(t.Context(), c, inv.Images, missing)
			if !errors.As(err, &found) || found.Problem != k.problem || found.Hint() == "" {
				t.Fatalf("%v", err)
			}
			if named := strings.Split(err.Error(), "\n"); len(named) != 1 || !strings.Contains(named[0], k.image+":") {
				t.Errorf("%v\nwant %s named alone", err, k.image)
			}
		})
	}
}

// peek reads the body of a request that is passed on.
func peek(r *http.Request) string {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return ""
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return string(body)
}
