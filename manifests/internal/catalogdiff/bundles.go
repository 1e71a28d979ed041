package catalogdiff

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

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

// Contents gives each package of a catalog, as [Packages] does but without its documents; deprecated reads what
// the catalog says of its deprecations.
func Contents(ctx context.Context, name string, src oci.Source, root oci.Descriptor, each func(p *catalog.Package, deprecated func() ([]Deprecation, error)) error) (sure bool, err error) {
	c, err := open(ctx, name, src, root)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	sure = len(c.Faults) == 0
	for i := range c.Packages {
		sure = sure && len(c.Packages[i].Faults) == 0
		p := &c.Packages[i]
		if err := each(p, func() ([]Deprecation, error) { return deprecationsOf(c, p.Name) }); err != nil {
			return false, err
		}
	}
	return sure, nil
}

// Deprecation is what a catalog says of a package, or of a part of it, that is to go.
type Deprecation struct {
	What    string // "package", "channel NAME" or "bundle NAME"
	Message string // what to do in its place
}

func deprecationsOf(c *catalog.Catalog, pkg string) (list []Deprecation, err error) {
	docs, err := c.Of(pkg, declcfg.SchemaDeprecation)
	for _, m := range docs {
		var d declcfg.Deprecation
		if err := json.Unmarshal(m.Blob, &d); err != nil {
			return nil, err
		}
		for _, e := range d.Entries {
			kind := strings.TrimPrefix(e.Reference.Schema, "olm.")
			list = append(list, Deprecation{strings.TrimSpace(kind + " " + e.Reference.Name), e.Message})
		}
	}
	return list, err
}
