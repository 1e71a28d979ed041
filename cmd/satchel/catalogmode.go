package main

import (
	"fmt"
	"io"

	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/ledger"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci/text"
)

// What becomes of the filtered catalog that an earlier bundle of the stream carried.
const (
	catalogMerge   = "merge"
	catalogReplace = "replace"
)

func addCatalogMode(f *pflag.FlagSet, mode *string) {
	f.StringVar(mode, "catalog", "", "`MODE` of filtered catalogs: merge keeps what earlier bundles of the stream carried of them, also where the configuration or the catalog no longer has it; replace carries what the configuration names today (default: merge with --since, else replace)")
}

// joinCatalogs adds to a configuration the filtered catalogs that the mirror has of earlier
// bundles of the stream, if that is asked for, or since says that the bundle adds to those.
func (a *app) joinCatalogs(c *manifests.Config, mode string, since bool, state, stream string) error {
	if since || mode == catalogMerge {
		a.warnDropped(c, state, stream)
	}
	if mode == "" && since {
		mode = catalogMerge
	}
	switch mode {
	case catalogReplace, "":
		return nil
	case catalogMerge:
	default:
		return usage(fmt.Errorf("--catalog %q is not one of merge, replace", mode), "")
	}
	c.Extra.Merge = true
	l, err := ledger.Read(state, stream)
	if err != nil {
		return err
	}
	store := ledger.At(state, stream)
	if l != nil {
		for _, k := range l.Served() {
			c.Extra.Kept = append(c.Extra.Kept, manifests.KeptCatalog{Path: k.Path, Tags: k.Tags, Open: func() (io.ReadCloser, error) { return store.OpenCatalog(k.Catalog) }})
			if k.Newer > 0 {
				a.warn("the ledger does not keep catalog %s as bundle %d carried it: it is joined with that of bundle %d; look at what unpack says of it before it moves", text.Printable(k.Name), k.Newer, k.Sequence)
			}
			a.debug("catalog %s is joined with that of bundle %d", text.Printable(k.Name), k.Sequence)
		}
	}
	switch {
	case len(c.Mirror.Operators) == 0 || len(c.Extra.Kept) > 0:
	case since:
		a.warn("no finished bundle of the stream %s is known on this host that has a filtered catalog: catalogs are carried as the configuration names them now. What the mirror has of them beyond that would go, and unpack stops then: put the ledger back, or name all of it in the configuration", stream)
	default:
		a.info("no finished bundle of the stream %s has a filtered catalog: there is nothing to join with", stream)
	}
	return nil
}

// warnDropped names catalogs that the newest finished bundle of the stream has, and the
// configuration does not name any more.
func (a *app) warnDropped(c *manifests.Config, state, stream string) {
	l, err := ledger.Read(state, stream)
	if err != nil || l == nil {
		return // said where the ledger is needed
	}
	i := len(l.Bundles) - 1
	for i >= 0 && l.Bundles[i].Sealed.IsZero() {
		i--
	}
	if i < 0 {
		return
	}
	content, err := ledger.At(state, stream).Content(l.Bundles[i])
	if err != nil {
		a.debug("which catalogs bundle %d has is not known: %v", l.Bundles[i].Sequence, err)
		return
	}
	for _, img := range content.Images {
		if img.Origin == manifests.OriginCatalog && img.Subject == "" && !c.NamesCatalog(img) {
			a.warn("the configuration does not name the catalog %s any more, which bundle %d of the stream %s has: the mirror goes on serving that one, and what was installed from it gets no updates",
				text.Printable(img.Configured().String()), l.Bundles[i].Sequence, stream)
		}
	}
}
