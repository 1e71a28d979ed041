package manifests

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/release"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/text"
)

const ubi = "registry.access.redhat.com/ubi9/ubi-minimal:latest"

// graphArchive packs graph data; more is a file of it.
func graphArchive(t testing.TB, more string, made time.Time) []byte {
	t.Helper()
	var out bytes.Buffer
	gz := gzip.NewWriter(&out)
	w := tar.NewWriter(gz)
	for _, name := range []string{"version", "channels/stable-4.1.yaml", "blocked-edges/4.1.0.yaml", "raw/metadata.json", more} {
		body := "of " + name
		if name == "version" {
			body = "1.1.0\n"
		}
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(body)), ModTime: made}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), gz.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// graphWorld has the data and the base image of graph images, and payloads.
func graphWorld(t testing.TB) *asktest.Registry {
	t.Helper()
	m := asktest.NewRegistry()
	m.Published = map[string][]byte{imageset.GraphDataURL: graphArchive(t, "LICENSE", time.Unix(1, 0))}
	var list []oci.Descriptor
	archs := []string{"amd64", "arm64", "s390x"}
	for _, arch := range archs {
		list = append(list, m.ImageFor(arch, true, m.Base, m.Layer(3000, ocitest.LayerGzip)))
	}
	m.At(ubi, m.IndexFor(true, archs, list...))
	m.At("a.io/one:arm", list[1])
	return m
}

func graphConfig(t testing.TB, platform string) *Config {
	t.Helper()
	c, err := Parse("f.yaml", []byte(asktest.Head+"mirror:\n  platform:\n    graph: true\n"+platform))
	if err != nil {
		t.Fatal(err)
	}
	c.Extra.IgnoreReleaseSignature = true
	return c
}

// resolved gives the graph image of a configuration.
func resolved(t testing.TB, c *Config, m *asktest.Registry) oci.Image {
	t.Helper()
	inv, err := Resolve(t.Context(), c, m)
	if err != nil {
		t.Fatal(err)
	}
	if err := inv.Validate(); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(inv.Images, func(i oci.Image) bool { return origin.IsGraph(i.Source) })
	if i < 0 {
		t.Fatalf("there is no graph image: %+v", inv.Images)
	}
	return inv.Images[i]
}

