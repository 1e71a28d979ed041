package origin_test

import (
	"slices"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
)

// TestPartsOf: an image is part of all that ask for it, and of its origin where nothing else does.
func TestPartsOf(t *testing.T) {
	t.Parallel()
	ref := oci.Ref{Registry: "r.example", Repository: "cat/index", Tag: "v4.9"}
	const index = "r.example/cat/index:v4.10"
	operator := func(name, part string) oci.Reason {
		return oci.Reason{Kind: origin.KindOperator, Name: name, Part: part, Catalog: index}
	}
	images := []oci.Image{
		{Origin: origin.Pod, Reasons: []oci.Reason{{Kind: origin.KindPod, Name: "ns/pod app"}}},
		{Origin: origin.Additional, Reasons: []oci.Reason{{Kind: origin.KindAdditional}, operator("acme 1.10.0", "related image"), operator("acme 1.10.0", "bundle"), operator("acme 1.9.0", "bundle")}},
		{Origin: origin.Chart, Reasons: []oci.Reason{{Kind: origin.KindChart, Name: "web 1.0", Part: "Deployment web"}}},
		{Origin: origin.Catalog, Source: ref, Reasons: []oci.Reason{{Kind: origin.KindCatalog}}},
		{Origin: origin.Catalog, Source: ref, Reasons: []oci.Reason{{Kind: origin.KindCatalog, Name: "oci:///srv/index"}}},
		{Origin: origin.Release, Reasons: []oci.Reason{{Kind: origin.KindRelease, Name: "4.10.1 x86_64", Part: "etcd"}, {Kind: origin.KindRelease, Name: "4.9.2 x86_64", Part: "etcd"}}},
		{Origin: origin.Release, Reasons: []oci.Reason{{Kind: origin.KindGraph}}},
		{Origin: origin.Additional, Subject: "sha256:1", Reasons: []oci.Reason{{Kind: oci.ReasonAttached, Name: "an image"}}},
	}
	var got []origin.Part
	for _, img := range images {
		got = append(got, origin.PartsOf(img)...)
	}
	slices.SortFunc(got, origin.ComparePart)
	want := []origin.Part{
		{Kind: "release", Name: "graph data"}, {Kind: "release", Name: "4.9.2-x86_64"}, {Kind: "release", Name: "4.10.1-x86_64"},
		{Kind: "catalog", Name: "oci:///srv/index"}, {Kind: "catalog", Name: "r.example/cat/index:v4.9"},
		{Kind: "operator", Name: "acme", Catalog: index, Version: "1.9.0"}, {Kind: "operator", Name: "acme", Catalog: index, Version: "1.10.0"},
		{Kind: "chart", Name: "web 1.0"}, {Kind: "pod"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
