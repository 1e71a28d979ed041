package hub

import (
	"errors"
	"slices"
	"testing"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestEarlier: a late bundle does not set the file back, and one for gaps alone does not empty it.
func TestEarlier(t *testing.T) {
	t.Parallel()
	c := ocitest.New(92)
	image := func(name string) oci.Image {
		ref, err := oci.ParseRef("quay.io/team/" + name + ":v1")
		if err != nil {
			t.Fatal(err)
		}
		return oci.Image{Origin: "additional", Source: ref, Tags: []string{"v1"}, Root: c.Image(true, c.Layer(50, ocitest.LayerGzip)), Reasons: []oci.Reason{{Kind: "additionalImages"}}}
	}
	at := oci.Mirror{Host: "hub.example", Namespace: "ocp"}
	app, moved, lost, other := image("app"), image("app"), image("lost"), image("other")
	file := func(title string) map[string][]oci.ArtifactFile {
		return map[string][]oci.ArtifactFile{"update-graph": {{Title: title, MediaType: "text/plain", Body: []byte(title)}}}
	}
	two, _, err := Of(Bundle{"b2", "ledger", "weekly", 2}, &manifests.Hub{Mirror: at, Images: []oci.Image{moved, other}, Gaps: []oci.Gap{{Image: lost, Err: errors.New("unknown")}}, Files: file("a")}, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	one := &manifests.Hub{Mirror: at, Images: []oci.Image{app}}
	for name, x := range map[string]struct {
		bundle Bundle
		hub    *manifests.Hub
		back   bool
		kept   bool
		images []oci.Image
		gaps   int
		files  int
	}{
		"an older one":        {Bundle{"b1", "ledger", "weekly", 1}, one, false, true, []oci.Image{moved, other}, 1, 1},
		"it is to go back":    {Bundle{"b1", "ledger", "weekly", 1}, one, true, false, []oci.Image{app, other}, 1, 1},
		"one for gaps":        {Bundle{"b3", "ledger", "weekly", 3}, &manifests.Hub{Mirror: at, Images: []oci.Image{lost}, Files: file("b")}, false, false, []oci.Image{lost, moved, other}, 0, 2},
		"the same again":      {Bundle{"b2", "ledger", "weekly", 2}, &manifests.Hub{Mirror: at, Images: []oci.Image{moved, other}}, false, false, []oci.Image{moved, other}, 1, 1},
		"of another stream":   {Bundle{"b1", "ledger", "daily", 1}, one, false, false, []oci.Image{app}, 0, 0},
		"of another ledger":   {Bundle{"b1", "new", "weekly", 1}, one, false, false, []oci.Image{app}, 0, 0},
		"of no stream":        {Bundle{ID: "b1"}, one, false, false, []oci.Image{app}, 0, 0},
		"into another mirror": {Bundle{"b1", "ledger", "weekly", 1}, &manifests.Hub{Mirror: oci.Mirror{Host: "other.example"}, Images: []oci.Image{app}}, false, false, []oci.Image{app}, 0, 0},
	} {
		f, kept, err := Of(x.bundle, x.hub, two.Body, x.back)
		if err != nil || (kept != nil) != x.kept || x.kept && kept.Sequence != 2 {
			t.Errorf("%s: kept %v, %v", name, kept, err)
			continue
		}
		got, of, err := parse(Name, f.Body)
		if err != nil || !x.kept && of != x.bundle || len(got.Gaps) != x.gaps || len(got.Files["update-graph"]) != x.files ||
			!slices.EqualFunc(got.Images, x.images, func(a, b oci.Image) bool { return a.Source == b.Source && a.Root.Digest == b.Root.Digest }) {
			t.Errorf("%s: %v\n%+v", name, err, got)
		}
	}
}
