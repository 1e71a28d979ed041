package emit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// pageGaps says what was asked for and is not in the mirror.
func (e *emission) pageGaps(p *page) {
	if len(e.gaps) == 0 {
		return
	}
	p.head(text.Count(len(e.gaps), "image is missing", "images are missing"))
	p.text("They were asked for and are not in the mirror; the rules below are for what is there alone. Nodes that need one fail to pull it once the cable is cut. Carry them (`satchel pack --only`) before that.")
	for _, inc := range origin.IncompleteOf(e.gaps) {
		p.text("The %s %s is incomplete without:", inc.Kind, markdown(inc.Name))
		var list []string
		for _, g := range e.gaps {
			if g.Image.Subject == "" && slices.Contains(inc.Missing, g.Image.Source) {
				what := ""
				if parts := inc.Parts(g); parts != "" {
					what = " (" + markdown(parts) + ")"
				}
				list = append(list, fmt.Sprintf("`%s`%s: %s", g.Image.Source, what, markdown(g.Reason())))
			}
		}
		p.list(list)
	}
	e.pageOtherGaps(p)
}

// pageOtherGaps lists what is a part of nothing.
func (e *emission) pageOtherGaps(p *page) {
	var list []string
	for _, g := range e.gaps {
		if len(origin.Wholes(g)) > 0 {
			continue
		}
		what := string(g.Image.Origin)
		if words := oci.Words(g.Image.Reasons); len(words) > 0 {
			what = strings.Join(words, ", ")
		}
		list = append(list, fmt.Sprintf("`%s` (%s): %s", g.Image.Source, markdown(what), markdown(g.Reason())))
	}
	if len(list) == 0 {
		return
	}
	if len(list) < len(e.gaps) {
		p.text("A part of none of these:")
	}
	p.list(list)
}

func sortedGaps(gaps []oci.Gap) []oci.Gap {
	list := slices.Clone(gaps)
	slices.SortFunc(list, func(a, b oci.Gap) int {
		return cmp.Or(compareExactly(a.Image, b.Image), cmp.Compare(a.Reason(), b.Reason()))
	})
	return list
}
