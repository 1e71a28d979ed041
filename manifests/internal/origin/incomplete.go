package origin

import (
	"cmp"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Incomplete is something that was asked for as a whole and of which images are
// missing.
type Incomplete struct {
	Kind    string    `json:"kind"` // release, catalog, operator, chart
	Name    string    `json:"name"` // with its version, as far as it is known
	Missing []oci.Ref `json:"missing"`
}

// IncompleteOf says what the gaps make incomplete, sorted. A missing signature
// makes nothing incomplete.
func IncompleteOf(gaps []oci.Gap) []Incomplete {
	var list []Incomplete
	for _, g := range gaps {
		for _, what := range Wholes(g) {
			i := slices.IndexFunc(list, func(o Incomplete) bool { return o.Kind == what.Kind && o.Name == what.Name })
			if i < 0 {
				i, list = len(list), append(list, what)
			}
			if !slices.Contains(list[i].Missing, g.Image.Source) {
				list[i].Missing = append(list[i].Missing, g.Image.Source)
			}
		}
	}
	for _, inc := range list {
		slices.SortFunc(inc.Missing, func(a, b oci.Ref) int { return strings.Compare(a.String(), b.String()) })
	}
	slices.SortFunc(list, func(a, b Incomplete) int {
		order := func(i Incomplete) int { return slices.Index(wholeKinds, i.Kind) }
		return cmp.Or(cmp.Compare(order(a), order(b)), strings.Compare(a.Name, b.Name))
	})
	return list
}

// wholeKinds are what can be incomplete, in the order of a report.
var wholeKinds = []string{KindRelease, KindCatalog, KindOperator, KindChart}

// Wholes lists what a gap is a part of, or is itself.
func Wholes(g oci.Gap) (list []Incomplete) {
	if g.Image.Subject != "" {
		return nil
	}
	for _, r := range g.Image.Reasons {
		kind, name := r.Kind, r.Name
		switch {
		case kind == KindConfigured, kind == KindRunning && !slices.ContainsFunc(g.Image.Reasons, func(r oci.Reason) bool { return r.Kind == KindRelease }): // it could not be read, so its version is not known
			kind, name = KindRelease, g.Image.Source.String()
		case kind == KindCatalog:
			name = cmp.Or(name, g.Image.Source.String())
		}
		if slices.Contains(wholeKinds, kind) && name != "" {
			list = append(list, Incomplete{Kind: kind, Name: name})
		}
	}
	return list
}

// String says it in a line.
func (i Incomplete) String() string {
	names := make([]string, len(i.Missing))
	for k, ref := range i.Missing {
		names[k] = ref.String()
	}
	return i.Kind + " " + i.Name + " is incomplete: it lacks " + text.Count(len(names), "image", "images") + ", " + text.Some(names, 3)
}

// Parts says what of it a gap is: "etcd, oauth-server"; empty if that is not known.
func (i Incomplete) Parts(g oci.Gap) string {
	var list []string
	for _, r := range g.Image.Reasons {
		if r.Kind == i.Kind && r.Name == i.Name && r.Part != "" && !slices.Contains(list, r.Part) { // two catalogs may ask for it
			list = append(list, r.Part)
		}
	}
	return strings.Join(list, ", ")
}
