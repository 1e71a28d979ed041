package bundle

import (
	"iter"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
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
