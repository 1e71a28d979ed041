package catalogdiff

import (
	"context"
	"errors"

	"github.com/operator-framework/operator-registry/alpha/declcfg"

	"github.com/satchel-airgap/satchel/manifests/internal/catalog"
	"github.com/satchel-airgap/satchel/oci"
)

// Packages gives each package of a catalog with its documents, as far as a choice among
// its bundles depends on them. It reads the catalog as [Read] does, with the same errors,
// and holds one package at a time in memory. sure says that all of it could be read.
func Packages(ctx context.Context, name string, src oci.Source, root oci.Descriptor, each func(*catalog.Package, *declcfg.DeclarativeConfig) error) (sure bool, err error) {
	c, err := open(ctx, name, src, root)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	sure = len(c.Faults) == 0
	for i := range c.Packages {
		p := &c.Packages[i]
		sure = sure && len(p.Faults) == 0
		cfg, err := c.Config(p.Name)
		if err == nil {
			err = each(p, cfg)
		}
		if err != nil {
			return false, err
		}
	}
	return sure, nil
}

// Contents gives each package of a catalog, as [Packages] does but without its documents.
func Contents(ctx context.Context, name string, src oci.Source, root oci.Descriptor, each func(*catalog.Package) error) (sure bool, err error) {
	c, err := open(ctx, name, src, root)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	sure = len(c.Faults) == 0
	for i := range c.Packages {
		sure = sure && len(c.Packages[i].Faults) == 0
		if err := each(&c.Packages[i]); err != nil {
			return false, err
		}
	}
	return sure, nil
}
