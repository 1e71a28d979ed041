package transport

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// attachedSet is an image and an artifact that is attached to it.
func attachedSet(t *testing.T, c *ocitest.Content) (subject, referrer oci.Descriptor) {
	t.Helper()
	subject = c.Image(false, c.Layer(1000, ocitest.LayerGzip))
	empty := c.Blob([]byte("{}"), ispec.MediaTypeEmptyJSON)
	m := ispec.Manifest{MediaType: oci.MediaTypeManifest, ArtifactType: "application/vnd.example.note", Config: empty, Layers: []oci.Descriptor{empty}, Subject: &subject}
	m.SchemaVersion = 2
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return subject, c.Blob(body, oci.MediaTypeManifest)
}

func attachedImages(subject, referrer oci.Descriptor) *oci.Inventory {
	ref := oci.Ref{Registry: "registry.example", Repository: "team/a"}
	return &oci.Inventory{Images: []oci.Image{
		{Source: ref.WithTag("1"), Root: subject, Tags: []string{"1"}},
		{Source: ref.WithDigest(referrer.Digest), Root: referrer, Subject: subject.Digest},
	}}
}

// TestReferrersWithoutTheAPI has a proxy refuse the API in its own way.
func TestReferrersWithoutTheAPI(t *testing.T) {
	c := ocitest.New(12)
	subject, referrer := attachedSet(t, c)
	reg := registrytest.Start(t)
	mustFill(t, mirrorAt(insecure(t), reg.Host, 1), c, attachedImages(subject, referrer))
	for _, status := range []int{204, 400, 401, 403, 404, 405, 406, 410, 415, 422, 501, 200} {
		p := registrytest.StartProxy(t, reg.Host)
		p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			if registrytest.Kind(r) != "GET referrer" {
				return false
			}
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
			return true
		}
		r, err := insecure(t).Repository(oci.Ref{Registry: p.Host, Repository: "mirror/team/a"})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			list, err := r.Attachments(t.Context(), subject)
			if err != nil || len(list.List) != 1 || list.List[0].Root.Digest != referrer.Digest || list.List[0].Tag != "" {
				t.Errorf("%d: %+v, %v", status, list, err)
			}
		}
		want := 1
		if uncertain(status) {
			want = 2 // a second look
		}
		if n := p.Count("GET referrer"); n != want {
			t.Errorf("%d: the API was asked %d times", status, n)
		}
		// Three tags of cosign's that are not there, at one HEAD each.
		if n := p.Count("HEAD manifest"); n != 6 {
			t.Errorf("%d: %d times HEAD", status, n)
		}
	}
}

// TestOddReferrers lists one of a kind that is not carried: refused in a source,
// nobody's business in a mirror.
func TestOddReferrers(t *testing.T) {
	c := ocitest.New(13)
	subject, referrer := attachedSet(t, c)
	p := registrytest.StartProxy(t, registrytest.Start(t).Host)
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if registrytest.Kind(r) != "GET referrer" {
			return false
		}
		w.Header().Set("Content-Type", oci.MediaTypeIndex)
		_ = json.NewEncoder(w).Encode(ispec.Index{MediaType: oci.MediaTypeIndex, Manifests: []oci.Descriptor{
			{MediaType: "application/vnd.cncf.oras.artifact.manifest.v1+json", Digest: oci.Digest([]byte("odd")), Size: 3}, referrer,
		}})
		return true
	}
	inv := attachedImages(subject, referrer)
	mustFill(t, mirrorAt(insecure(t), p.Host, 1), c, inv)
	client := insecure(t) // has not seen yet that the registry behind has no API
	missing, err := mirrorAt(client, p.Host, 1).Missing(t.Context(), c, inv)
	if err != nil || missing.Present != 2 {
		t.Errorf("%+v, %v", missing, err)
	}
	r, err := client.Repository(oci.Ref{Registry: p.Host, Repository: "mirror/team/a"})
	if err != nil {
		t.Fatal(err)
	}
	var odd *oci.UnsupportedError
	if _, err := r.Attachments(t.Context(), subject); !errors.As(err, &odd) || !strings.Contains(err.Error(), "oras.artifact") {
		t.Errorf("from a source: %v", err)
	}
}
