package operatorhub

import (
	"fmt"
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/oci/text"
)

// keepOthers takes the default catalogs for other versions than the one with the plain name apart,
// where it is not known which version the cluster runs. Those that the cluster has, or that
// somebody named, stay.
func (h *Hub) keepOthers() {
	if _, known := h.Minor(); known {
		return
	}
	plain := map[string]handover.Minor{}
	for _, c := range h.Catalogs {
		if m, tagged := handover.IndexMinor(c.Image); tagged && c.Name == h.plainName(c.Image.Source) {
			plain[c.Image.Source.Name()] = m
		}
	}
	var stay []CatalogObject
	for _, c := range h.Catalogs {
		m, tagged := handover.IndexMinor(c.Image)
		first, has := plain[c.Image.Source.Name()]
		if _, isDefault := handover.DefaultCatalogs[c.Image.Source.Name()]; isDefault && tagged && has && m != first && !c.fixed && !c.kept {
			h.Others = append(h.Others, c)
			continue
		}
		stay = append(stay, c)
	}
	h.Catalogs = stay
}

// pageOthers says what the files are for that no step applies.
func (h *Hub) pageOthers(p *page.Page) {
	var files []string
	for _, c := range h.Others {
		files = append(files, "`"+c.File+"`")
	}
	if len(files) > 0 {
		p.Text("For clusters of other versions, and not applied: %s. With the version of the cluster (`--from-cluster`, or `--cluster-version`), satchel render gives the plain name to the catalog for that version.", text.And(files))
	}
}

// fitsVersion are the lines of a chain that stop where the default catalogs of a list are not for the
// version that the cluster runs, which satchel does not know. What somebody named is meant so.
func (h *Hub) fitsVersion(list []CatalogObject) (lines []string) {
	if _, known := h.Minor(); known {
		return nil
	}
	var minors []string
	for _, c := range list {
		m, tagged := handover.IndexMinor(c.Image)
		_, isDefault := handover.DefaultCatalogs[c.Image.Source.Name()]
		if isDefault && tagged && !h.namedByHand(c.Name) && !c.kept && !slices.Contains(minors, m.String()) {
			minors = append(minors, m.String())
		}
	}
	if len(minors) == 0 {
		return nil
	}
	lines = []string{"RUNS=$(oc get clusterversion version -o jsonpath='{.status.desired.version}')"}
	for _, m := range minors {
		lines = append(lines, fmt.Sprintf(`case "$RUNS" in %s.*) ;; *) echo "A catalog here is for %[1]s, and the cluster runs $RUNS. Run satchel render with --cluster-version $RUNS."; false ;; esac`, m))
	}
	return lines
}

// pageFits says it before the commands.
func (h *Hub) pageFits(p *page.Page, list []CatalogObject) {
	if lines := h.fitsVersion(list); len(lines) > 0 {
		p.Text("The commands stop where the cluster runs another version than the catalogs are for. **Then run satchel render again with that version before anything else**: catalogs for another version offer operators that are not for this cluster. (What gets a name by `--catalog-name CATALOG=NAME` is not checked.)")
	}
}
