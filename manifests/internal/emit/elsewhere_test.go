package emit

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/oci"
)

// TestElsewhere: where a tag of the mirror names another image, the page gives the digest, and
// no other file names a tag at all.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	inv := &oci.Inventory{Images: []oci.Image{
		emitImage{Origin: "additional", Source: "quay.io/acme/tool:1", Tags: []string{"1"}, Platforms: []string{"linux/amd64"}}.image(t),
		emitImage{Origin: "additional", Source: "quay.io/acme/still:1", Tags: []string{"1"}, Platforms: []string{"linux/amd64"}}.image(t),
		emitImage{Origin: "catalog", Source: "registry.redhat.io/redhat/redhat-operator-index:v4.16", Tags: []string{"v4.16"}, Platforms: []string{"linux/amd64"}}.image(t),
		emitImage{Origin: "release", Source: "graph-data.local/openshift/graph-image:latest", Tags: []string{"latest"}, Platforms: []string{"linux/amd64"}}.image(t),
	}}
	inv.Images[3].Built = true
	other := digest.FromString("another week's")
	given := site.Site{Mirror: oci.Mirror{Host: "mirror.example", Namespace: "ocp"}}
	given.Elsewhere = map[string]digest.Digest{"mirror.example/ocp/acme/tool:1": other, "mirror.example/ocp/openshift/graph-image:latest": "", "mirror.example/ocp/redhat/redhat-operator-index:v4.16": other}
	files, notes, err := Emit(inv, given)
	must(t, err)
	var said []string
	for _, n := range notes {
		if strings.Contains(n, "by tag the mirror gives other images") {
			said = append(said, n)
		}
	}
	if len(said) != 1 || !strings.Contains(said[0], "ocp/acme/tool:1") || !strings.Contains(said[0], "graph-image:latest") || strings.Contains(said[0], "still") {
		t.Errorf("notes: %q", notes)
	}
	for _, f := range files {
		body := string(f.Body)
		if f.Name != handover.FileApply {
			if strings.Contains(body, ":v4.16") || strings.Contains(body, "tool:1") {
				t.Errorf("%s names a tag:\n%s", f.Name, body)
			}
			continue
		}
		for _, want := range []string{
			"`quay.io/acme/tool:1`: use `quay.io/acme/tool@" + inv.Images[0].Root.Digest.String() + "` (not `mirror.example/ocp/acme/tool:1`: that tag names another image, `" + other.String() + "`)",
			"`quay.io/acme/still:1`: use `mirror.example/ocp/acme/still:1` or",
		} {
			if !strings.Contains(body, want) {
				t.Errorf("APPLY.md lacks %q:\n%s", want, body)
			}
		}
	}
}
