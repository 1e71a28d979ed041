package ask

import (
	"fmt"
	"strings"

	"github.com/distribution/reference"

	"github.com/satchel-airgap/satchel/manifests/internal/catalog"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// ParseNodeRef reads a reference as nodes do: a name without a host is one of
// docker.io, one with neither tag nor digest has the tag latest.
func ParseNodeRef(name string) (oci.Ref, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return oci.Ref{}, fmt.Errorf("image reference %.300q: %w", name, err)
	}
	return oci.ParseRef(reference.TagNameOnly(named).String())
}

// DidYouMean proposes what was meant by a name that is not among names.
func DidYouMean(name string, names []string) string {
	near := catalog.Nearest(name, names)
	for i, n := range near {
		near[i] = fmt.Sprintf("%q", n)
	}
	const few = 10 // names that are listed whole where none is like it
	switch last := len(near) - 1; last {
	case -1:
		if len(names) == 0 || len(names) > few {
			return ""
		}
		return "; it has " + text.ASCII(strings.Join(text.Sorted(names), ", "))
	case 0:
		return "; did you mean " + near[0] + "?"
	default:
		return "; did you mean " + strings.Join(near[:last], ", ") + " or " + near[last] + "?"
	}
}
