package bundle

import (
	"iter"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
)

// Inventories gives, in no order, what the bundles carry that this host began, from
// their journals below state. Journals that cannot be read are skipped.
func Inventories(state string) iter.Seq[*oci.Inventory] {
	return func(yield func(*oci.Inventory) bool) {
		for _, name := range journalNames(state) {
			if st, err := journal.Peek(name); err == nil && !yield(&st.Begin.Inventory) {
				return
			}
		}
	}
}

// PackedImages gives the images that a bundle of this host carries, as they were pinned, from its journal
// below state; none if there is no journal of it that can be read.
func PackedImages(state, id string) []oci.Image {
	if !seal.IsID(id) {
		return nil
	}
	st, err := journal.Peek(journalPath(state, id))
	if err != nil {
		return nil
	}
	if st.Sealed != nil && st.Sealed.Images != nil {
		return st.Sealed.Images
	}
	return st.Begin.Inventory.Images
}
