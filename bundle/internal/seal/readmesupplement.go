package seal

import "fmt"

// readmeSupplement is what the sixth wording, and those after it, say of a supplement.
const readmeSupplement = `This bundle is a supplement: it has what bundle %[1]s has lost, and all of its manifests.
satchel unpack takes both: name the directory of that bundle after this one. Alone, and without
satchel, this bundle gives the manifests, and the layers that were lost.

`

// notAlone says what else it takes to have all that the bundle's images need.
func (a About) notAlone() (s string) {
	if a.Sparse {
		s = readmeSparse
	}
	if a.Damaged != "" {
		s += fmt.Sprintf(readmeSupplement, a.Damaged)
	}
	return s
}
