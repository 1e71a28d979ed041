package inuse

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// operators names the images of operators, as the catalogs in the mirror have them, and a
// catalog of which no package is named. All catalogs are read: what an operator has that is
// not named stays. If one cannot be read, no operator is named.
func (n *naming) operators(ctx context.Context, list []manifests.Operator) error {
	if len(list) == 0 {
		return nil
	}
	found := make([]bool, len(list))
	packages := make([]map[string]bool, len(list)) // that were found
	unread := ""
	for _, img := range n.catalogs() {
		i := slices.IndexFunc(list, func(o manifests.Operator) bool { return n.isCatalog(img, &o) })
		var selection *manifests.Operator
		if i >= 0 {
			selection, found[i] = &list[i], true
			n.nameCatalog(img, selection)
			if packages[i] == nil {
				packages[i] = map[string]bool{}
			}
		}
		sure, err := n.bundles(ctx, img, selection, func(b manifests.CatalogBundle) {
			n.bundle(b)
			if i >= 0 && b.Chosen {
				packages[i][b.Package] = true
			}
		})
		if err != nil {
			return err
		}
		if !sure {
			unread = img.ref(n.host).String()
		}
	}
	if unread != "" {
		for at, origins := range n.origins {
			if slices.Contains(origins, manifests.OriginOperator) {
				n.shared[at] = true
			}
		}
		n.note("delete.operators: the images of operators stay: not all of the catalog %s can be read, and it may have them", unread)
	}
	n.missing(list, found, packages)
	return nil
}

// missing says what of the configuration no catalog has.
func (n *naming) missing(list []manifests.Operator, found []bool, packages []map[string]bool) {
	for i := range list {
		if !found[i] {
			n.note("delete.operators[%d]: no receipt has the catalog %s", i, text.ASCII(list[i].Catalog))
			continue
		}
		for k, pkg := range list[i].Packages {
			if !packages[i][pkg.Name] {
				n.note("delete.operators[%d].packages[%d]: no catalog in the mirror that is served as %s has what is asked for of package %s", i, k, text.ASCII(list[i].Catalog), text.ASCII(pkg.Name))
			}
		}
	}
}

// isCatalog reports whether an image is, or was, the one that a configuration names.
func (n *naming) isCatalog(img *image, o *manifests.Operator) bool {
	path, tag, err := o.Place()
	if err != nil || !slices.Contains(n.at(path), img.repo) {
		return false
	}
	if tag == "" {
		return !slices.ContainsFunc(img.tags, func(t string) bool { return !strings.HasPrefix(t, fixedPrefix) })
	}
	return slices.Contains(n.facts.tags[tagged{img.repo, tag}], img.digest)
}

// nameCatalog names a catalog of which all goes.
func (n *naming) nameCatalog(img *image, o *manifests.Operator) {
	if len(o.Packages) > 0 {
		return
	}
	n.name(img.place, manifests.OriginCatalog)
	if _, tag, err := o.Place(); err == nil && tag != "" {
		n.tags[tagged{img.repo, tag}] = true
	}
}

// bundles reads a catalog of the mirror. sure: it is not there, or all of it was read.
func (n *naming) bundles(ctx context.Context, img *image, o *manifests.Operator, each func(manifests.CatalogBundle)) (sure bool, err error) {
	name := "catalog " + img.ref(n.host).String()
	root, src, err := n.mirror.Served(ctx, img.ref(n.host))
	if err == nil && root.Digest == "" {
		return true, nil
	}
	if err == nil {
		sure, err = manifests.ReadBundles(ctx, name, src, root, o, each, func(pkg, why string) {
			n.note("%s: package %s: %s", name, text.ASCII(pkg), why)
		})
	}
	switch {
	case err != nil && isFinal(ctx, err):
		n.note("the %s cannot be read: %v", name, err)
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read the %s: %w", name, err)
	}
	return sure, nil
}

// bundle names the images of a version that is chosen, and notes those of one that is not.
func (n *naming) bundle(b manifests.CatalogBundle) {
	for _, ref := range b.Images {
		for _, at := range n.placesOf(ref) {
			if !b.Chosen {
				n.shared[at] = true
				continue
			}
			n.name(at, manifests.OriginOperator)
			if ref.Digest == "" {
				n.tags[tagged{at.repo, ref.Tag}] = true
			}
		}
	}
}

// placesOf lists the places in the mirror that a reference in a catalog is about.
func (n *naming) placesOf(ref oci.Ref) (list []place) {
	if ref.Digest != "" {
		for _, repo := range n.manifests[ref.Digest] {
			list = append(list, place{repo, ref.Digest})
		}
		return list
	}
	for _, repo := range n.repos(n.host, ref) {
		for _, d := range n.facts.tags[tagged{repo, ref.Tag}] {
			list = append(list, place{repo, d})
		}
	}
	return list
}
