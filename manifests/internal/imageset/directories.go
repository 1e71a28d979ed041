package imageset

import (
	"cmp"
	"fmt"
	"path"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// IsDirectory reports whether the text names a directory, if it is right.
func (o *Operator) IsDirectory() bool { return strings.HasPrefix(o.Catalog, "oci:") }

// directory takes oci://PATH[:NAME] apart: a directory, and the image in it, as
// containers/image writes both (containers-transports, "oci:path").
func (o *Operator) directory() (dir, image string) {
	dir = strings.TrimPrefix(o.Catalog, SchemeOCI)
	if i := strings.LastIndexByte(dir, ':'); i > strings.LastIndexByte(dir, '/') {
		dir, image = dir[:i], dir[i+1:]
	}
	return path.Clean(dir), image
}

// Ref is the catalog's reference in the inventory: its own, or for a directory one
// with the name and tag that oc-mirror v2 gives it in the mirror.
func (o *Operator) Ref() (oci.Ref, error) {
	if !o.IsDirectory() {
		return oci.ParseRef(o.Catalog)
	}
	if path := strings.TrimPrefix(o.Catalog, SchemeOCI); path == o.Catalog || path == "" {
		return oci.Ref{}, fmt.Errorf("a catalog in a directory is written as oci:///PATH, not %.300q", o.Catalog)
	}
	dir, _ := o.directory()
	name := cmp.Or(o.TargetCatalog, strings.ToLower(path.Base(dir)))
	ref, err := oci.ParseRef(origin.LocalCatalogs + "/" + name + ":" + cmp.Or(o.TargetTag, "latest"))
	if err != nil {
		return oci.Ref{}, fmt.Errorf("a repository cannot have the name of the directory, %.300q; name one with targetCatalog", path.Base(dir))
	}
	return ref, nil
}

// unique refuses two catalogs that would be one in the mirror.
func (o *Operator) unique(p *Problems, seen names, at string) {
	place := o.place()
	first, ok := seen[place]
	if !ok || !o.IsDirectory() {
		p.unique(seen, place, at)
		return
	}
	p.Add(at, "%s: it would have the name of the catalog of line %d; give one of them a targetCatalog or targetTag of its own", at, p.places.Of(first).Value.Line)
}

// OpenCatalogs has each catalog of mirror.operators opened that is an OCI image
// layout in a directory of this host. Its reference is what [manifests.Images] is asked for
// it; image is the name of the image in the layout, empty for the only one. What
// open says is wrong is a *[ConfigError].
func (c *Config) OpenCatalogs(open func(ref oci.Ref, dir, image string) error) error {
	p := c.Problems()
	for i := range c.Mirror.Operators {
		o := &c.Mirror.Operators[i]
		ref, err := o.Ref()
		if !o.IsDirectory() || err != nil { // CheckSupported refuses those
			continue
		}
		dir, image := o.directory()
		if err := open(ref, dir, image); err != nil {
			at := fmt.Sprintf("mirror.operators[%d].catalog", i)
			p.AddWithHint(at, "the directory is an OCI image layout, as skopeo copy --all docker://CATALOG oci:DIR writes it; it is found relative to where satchel runs",
				"%s: %s", at, text.ASCII(text.OneLine(err.Error())))
		}
	}
	return p.Join()
}

// checkSupported refuses what of an operator catalog is not carried.
func (o *Operator) checkSupported(p *Problems, path string) {
	if _, err := o.Ref(); err != nil {
		p.Add(path+".catalog", "%s.catalog: %v", path, err)
	}
}

func (o *Operator) Target() documents.Target {
	ref, _ := o.Ref() // a wrong one is refused elsewhere
	return documents.Target{Path: o.TargetCatalog, Tag: cmp.Or(o.TargetTag, ref.Tag)}
}
