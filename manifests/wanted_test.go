package manifests

import (
	"reflect"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
)

// TestUnite has one image that three parts ask for, in two repositories.
func TestUnite(t *testing.T) {
	ref := oci.Ref{Registry: "a.io", Repository: "x/y", Tag: "v1"}
	digest := ref.WithDigest(oci.Digest([]byte("x")))
	got := unite([]wanted{
		{origin: origin.Additional, ref: ref, tags: []string{"v1"}, why: reasons("additionalImages")},
		{origin: origin.Release, ref: ref, tags: []string{"r"}, path: "openshift/release", why: reasons("release")},
		{origin: origin.Operator, ref: ref, tags: []string{"o", "v1"}, path: "x/y", why: reasons("b", "a")},
		{origin: origin.Chart, ref: ref, why: reasons("a")},
		{origin: origin.Pod, ref: digest, why: reasons("pod")},
	})
	want := []wanted{
		{origin: origin.Operator, ref: ref, tags: []string{"o", "v1"}, why: reasons("a", "additionalImages", "b")},
		{origin: origin.Release, ref: ref, tags: []string{"r"}, path: "openshift/release", why: reasons("release")},
		{origin: origin.Pod, ref: digest, why: reasons("pod"), pods: true},
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
		list = append(list, wanted{origin: origin.Chart, ref: ref, tags: []string{"1.0.0"}, path: "charts/web", why: reasons(body), made: made})
	}
	if got := unite(list); len(got) != 2 {
		t.Errorf("got %v", got)
	}
}
