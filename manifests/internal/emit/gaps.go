package emit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// pageGaps lists the images that were requested and are not in the mirror.
func (e *emission) pageGaps(p *page.Page) {
	if len(e.Gaps) == 0 {
		return
	}
	p.Head(text.Count(len(e.Gaps), "image is missing", "images are missing"))
	if len(e.Gaps) == 1 {
		p.Text("The image of this list was requested, but is not in the mirror. The rules below are only for the images that are. After the cut, nodes cannot pull the missing one: bring it to the mirror before that (`satchel pack --only`).")
	} else {
		p.Text("The images of this list were requested, but are not in the mirror. The rules below are only for the images that are. After the cut, nodes cannot pull the missing ones: bring them to the mirror before that (`satchel pack --only`).")
	}
	for _, inc := range origin.IncompleteOf(e.Gaps) {
		p.Text("The %s %s is incomplete. It lacks:", inc.Kind, page.Markdown(inc.Name))
		var list []string
		for _, g := range e.Gaps {
			if g.Image.Subject == "" && slices.Contains(inc.Missing, g.Image.Source) {
				what := ""
				if parts := inc.Parts(g); parts != "" {
					what = " (" + page.Markdown(parts) + ")"
				}
				list = append(list, fmt.Sprintf("`%s`%s: %s", g.Image.Source, what, page.Markdown(g.Reason())))
			}
		}
		p.List(list)
	}
	e.pageOtherGaps(p)
}

// pageOtherGaps lists the gaps that make nothing else incomplete.
func (e *emission) pageOtherGaps(p *page.Page) {
	var list []string
	for _, g := range e.Gaps {
		if len(origin.Wholes(g)) > 0 {
			continue
		}
		what := string(g.Image.Origin)
		if words := oci.Words(g.Image.Reasons); len(words) > 0 {
			what = strings.Join(words, ", ")
		}
		list = append(list, fmt.Sprintf("`%s` (%s): %s", g.Image.Source, page.Markdown(what), page.Markdown(g.Reason())))
	}
	if len(list) == 0 {
		return
	}
	if len(list) < len(e.Gaps) {
		p.Text("Not a part of any of these:")
	}
	p.List(list)
}
