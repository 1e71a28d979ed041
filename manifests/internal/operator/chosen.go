package operator

import (
	"slices"

	"github.com/operator-framework/operator-registry/alpha/declcfg"

	"github.com/satchel-airgap/satchel/manifests/internal/catalog"
	"github.com/satchel-airgap/satchel/manifests/internal/filter"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Chosen names the bundles of a package that the selection of a catalog takes. why says
// what could not be chosen, "" if nothing: it is about the package, in one line.
func Chosen(o *imageset.Operator, p *catalog.Package, cfg *declcfg.DeclarativeConfig) (bundles []string, why string) {
	i := slices.IndexFunc(o.Packages, func(one imageset.Package) bool { return one.Name == p.Name })
	switch {
	case i < 0 && len(o.Packages) > 0:
		return nil, ""
	case i < 0 && o.Full:
		for _, b := range p.Bundles {
			bundles = append(bundles, b.Name)
		}
		return bundles, ""
	}
	var pkg imageset.Package
	if i >= 0 {
		pkg = o.Packages[i]
	}
	req := requestOf(&pkg, o.Full)
	bundles, err := filter.Choose(cfg, req)
	if err != nil {
		why = text.OneLine(err.Error())
	}
	return bundles, why
}