// keptJSON reads what was made.
func keptJSON(t testing.TB, m *asktest.Registry, d oci.Descriptor, to any) {
	t.Helper()
	body, err := oci.ReadBlob(t.Context(), &m.Stored, d, 1<<20)
	if err == nil {
		err = json.Unmarshal(body, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestGraphImage(t *testing.T) {
	m := graphWorld(t)
	img := resolved(t, graphConfig(t, ""), m)
	base := m.Refs[ubi]
	if got := img.Source.String(); got != "graph-data.local/openshift/graph-image:latest" || !img.Built || img.Origin != origin.Release ||
		!slices.Equal(img.Tags, []string{"latest"}) || !slices.Equal(oci.Words(img.Reasons), []string{"platform.graph"}) ||
		img.Base.String() != "registry.access.redhat.com/ubi9/ubi-minimal@"+base.Digest.String() {
		t.Errorf("got %+v", img)
	}
	var index ispec.Index
	keptJSON(t, m, img.Root, &index)
	if len(index.Manifests) != 1 || index.Manifests[0].Platform.Architecture != "amd64" {
		t.Fatalf("index %+v", index)
	}
	var manifest ispec.Manifest
	keptJSON(t, m, index.Manifests[0], &manifest)
	var config ispec.Image
	keptJSON(t, m, manifest.Config, &config)
	diff := config.RootFS.DiffIDs[len(config.RootFS.DiffIDs)-1].String()
	if len(manifest.Layers) != 3 || config.Config.Entrypoint != nil || config.Config.Labels[release.LabelGraph] != diff || config.Config.Labels["org.opencontainers.image.base.digest"] != base.Digest.String() {
		t.Errorf("%d layers, config %+v", len(manifest.Layers), config.Config)
	}
	if want := []string{"/bin/bash", "-c", "exec cp -rp /var/lib/cincinnati-graph-data/* /var/lib/cincinnati/graph-data"}; !slices.Equal(config.Config.Cmd, want) {
		t.Errorf("it runs %q", config.Config.Cmd)
	}
	if n := len(m.Asked); n != 1 {
		t.Errorf("registries were asked for %q", m.Asked)
	}

	second, other := graphWorld(t), graphWorld(t)
	second.Published[imageset.GraphDataURL] = graphArchive(t, "LICENSE", time.Unix(99999, 0))
	if again := resolved(t, graphConfig(t, ""), second); again.Root.Digest != img.Root.Digest {
		t.Errorf("the same data in another archive is %s, not %s", again.Root.Digest, img.Root.Digest)
	}
	other.Published[imageset.GraphDataURL] = graphArchive(t, "blocked-edges/x.yaml", time.Unix(1, 0))
	if again := resolved(t, graphConfig(t, ""), other); again.Root.Digest == img.Root.Digest {
		t.Error("other data is the same image")
	}
}

// TestGraphPlatforms: it is for the platforms of the releases.
func TestGraphPlatforms(t *testing.T) {
	m := graphWorld(t)
	m.Parts = m.Components("etcd-3")
	m.Published[asktest.GraphLink(release.GraphURLs["ocp"], "amd64", "stable-4.1")] = m.GraphBody(t, "amd64", asktest.Graph{Versions: "4.1.0", Edges: nil})
	arm := m.PutPayload(t, "4.1.1", "arm64", m.Components("etcd-1"))
	m.At("a.io/rel:arm", arm)
	m.At("a.io/rel:multi", m.IndexFor(false, []string{"arm64", "amd64"}, arm, m.PutPayload(t, "4.1.1", "amd64", m.Components("etcd-2"))))
	for name, tc := range map[string]struct{ platform, base, want string }{
		"none":                {"", "", "linux/amd64"},
		"architectures":       {"    architectures: [s390x, amd64]\n", "", "linux/amd64 linux/s390x"},
		"multi":               {"    architectures: [multi, amd64]\n", "", "linux/amd64 linux/arm64 linux/s390x"},
		"a release":           {"    release: a.io/rel:arm\n", "", "linux/arm64"},
		"a release for all":   {"    release: a.io/rel:multi\n", "", "linux/amd64 linux/arm64 linux/s390x"},
		"release and channel": {"    release: a.io/rel:arm\n    channels: [{name: stable-4.1}]\n", "", "linux/amd64 linux/arm64"},
		"another base":        {"    architectures: [arm64]\n", "a.io/one:arm", "linux/arm64"},
		"all of one":          {"    architectures: [multi]\n", "a.io/one:arm", "linux/arm64"},
	} {
		t.Run(name, func(t *testing.T) {
			c := graphConfig(t, tc.platform)
			if tc.base != "" {
				c.Extra.GraphBase = oci.Ref{Registry: "a.io", Repository: "one", Tag: "arm"}
			}
			if got := resolved(t, c, m); strings.Join(got.Platforms, " ") != tc.want {
				t.Errorf("got %q, want %q", got.Platforms, tc.want)
			}
		})
	}
}

func TestGraphErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "graph.tar.gz")
	if err := os.WriteFile(file, graphArchive(t, "x", time.Unix(1, 0)), 0o600); err != nil {
		t.Fatal(err)
	}
	named, err := ParseGraphData(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		platform string
		arrange  func(*asktest.Registry, *Config)
		want     string
		base     bool
	}{
		"not there":    {"", func(m *asktest.Registry, _ *Config) { clear(m.Published) }, "read the graph data: get " + imageset.GraphDataURL + ": the server answers 404 Not Found", false},
		"a page":       {"", func(m *asktest.Registry, _ *Config) { m.Published[imageset.GraphDataURL] = []byte("<html>") }, "read the graph data of " + imageset.GraphDataURL + ": graph data: it is not a gzip archive; it begins with \"<html>\"", false},
		"no base":      {"", func(m *asktest.Registry, _ *Config) { delete(m.Refs, ubi) }, "base image " + ubi + ": manifest unknown", true},
		"another base": {"", func(m *asktest.Registry, c *Config) { m.Refs[ubi] = m.Artifact("application/x", m.Base) }, "it is no image", true},
		"no platform":  {"    architectures: [amd64, ppc64le]\n", nil, "it is not for linux/ppc64le; it is for linux/amd64, linux/arm64, linux/s390x", true},
		"one platform": {"", func(_ *asktest.Registry, c *Config) {
			c.Extra.GraphBase = oci.Ref{Registry: "a.io", Repository: "one", Tag: "arm"}
		}, "it is not for linux/amd64; it is for linux/arm64", true},
		"another content": {"", func(_ *asktest.Registry, c *Config) { c.Extra.GraphData = named }, "graph.tar.gz has changed since this began", false},
	} {
		t.Run(name, func(t *testing.T) {
			m := graphWorld(t)
			m.At("a.io/b:c", m.Image(false, m.Base))
			c := graphConfig(t, tc.platform+"  additionalImages: [{name: 'a.io/b:c'}]\n")
			if tc.arrange != nil {
				tc.arrange(m, c)
			}
			inv, err := Resolve(t.Context(), c, m)
			gaps, ok := oci.Gaps(err)
			if !ok || len(gaps) != 1 || !origin.IsGraph(gaps[0].Image.Source) || len(inv.Images) != 1 || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want a gap: %s", err, tc.want)
			}
			var graph *GraphError
			if !errors.As(err, &graph) || graph.Base != tc.base {
				t.Errorf("%v is no GraphError of the base image: %t", err, tc.base)
			}
		})
	}
}

