package inuse

import (
	"context"
	"fmt"

	"github.com/satchel-airgap/satchel/manifests"
)

// operators has stay the images of the operators that clusters have, as all catalogs of the
// mirror name them. One that no catalog has makes the images of all operators stay.
func (k *keeping) operators(ctx context.Context) error {
	wanted := k.Clusters.use.Operators
	if len(wanted) == 0 || k.went[manifests.OriginOperator] != "" {
		return nil
	}
	found := make([]bool, len(wanted))
	take := func(b manifests.CatalogBundle) {
		for i, o := range wanted {
			if o.Bundle != "" && o.Bundle != b.Name || o.Bundle == "" && o.Package != b.Package {
				continue
			}
			found[i] = true
			for _, ref := range b.Images {
				k.named(ref, true, fmt.Sprintf("operator %s (%s)", b.Name, o.Why))
			}
		}
	}
	for _, img := range k.catalogs() {
		if err := k.catalog(ctx, img, take); err != nil {
			return err
		}
	}
	for i, ok := range found {
		if ok {
			continue
		}
		what := wanted[i].Bundle
		if what == "" {
			what = "any version of " + wanted[i].Package
		}
		k.note("the images of all operators stay: no catalog that could be read in the mirror has %s (%s, says %s)", what, wanted[i].Why, wanted[i].From)
		k.went[manifests.OriginOperator] = "no catalog in the mirror has " + what + ", so nobody knows its images"
	}
	return nil
}

// catalog reads a catalog of the mirror, if it is there and is one.
func (k *keeping) catalog(ctx context.Context, img *image, take func(manifests.CatalogBundle)) error {
	root, src, err := k.served(ctx, img.place)
	if err != nil || root.Digest == "" {
		return err
	}
	sure, err := manifests.ReadBundles(ctx, "catalog "+img.ref(k.Host).String(), src, root, nil, take, nil)
	switch {
	case err != nil && isFinal(ctx, err):
		k.note("the catalog %s cannot be read: %v", img.ref(k.Host), err)
	case err != nil:
		return fmt.Errorf("read the catalog %s: %w", img.ref(k.Host), err)
	case !sure:
		k.note("parts of the catalog %s cannot be read", img.ref(k.Host))
	}
	return nil
}
