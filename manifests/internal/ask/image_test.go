package ask

import (
	"reflect"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
)

// TestUnite has one image that three parts ask for, in two repositories.
func TestUnite(t *testing.T) {
	ref := oci.Ref{Registry: "a.io", Repository: "x/y", Tag: "v1"}
	digest := ref.WithDigest(oci.Digest([]byte("x")))
	got := Unite([]Image{
		{Origin: origin.Additional, Ref: ref, Tags: []string{"v1"}, Reasons: reasons("additionalImages")},
		{Origin: origin.Release, Ref: ref, Tags: []string{"r"}, Path: "openshift/release", Reasons: reasons("release")},
		{Origin: origin.Operator, Ref: ref, Tags: []string{"o", "v1"}, Path: "x/y", Reasons: reasons("b", "a")},
		{Origin: origin.Chart, Ref: ref, Reasons: reasons("a")},
		{Origin: origin.Pod, Ref: digest, Reasons: reasons("pod")},
	})
	want := []Image{
		{Origin: origin.Operator, Ref: ref, Tags: []string{"o", "v1"}, Reasons: reasons("a", "additionalImages", "b")},
		{Origin: origin.Release, Ref: ref, Tags: []string{"r"}, Path: "openshift/release", Reasons: reasons("release")},
		{Origin: origin.Pod, Ref: digest, Reasons: reasons("pod"), Pods: true},
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
	var list []Image
	for _, body := range []string{"one", "two", "one"} {
		made := oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: oci.Digest([]byte(body)), Size: 3}
		list = append(list, Image{Origin: origin.Chart, Ref: ref, Tags: []string{"1.0.0"}, Path: "charts/web", Reasons: reasons(body), Built: made})
	}
	if got := Unite(list); len(got) != 2 {
		t.Errorf("got %v", got)
	}
}

// reasons makes reasons of words for them, "KIND NAME".
func reasons(words ...string) (list []oci.Reason) {
	for _, w := range words {
		kind, name, _ := strings.Cut(w, " ")
		list = append(list, oci.Reason{Kind: kind, Name: name})
	}
	return list
}
