package asktest

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

const GraphServer = "https://graph.example.com/g"

// Graph is a made-up update graph, with edges "A>B", or "A>B RISK" for a conditional one.
type Graph struct {
	Versions string
	Edges    []string
}

// GraphBody writes a graph of payloads that m has, by version.
func (m *Registry) GraphBody(t *testing.T, arch string, g Graph) []byte {
	t.Helper()
	nodes, edges, conditional := []map[string]any{}, [][2]int{}, []map[string]any{}
	at := map[string]int{}
	for i, v := range strings.Fields(g.Versions) {
		at[v] = i
		d := m.PutPayload(t, v, arch, m.Parts)
		ref := m.At("quay.io/ocp/rel@"+d.Digest.String(), d)
		nodes = append(nodes, map[string]any{"version": v, "payload": ref, "metadata": map[string]string{"url": "x"}})
	}
	for _, e := range g.Edges {
		ends, risk, risky := strings.Cut(e, " ")
		from, to, _ := strings.Cut(ends, ">")
		if risky {
			conditional = append(conditional, map[string]any{"edges": []map[string]string{{"from": from, "to": to}},
				"risks": []map[string]string{{"name": risk, "message": "about\n" + risk, "url": "https://example.com/" + risk}}})
		} else {
			edges = append(edges, [2]int{at[from], at[to]})
		}
	}
	body, err := json.Marshal(map[string]any{"version": 1, "nodes": nodes, "edges": edges, "conditionalEdges": conditional})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func GraphLink(base, arch, channel string) string {
	return base + "?" + url.Values{"arch": {arch}, "channel": {channel}}.Encode()
}

// ChannelWorld serves graphs of channels, for amd64.
func ChannelWorld(t *testing.T) *Registry {
	t.Helper()
	m := NewRegistry()
	m.Published = map[string][]byte{}
	parts := m.Components("etcd-1")
	m.Parts = parts
	for channel, g := range map[string]Graph{
		"stable-4.1":  {"4.1.0 4.1.1 4.1.2", []string{"4.1.0>4.1.1", "4.1.1>4.1.2"}},
		"stable-4.2":  {"4.1.2 4.2.0 4.2.1", []string{"4.1.2>4.2.0", "4.2.0>4.2.1"}},
		"stable-4.3":  {"4.2.1 4.3.0 4.3.1 4.3.2 4.3.3-rc.1 4.3.3", []string{"4.2.1>4.3.0", "4.3.0>4.3.1", "4.3.1>4.3.2", "4.3.0>4.3.2 Slow", "4.3.1>4.3.3 Lossy", "4.3.2>4.3.3 Slow"}},
		"eus-4.1":     {"4.1.0 4.1.1 4.1.2", []string{"4.1.0>4.1.2"}},
		"eus-4.3":     {"4.2.1 4.3.0 4.3.1", []string{"4.2.1>4.3.0", "4.3.0>4.3.1"}},
		"island-4.3":  {"4.3.1", nil},
		"none-4.3":    {"", nil},
		"eus-4.21":    {"4.21.1", nil},
		"stable-4.22": {"4.21.1 4.22.1", []string{"4.21.1>4.22.1"}},
		"eus-5.0":     {"4.22.1 5.0.1", []string{"4.22.1>5.0.1"}},
		"apart-4.4":   {"4.4.0 4.4.1 4.4.2", []string{"4.4.1>4.4.2"}},
	} {
		m.Published[GraphLink(GraphServer, "amd64", channel)] = m.GraphBody(t, "amd64", g)
	}
	m.Published[GraphLink(GraphServer, "arm64", "stable-4.2")] = m.GraphBody(t, "arm64", Graph{"4.2.0 4.2.1", []string{"4.2.0>4.2.1"}})
	return m
}

func ChannelConfig(t *testing.T, channels string, more ...string) *imageset.Config {
	t.Helper()
	c, err := imageset.Parse("f.yaml", []byte(Head+"mirror:\n  platform:\n    channels: ["+channels+"]\n"+strings.Join(more, "")))
	if err != nil {
		t.Fatal(err)
	}
	c.Extra.UpdateURL = GraphServer
	c.Extra.IgnoreReleaseSignature = true // they have their own tests
	return c
}

// PutBootPayload makes a payload of one component that has boot images too, and says
// that it is for an architecture, or several.
func (m *Registry) PutBootPayload(t *testing.T, arch, says string, boot map[string]string) oci.Descriptor {
	t.Helper()
	var list []string
	for a, ref := range boot {
		list = append(list, fmt.Sprintf(`%q:{"images":{"kubevirt":{"digest-ref":%q}}}`, a, ref))
	}
	slices.Sort(list)
	etcd := m.Components("etcd-1")["etcd-1"]
	layer, err := m.Content.Files(ocitest.LayerGzip,
		ocitest.File{Name: "release-manifests/", Header: &tar.Header{Typeflag: tar.TypeDir, Mode: 0o755}},
		ocitest.File{Name: "release-manifests/0000_50_installer_coreos-bootimages.yaml", Body: []byte("kind: ConfigMap\ndata:\n  stream: '{\"architectures\":{" + strings.Join(list, ",") + "}}'\n")},
		ocitest.File{Name: "release-manifests/image-references", Body: []byte(`{"kind":"ImageStream","apiVersion":"image.openshift.io/v1","spec":{"tags":[{"name":"etcd","from":{"kind":"DockerImage","name":"` + etcd + `"}}]}}`)},
		ocitest.File{Name: "release-manifests/release-metadata", Body: []byte(`{"kind":"cincinnati-metadata-v0","version":"4.18.1","metadata":{"release.openshift.io/architecture":"` + says + `"}}`)})
	if err != nil {
		t.Fatal(err)
	}
	return m.Labelled(arch, true, nil, m.Base, layer)
}

// PutMultiRelease makes a payload for several architectures with one component that
// is an index too, as the payload records.
func (m *Registry) PutMultiRelease(t *testing.T, version string) oci.Descriptor {
	t.Helper()
	etcd := m.IndexFor(false, []string{"amd64", "arm64", "s390x"}, m.ImageFor("amd64", false, m.Base), m.ImageFor("arm64", false, m.Base), m.ImageFor("s390x", false, m.Base))
	parts := map[string]string{"etcd": m.At(Art+"@"+etcd.Digest.String(), etcd)}
	return m.IndexFor(true, []string{"arm64", "amd64"}, m.PutPayload(t, version, "arm64", parts), m.PutPayload(t, version, "amd64", parts))
}

const Art = "quay.io/ocp/art"

// Registry is a registry with made-up components.
type Registry struct {
	*Images
	*ocitest.Content
	Base  oci.Descriptor
	Parts map[string]string // components of the payloads of a graph
}

func NewRegistry() *Registry {
	m := &Registry{Images: NewImages(), Content: ocitest.New(7)}
	m.Base = m.Layer(8192, ocitest.LayerGzip)
	m.Also = m.Content
	return m
}

// At makes an image known by a reference.
func (m *Registry) At(ref string, d oci.Descriptor) string {
	m.Refs[ref] = d
	return ref
}

// Components makes an image for each name; the same digit at the end is the same image.
func (m *Registry) Components(names ...string) map[string]string {
	refs, seen := map[string]string{}, map[byte]oci.Descriptor{}
	for _, name := range names {
		d, ok := seen[name[len(name)-1]]
		if !ok {
			d = m.Image(true, m.Base, m.Layer(4096, ocitest.LayerGzip))
			seen[name[len(name)-1]] = d
		}
		refs[name] = m.At(Art+"@"+d.Digest.String(), d)
	}
	return refs
}

// gates is among the manifests of the version operator in each payload.
const gates = "kind: ConfigMap\nmetadata: {name: admin-gates, namespace: openshift-config-managed}\ndata: {ack-4.12-a-in-4.13: Something goes.}\n"

func (m *Registry) PutPayload(t *testing.T, version, arch string, components map[string]string) oci.Descriptor {
	t.Helper()
	own, err := m.Files(ocitest.LayerGzip, ocitest.File{Name: "manifests/0000_00_gates.yaml", Body: []byte(gates)})
	if err != nil {
		t.Fatal(err)
	}
	d, err := m.Payload(version, arch, components, m.Base, own)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func ReleaseConfig(t *testing.T, release string, more ...string) *imageset.Config {
	t.Helper()
	c, err := imageset.Parse("f.yaml", []byte(Head+"mirror:\n  platform:\n    release: "+release+"\n"+strings.Join(more, "")))
	if err != nil {
		t.Fatal(err)
	}
	c.Extra.IgnoreReleaseSignature = true // they have their own tests
	return c
}
