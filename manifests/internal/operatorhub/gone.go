package operatorhub

import (
	"fmt"
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/page"
)

// stepGone lists what catalogs have no more.
func (h *Hub) stepGone(p *page.Page) {
	var list []string
	for _, g := range h.Site.Gone {
		if !slices.ContainsFunc(h.Catalogs, func(c CatalogObject) bool { return c.Image.Root.Digest == g.Digest }) {
			continue
		}
		for _, line := range g.Lines {
			list = append(list, fmt.Sprintf("`%s`: %s", g.Catalog, page.Markdown(line)))
		}
	}
	if len(list) == 0 {
		return
	}
	p.Text("These catalogs have less than those that the mirror had under their names before. An operator that was installed from what is gone keeps running, and gets no updates. The command shows which Subscriptions follow which channel.")
	p.Run("oc get subscriptions.operators.coreos.com --all-namespaces -o custom-columns=NAMESPACE:.metadata.namespace,PACKAGE:.spec.name,CHANNEL:.spec.channel,CATALOG:.spec.source,INSTALLED:.status.installedCSV")
	p.Text("Gone:")
	p.List(list)
}
