package emit

import (
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/oci"
)

// TestEmitMadeCatalog names a catalog that was made by what it was made from, as the
// configuration did; no rule leads to it.
func TestEmitMadeCatalog(t *testing.T) {
	t.Parallel()
	base, made := "a.example/x/catalog@"+oci.Digest([]byte("base")).String(), oci.Digest([]byte("made"))
	ref, err := oci.ParseRef(base)
	must(t, err)
	img := oci.Image{Origin: origin.Catalog, Source: ref.WithDigest(made), Root: oci.Descriptor{MediaType: oci.MediaTypeIndex, Digest: made, Size: 1}, Built: true, Base: ref}
	must(t, img.Validate())
	inv := &oci.Inventory{Images: []oci.Image{img}}
	given := site.Site{Mirror: oci.Mirror{Host: "m.example"}, CatalogNames: map[string]string{base: "ours"},
		Templates: []documents.CatalogTemplate{{Catalog: base, Spec: map[string]any{"publisher": "Us"}}}}
	files, _, err := Emit(inv, given)
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
	given.CatalogNames = map[string]string{"a.example/x/catalog@" + oci.Digest([]byte("other")).String(): "ours"}
	if _, _, err := Emit(inv, given); err == nil {
		t.Error("another digest names it")
	}
}