func TestGraphDataURL(t *testing.T) {
	for _, tc := range []struct{ update, data, link, bare string }{
		{"", "", imageset.GraphDataURL, imageset.GraphDataURL},
		{"https://a.io/api/upgrades_info/v1/graph", "", "https://a.io/api/upgrades_info/graph-data", "https://a.io/api/upgrades_info/graph-data"},
		{"https://u:p@a.io/api/upgrades_info/graph?key=v", "", "https://u:p@a.io/api/upgrades_info/graph-data?key=v", "https://a.io/api/upgrades_info/graph-data"},
		{"http://a.io/graph", "", "http://a.io/graph-data", "http://a.io/graph-data"},
		{"http://a.io/mygraph", "", "", ""},
		{"a.io/graph", "", "", ""},
		{"http://a.io/mygraph", "http://b.io/x.tgz?a=b", "http://b.io/x.tgz?a=b", "http://b.io/x.tgz"},
	} {
		c := graphConfig(t, "")
		c.Extra.UpdateURL, c.Extra.GraphData.URL = tc.update, tc.data
		link, bare, err := c.GraphDataURL()
		if link != tc.link || bare != tc.bare || (err == nil) != (link != "") {
			t.Errorf("%s %s: got %s, %s, %v", tc.update, tc.data, link, bare, err)
		}
		err = c.CheckSupported()
		if ce, ok := one[*ConfigError](err); (link == "") != ok || ok && (ce.Field != "GraphData" || !strings.HasPrefix(ce.Error(), "f.yaml:5:5: mirror.platform.graph: UPDATE_URL_OVERRIDE")) {
			t.Errorf("%s: %v", tc.update, err)
		}
	}
}

// TestGraphFlags are flags for a graph, and how they tell configurations apart.
func TestGraphFlags(t *testing.T) {
	file := filepath.Join(t.TempDir(), "graph.tar.gz")
	for name, want := range map[string]string{
		"ftp://a.io/x": "not an http", "https://u:p@a.io/x": "a user or a password", file: "no such file",
	} {
		if _, err := ParseGraphData(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var seen []string
	for _, body := range []string{"a", "b"} {
		if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		c := graphConfig(t, "")
		var err error
		if c.Extra.GraphData, err = ParseGraphData(file); err != nil {
			t.Fatal(err)
		}
		seen = append(seen, c.Digest().String())
		c.Extra.UpdateURL = asktest.GraphServer
		if c.Digest().String() != seen[len(seen)-1] {
			t.Error("the graph server matters beside a file")
		}
	}
	for _, x := range []Extra{{}, {UpdateURL: "https://a.io/graph"}, {GraphData: GraphData{URL: "https://a.io/x"}}, {GraphBase: oci.Ref{Registry: "a.io", Repository: "b", Tag: "c"}}} {
		c := graphConfig(t, "")
		c.Extra = x
		seen = append(seen, c.Digest().String())
	}
	if n := len(text.Sorted(seen)); n != 6 {
		t.Errorf("6 configurations have %d digests", n)
	}
	c := asktest.ReleaseConfig(t, "a.io/b:c")
	c.Extra.GraphBase = oci.Ref{Registry: "a.io", Repository: "b", Tag: "c"}
	if ce, ok := one[*ConfigError](c.CheckSupported()); !ok || !strings.Contains(ce.Error(), "mirror.platform.graph does not ask for it") {
		t.Errorf("a base for no graph: %v", c.CheckSupported())
	}
}

// TestGraphFile takes the data from a file, and the note about OKD from its absence.
func TestGraphFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "graph.tar.gz")
	if err := os.WriteFile(file, graphArchive(t, "LICENSE", time.Unix(7, 0)), 0o600); err != nil {
		t.Fatal(err)
	}
	m := graphWorld(t)
	m.Parts = m.Components("etcd-1")
	m.Published[asktest.GraphLink(release.GraphURLs["okd"], "amd64", "okd-4")] = m.GraphBody(t, "amd64", asktest.Graph{Versions: "4.1.0", Edges: nil})
	const okd = "    channels: [{name: okd-4, type: okd}]\n"
	want := resolved(t, graphConfig(t, okd), m)
	if text := strings.Join(m.Notes, "\n"); !strings.Contains(text, "knows no channels of OKD") {
		t.Errorf("noted: %s", text)
	}
	m.Notes = nil
	delete(m.Published, imageset.GraphDataURL)
	c := graphConfig(t, okd)
	var err error
	if c.Extra.GraphData, err = ParseGraphData(file); err != nil {
		t.Fatal(err)
	}
	if got := resolved(t, c, m); got.Root.Digest != want.Root.Digest {
		t.Errorf("got %s, want %s", got.Root.Digest, want.Root.Digest)
	}
	if len(m.Notes) > 0 {
		t.Errorf("noted: %q", m.Notes)
	}
}

