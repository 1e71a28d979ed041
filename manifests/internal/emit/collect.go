package emit

import (
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/oci"
)

// pageCollect warns of a garbage collection that deletes what nodes pull.
func (e *emission) pageCollect(p *page.Page) {
	if !slices.ContainsFunc(e.Images, func(img oci.Image) bool { return oci.IsIndex(img.Root.MediaType) }) {
		return
	}
	p.Head("Garbage collection in the mirror")
	p.Text("Every image keeps a tag that never moves. The images of an index (one for each platform) have none of their own. docker-registry 2.8 deletes them if its garbage collection is told to delete untagged manifests (`-m`), and then nodes cannot pull them: run it without. distribution 3 and later keep them.")
}
