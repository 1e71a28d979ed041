package manifests

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/oci"
)

// TestHubPlaces: of everything that has one source outside, each entry gets what is at its own
// place, and an additional image is never a catalog that was built.
func TestHubPlaces(t *testing.T) {
	t.Parallel()
	const cat = "  - catalog: " + asktest.TestCatalog + "\n"
	const first, second = cat + "    packages: [{name: etcd}]\n", cat + "    targetCatalog: team/second\n    packages: [{name: prometheus}]\n"
	const third, whole = cat + "    targetCatalog: team/second\n    targetTag: other\n    packages: [{name: etcd, channels: [{name: stable}]}]\n", "  additionalImages: [{name: '" + asktest.TestCatalog + "', targetRepo: whole/catalog}]\n"
	h := asktest.NewCatalogs()
	h.PutCatalog(t, asktest.TestCatalog, asktest.TestFiles())
	in, inv := toInside(t, asktest.ParseOperators(t, first+second+third+whole), h, &h.Stored, h.Content, h.Images)
	for name, c := range map[string]struct {
		config string
		all    bool // that the hub has
		fails  string
	}{
		"all":                {first + second + third + whole, true, ""},
		"in another order":   {third + second + first + whole, true, ""},
		"one of them":        {second, false, ""},
		"the other tag":      {third, false, ""},
		"the image alone":    {first + whole, false, ""},
		"nothing of a place": {strings.Replace(second, "team/second", "team/third", 1), false, "hub.example/ocp has several catalogs that were made of example.com/cat/index:v1, and none at the same targetCatalog"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one := *in
			one.Images = asktest.NewImages()
			cfg := asktest.ParseOperators(t, c.config)
			cfg.Extra.Hub = in.hub
			got, err := Resolve(t.Context(), cfg, &one)
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want, has := placed(inv), placed(got)
			if c.all != slices.Equal(want, has) {
				t.Errorf("the hub has\n%s\nits bundle\n%s", strings.Join(want, "\n"), strings.Join(has, "\n"))
			}
			for _, at := range has {
				if !slices.Contains(want, at) {
					t.Errorf("the hub does not have %s", at)
				}
			}
			if c.config == second && slices.ContainsFunc(got.Images, func(img oci.Image) bool { return img.Source.Repository == "etcd" }) {
				t.Error("it carries what only another catalog has")
			}
		})
	}
}

// TestHubGaps: what a catalog lacks in the hub is a gap of the next bundle too, until another
// bundle has brought it.
func TestHubGaps(t *testing.T) {
	t.Parallel()
	const both = "  - catalog: " + asktest.TestCatalog + "\n    packages: [{name: etcd}, {name: prometheus}]\n"
	h := asktest.NewCatalogs()
	h.PutCatalog(t, asktest.TestCatalog, asktest.TestFiles())
	in, inv := toInside(t, asktest.ParseOperators(t, both), h, &h.Stored, h.Content, h.Images)
	i := slices.IndexFunc(inv.Images, func(img oci.Image) bool { return img.Source.Repository == "prometheus" })
	lost := inv.Images[i]
	in.hub.Gaps = []oci.Gap{{Image: lost, Err: errors.New("manifest unknown")}}
	in.hub.Images = slices.DeleteFunc(in.hub.Images, func(img oci.Image) bool { return img.Source == lost.Source })
	cfg := asktest.ParseOperators(t, both)
	cfg.Extra.Hub = in.hub
	got, err := Resolve(t.Context(), cfg, in)
	gaps, only := oci.Gaps(err)
	if !only || len(gaps) != 1 || gaps[0].Image.Source != lost.Source || len(gaps[0].Image.Reasons) == 0 {
		t.Errorf("got %v", err)
	}
	if !slices.Equal(in.asked, []string{lost.Source.String()}) || got == nil {
		t.Errorf("asked for %q", in.asked)
	}

	fault := oci.Gap{Image: oci.Image{Origin: OriginOperator, Source: catalogRef(t), Reasons: []oci.Reason{{Kind: "operator", Name: "etcd", Part: "package", Catalog: asktest.TestCatalog}}}, Err: errors.New("package etcd is broken")}
	in.hub.Gaps = []oci.Gap{fault}
	if _, err := Resolve(t.Context(), cfg, in); err == nil || !strings.Contains(err.Error(), "package etcd is broken") {
		t.Errorf("a fault of the catalog: %v", err)
	}
}

func catalogRef(t *testing.T) oci.Ref {
	t.Helper()
	ref, err := oci.ParseRef(asktest.TestCatalog)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}
