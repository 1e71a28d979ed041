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
		{origin: oci.OriginPod, ref: digest, why: []string{"pod"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
