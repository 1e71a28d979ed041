package emit

import (
	"fmt"

	"github.com/satchel-airgap/satchel/manifests/internal/page"
)

// whichName is the cluster's name, for a sentence; "" where it is not known.
func (e *emission) whichName() string {
	if s := e.Site.Cluster; s != nil && s.Name != "" {
		return " (" + page.Markdown(s.Name) + ")"
	}
	return ""
}

// pageWhich names the cluster that a page is for, where it is known.
func (e *emission) pageWhich(p *page.Page) {
	s := e.Site.Cluster
	if s == nil || s.Name == "" {
		return
	}
	text := fmt.Sprintf("**For the cluster %s", page.Markdown(s.Name))
	if url := s.Address(); url != "" {
		text += ", " + page.Markdown(url)
	}
	if id := s.ID(); id != "" {
		text += fmt.Sprintf(" (its ID: `%s`)", page.Markdown(id))
	}
	p.Text("%s.**", text)
}

// runCompare has the reader compare the cluster with that of the page, before the first step
// changes anything.
func (e *emission) runCompare(p *page.Page) {
	id := e.Site.Cluster.ID()
	if id == "" {
		return
	}
	p.Text("First see that you are logged in to the right cluster. If this prints STOP, it is another one: run nothing of this page.")
	p.Run(
		"ID=$(oc get clusterversion version -o jsonpath='{.spec.clusterID}')",
		fmt.Sprintf(`if [ "$ID" = %s ]; then echo "This is the right cluster."; else echo "STOP: this is not the cluster of this page. Its ID is: $ID"; fi`, page.Shell(id)),
	)
}
