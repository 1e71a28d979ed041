package operator

import (
	"slices"

	"github.com/operator-framework/operator-registry/alpha/declcfg"

	"github.com/satchel-airgap/satchel/manifests/internal/catalog"
	"github.com/satchel-airgap/satchel/manifests/internal/filter"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Chosen names the bundles of a package that a selection names, each for itself: all of a
// catalog without packages, and all of a package or channel without versions. why says
// what could not be chosen, "" if nothing: it is about the package, in one line.
func Chosen(o *imageset.Operator, p *catalog.Package, cfg *declcfg.DeclarativeConfig) (bundles []string, why string) {
	i := slices.IndexFunc(o.Packages, func(one imageset.Package) bool { return one.Name == p.Name })
	switch {
	case i < 0 && len(o.Packages) > 0:
		return nil, ""
	case i < 0:
		for _, b := range p.Bundles {
			bundles = append(bundles, b.Name)
		}
		return bundles, ""
	}
	bundles, err := filter.Choose(cfg, requestOf(&o.Packages[i], o.Full))
	if err != nil {
		why = text.OneLine(err.Error())
	}
	return bundles, why
}
