package emit

import (
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/oci"
)

// TestCollectPage: APPLY.md warns of a garbage collection only where an index is carried.
func TestCollectPage(t *testing.T) {
	t.Parallel()
	for _, index := range []bool{false, true} {
		img := emitImage{Origin: "additional", Source: "quay.io/acme/tool:1", Tags: []string{"1"}}.image(t)
		if index {
			img.Root.MediaType = oci.MediaTypeIndex
		}
		files, _, err := Emit(&oci.Inventory{Images: []oci.Image{img}}, site.Site{Mirror: oci.Mirror{Host: "mirror.example"}})
		must(t, err)
		for _, f := range files {
			if f.Name == handover.FileApply && strings.Contains(string(f.Body), "docker-registry 2.8 deletes them") != index {
				t.Errorf("an index: %t\n%s", index, f.Body)
			}
		}
	}
}
