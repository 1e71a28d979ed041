package manifests

import (
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestEmitMadeCatalog names a catalog that was made by what it was made from, as the
// configuration did; no rule leads to it.
func TestEmitMadeCatalog(t *testing.T) {
	base, made := "a.example/x/catalog@"+oci.Digest([]byte("base")).String(), oci.Digest([]byte("made"))
	ref, err := oci.ParseRef(base)
	must(t, err)
	img := oci.Image{Origin: origin.Catalog, Source: ref.WithDigest(made), Root: oci.Descriptor{MediaType: oci.MediaTypeIndex, Digest: made, Size: 1}, Built: true, Base: ref}
	must(t, img.Validate())
	inv := &oci.Inventory{Images: []oci.Image{img}}
	site := Site{Mirror: oci.Mirror{Host: "m.example"}, CatalogNames: map[string]string{base: "ours"},
		Templates: []CatalogTemplate{{Catalog: base, Spec: map[string]any{"publisher": "Us"}}}}
	files, _, err := Emit(inv, site)
	must(t, err)
	text := string(fileOf(t, files, "catalogsource-ours.yaml").Body)
	if !strings.Contains(text, "publisher: Us") || !strings.Contains(text, "image: m.example/x/catalog@"+made.String()) {
		t.Errorf("%s", text)
	}
	for _, f := range files {
		if strings.HasPrefix(f.Name, "icsp-") {
			t.Errorf("%s: %s", f.Name, f.Body)
		}
	}
	site.CatalogNames = map[string]string{"a.example/x/catalog@" + oci.Digest([]byte("other")).String(): "ours"}
	if _, _, err := Emit(inv, site); err == nil {
		t.Error("another digest names it")
	}
}

// TestFilteredPlatforms makes images for the platforms that are wanted.
func TestFilteredPlatforms(t *testing.T) {
	h := newCatalogHost()
	h.stack(testCatalog, true, ocitest.CatalogRun(), layersOfTheTest(t, h)...)
	for _, arch := range []string{"arm64", "s390x"} {
		c := parsed(t, "  - catalog: "+testCatalog+"\n    packages: [{name: etcd}]\n    platforms: [{os: linux, architecture: "+arch+"}]\n")
		inv, err := Resolve(t.Context(), c, h)
		i := slices.IndexFunc(inv.Images, func(img oci.Image) bool { return img.Origin == origin.Catalog })
		switch {
		case arch == "arm64" && (err != nil || i < 0 || !inv.Images[i].Built || !slices.Equal(inv.Images[i].Platforms, []string{"linux/arm64"})):
			t.Errorf("%v, %v", inv.Images, err)
		case arch == "s390x" && (err == nil || i >= 0 || !strings.Contains(err.Error(), "linux/amd64")):
			t.Errorf("%v, %v", inv.Images, err)
		}
	}
}