// TestEmitGraph: nodes need no rule for the graph image; the update service reads it.
func TestEmitGraph(t *testing.T) {
	m := graphWorld(t)
	img := resolved(t, graphConfig(t, ""), m)
	inv := &oci.Inventory{Images: []oci.Image{img}, Gaps: []oci.Gap{{Image: oci.Image{Origin: origin.Additional, Source: oci.Ref{Registry: "a.io", Repository: "b", Tag: "c"}}, Err: errors.New("gone")}}}
	files, _, err := Emit(inv, Site{Mirror: oci.Mirror{Host: "m.example", Namespace: "ns"}})
	asktest.NoError(t, err)
	for _, f := range files {
		if strings.Contains(string(f.Body), origin.LocalGraph) || strings.HasPrefix(f.Name, "icsp") {
			t.Errorf("%s:\n%s", f.Name, f.Body)
		}
	}
	page := string(fileOf(t, files, "APPLY.md").Body)
	if !strings.Contains(page, "for 1 image.") {
		t.Errorf("the graph image is not counted:\n%s", page)
	}
	service := string(fileOf(t, files, "updateservice.yaml").Body)
	if want := "graphDataImage: m.example/ns/openshift/graph-image@" + img.Root.Digest.String() + "\n  releases: m.example/ns/openshift/release-images\n"; !strings.Contains(service, want) {
		t.Errorf("it does not say %s:\n%s", want, service)
	}
	payload := oci.Image{Origin: origin.Release, Source: oci.Ref{Registry: "quay.io", Repository: "ocp/rel", Tag: "4.16.3-x86_64"}, Root: img.Root, Path: origin.PathPayload, Tags: []string{"4.16.3-x86_64"}}
	inv = &oci.Inventory{Images: []oci.Image{payload}, Gaps: []oci.Gap{{Image: oci.Image{Origin: origin.Release, Source: img.Source, Reasons: img.Reasons}, Err: errors.New("no")}}}
	files, _, err = Emit(inv, Site{Mirror: oci.Mirror{Host: "m.example"}})
	asktest.NoError(t, err)
	page = string(fileOf(t, files, "APPLY.md").Body)
	if !strings.Contains(page, "oc adm upgrade") || strings.Contains(page, "updateservice.yaml") || !strings.Contains(page, "(platform.graph): no") {
		t.Errorf("without the graph image an update is not possible any more:\n%s", page)
	}
}

// fullGraph is a host that has no space to keep what is made.
type fullGraph struct {
	*asktest.Registry
	layer bool // or the rest
}

func (f fullGraph) Put(mediaType string, body []byte) (oci.Descriptor, error) {
	if !f.layer {
		return oci.Descriptor{}, asktest.ErrFull
	}
	return f.Registry.Put(mediaType, body)
}

func (f fullGraph) PutFrom(mediaType string, fill func(io.Writer) error) (oci.Descriptor, error) {
	if f.layer {
		return oci.Descriptor{}, asktest.ErrFull
	}
	return f.Registry.PutFrom(mediaType, fill)
}

// TestGraphHost tells faults of this host as such: neither data nor base can help it.
func TestGraphHost(t *testing.T) {
	for _, layer := range []bool{true, false} {
		_, err := Resolve(t.Context(), graphConfig(t, ""), fullGraph{graphWorld(t), layer})
		var gap *oci.Gap
		var graph *GraphError
		if !errors.Is(err, asktest.ErrFull) || errors.As(err, &gap) || errors.As(err, &graph) {
			t.Errorf("layer %v: got %v", layer, err)
		}
	}
}
