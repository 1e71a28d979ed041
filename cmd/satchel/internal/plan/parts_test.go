package plan

import (
	"reflect"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestParts counts what is new and what is left out of each part, what several need in each.
func TestParts(t *testing.T) {
	t.Parallel()
	c := ocitest.New(31)
	ref := func(repo string) oci.Ref { return oci.Ref{Registry: "r.example", Repository: repo, Tag: "v1"} }
	const index = "r.example/cat/index:v1"
	acme := func(version string) oci.Reason {
		return oci.Reason{Kind: manifests.KindOperator, Name: "acme " + version, Part: "bundle", Catalog: index}
	}
	shared := c.Layer(3000, ocitest.LayerGzip)
	old := c.Image(false, c.Layer(1000, ocitest.LayerGzip), shared)
	images := []oci.Image{
		{Origin: manifests.OriginCatalog, Source: ref("cat/index"), Root: c.Image(false, c.Layer(500, ocitest.LayerGzip)), Reasons: []oci.Reason{{Kind: manifests.KindCatalog}}},
		{Origin: manifests.OriginOperator, Source: ref("op/a"), Root: c.Image(false, c.Layer(2000, ocitest.LayerGzip), shared), Reasons: []oci.Reason{acme("1.10.0"), acme("1.9.0"), {Kind: manifests.KindRelease, Name: "4.9.1 x86_64", Part: "etcd"}}},
		{Origin: manifests.OriginOperator, Source: ref("op/b"), Root: old, Reasons: []oci.Reason{acme("1.8.0")}},
		{Origin: manifests.OriginOperator, Source: ref("op/b"), Root: c.Image(false, c.Layer(700, ocitest.LayerGzip)), Subject: old.Digest, Reasons: []oci.Reason{{Kind: oci.ReasonAttached, Name: "op/b"}}},
	}
	g, err := oci.ReadGraph(t.Context(), images, func(oci.Image) (oci.Source, error) { return c, nil }, 1)
	if err != nil {
		t.Fatal(err)
	}
	travels, r := map[digest.Digest]bool{}, &Report{Images: make([]Image, len(g.Images))}
	need := make([]map[bool]int64, len(images)) // of each image, by whether it travels
	for i := range need {
		need[i] = map[bool]int64{}
	}
	for _, nodes := range [][]oci.Node{g.Manifests, g.Blobs} {
		for _, n := range nodes {
			is := n.Descriptor.Digest != shared.Digest && n.Images[0] != 2
			travels[n.Descriptor.Digest] = is
			for _, i := range n.Images {
				need[i][is] += n.Descriptor.Size
				r.Images[i].New = r.Images[i].New || is
			}
		}
	}
	got := r.parts(g, travels)
	want := []Part{
		{Kind: "release", Name: "4.9.1-x86_64", New: Amount{1, need[1][true]}, LeftOut: Amount{0, shared.Size}},
		{Kind: "catalog", Name: index, New: Amount{1, need[0][true]}},
		{Kind: "operator", Name: "acme", Catalog: index, Versions: []string{"1.9.0", "1.10.0"}, New: Amount{1, need[1][true] + need[3][true]}, LeftOut: Amount{1, need[2][false]}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
