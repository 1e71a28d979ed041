package manifests

import (
	"reflect"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
)

// TestUnite has one image that three parts ask for, in two repositories.
func TestUnite(t *testing.T) {
	ref := oci.Ref{Registry: "a.io", Repository: "x/y", Tag: "v1"}
	digest := ref.WithDigest(oci.Digest([]byte("x")))
	got := unite([]wanted{
		{origin: oci.OriginAdditional, ref: ref, tags: []string{"v1"}, why: []string{"additionalImages"}},
		{origin: oci.OriginRelease, ref: ref, tags: []string{"r"}, path: "openshift/release", why: []string{"release"}},
		{origin: oci.OriginOperator, ref: ref, tags: []string{"o", "v1"}, path: "x/y", why: []string{"b", "a"}},
		{origin: oci.OriginChart, ref: ref, why: []string{"a"}},
		{origin: oci.OriginPod, ref: digest, why: []string{"pod"}},
	})
	want := []wanted{
		{origin: oci.OriginOperator, ref: ref, tags: []string{"o", "v1"}, why: []string{"a", "additionalImages", "b"}},
		{origin: oci.OriginRelease, ref: ref, tags: []string{"r"}, path: "openshift/release", why: []string{"release"}},
		{origin: oci.OriginPod, ref: digest, why: []string{"pod"}, pods: true},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestUniteKeepsWhatWasMadeApart has two charts of one name and different content:
// neither may take the other's place in silence.
func TestUniteKeepsWhatWasMadeApart(t *testing.T) {
	ref, err := oci.ParseRef("charts.local/web:1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	var list []wanted
	for _, body := range []string{"one", "two", "one"} {
		made := oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: oci.Digest([]byte(body)), Size: 3}
		list = append(list, wanted{origin: oci.OriginChart, ref: ref, tags: []string{"1.0.0"}, path: "charts/web", why: []string{body}, made: made})
	}
	if got := unite(list); len(got) != 2 {
		t.Errorf("got %v", got)
	}
}
