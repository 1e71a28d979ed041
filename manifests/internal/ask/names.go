package ask

import (
	"fmt"
	"strings"

	"github.com/distribution/reference"

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
	const few = 10 // names that are listed whole where none is similar
	similar := text.Nearest(name, names)
	for i, n := range similar {
		similar[i] = fmt.Sprintf("%q", n)
	}
	switch {
	case len(similar) > 0:
		return "; did you mean " + text.Or(similar) + "?"
	case len(names) == 0 || len(names) > few:
		return ""
	}
	return "; it has " + text.ASCII(strings.Join(text.Sorted(names), ", "))
}
