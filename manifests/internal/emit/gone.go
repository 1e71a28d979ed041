package emit

import (
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/page"
)

// CatalogGone is what the catalog that a name in the mirror served before had, and the one of
// this bundle has no more.
type CatalogGone struct {
	Catalog string        // the name: repository and tag
	Digest  digest.Digest // of the catalog that it serves now
	Lines   []string      // what is gone: packages, channels, versions
}

// stepGone lists what catalogs have no more.
func (e *emission) stepGone(p *page.Page) {
	var list []string
	for _, g := range e.site.Gone {
		if !slices.ContainsFunc(e.catalogs, func(c catalogObject) bool { return c.image.Root.Digest == g.Digest }) {
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
