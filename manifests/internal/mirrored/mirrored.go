package mirrored

import (
	"context"
	"slices"

	"github.com/operator-framework/operator-registry/alpha/declcfg"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/catalog"
	"github.com/satchel-airgap/satchel/manifests/internal/catalogdiff"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/layers"
	"github.com/satchel-airgap/satchel/manifests/internal/operator"
	"github.com/satchel-airgap/satchel/manifests/internal/payload"
	"github.com/satchel-airgap/satchel/oci"
)

// Release reads the payload of a release, or of an index the one that is read.
func Release(ctx context.Context, src oci.Source, root oci.Descriptor) (*payload.Payload, error) {
	image, err := layers.Pick(ctx, src, root)
	if err != nil {
		return nil, err
	}
	return payload.Read(ctx, src, image)
}

// Bundle is one version of an operator in a catalog.
type Bundle struct {
	Package string
	Name    string    // of its ClusterServiceVersion
	Images  []oci.Ref // of the bundle, and those that it names
	Chosen  bool      // by the selection that was asked about
}

// Operators gives each bundle of a catalog. o, which may be nil, is a selection of it; of a
// package from which it cannot choose, doubt gets the name and why. sure says that all of
// the catalog could be read. Errors are those of [catalogdiff.Read].
func Operators(ctx context.Context, name string, src oci.Source, root oci.Descriptor, o *imageset.Operator, each func(Bundle), doubt func(pkg, why string)) (sure bool, err error) {
	named := true
	sure, err = catalogdiff.Packages(ctx, name, src, root, func(p *catalog.Package, cfg *declcfg.DeclarativeConfig) error {
		var chosen []string
		if o != nil {
			var why string
			if chosen, why = operator.Chosen(o, p, cfg); why != "" {
				doubt(p.Name, why)
			}
		}
		for _, b := range p.Bundles {
			one := Bundle{Package: p.Name, Name: b.Name, Chosen: slices.Contains(chosen, b.Name)}
			for _, ref := range append([]string{b.Image}, b.Related...) {
				if ref == "" {
					continue
				}
				parsed, err := ask.ParseNodeRef(ref)
				if err != nil {
					named = false
					continue
				}
				one.Images = append(one.Images, parsed)
			}
			each(one)
		}
		return nil
	})
	return sure && named, err
}
