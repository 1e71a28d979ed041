package bundle

import (
	"iter"
	"path/filepath"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/oci"
)

// Inventories gives, in no order, what the bundles carry that this host began, from
// their journals below state. Journals that cannot be read are passed over.
func Inventories(state string) iter.Seq[*oci.Inventory] {
	return func(yield func(*oci.Inventory) bool) {
		journals, err := filepath.Glob(journalPath(state, "*"))
		if err != nil {
			return // a state directory whose name is a bad pattern
		}
		for _, name := range journals {
			if st, err := journal.Peek(name); err == nil && !yield(&st.Begin.Inventory) {
				return
			}
		}
	}
}
