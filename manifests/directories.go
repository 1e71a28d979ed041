package manifests

import (
	"cmp"
	"fmt"
	"path"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/oci"
)

// localCatalogs stands in references for the host of catalogs in directories of
// this one. Such a catalog is an image like others, with the digest that it has
// there ([oci.Image].Made is false); only no registry has it, so no rule leads
// there, and nothing attached to it is looked for.
const localCatalogs = "catalogs.local"

// isDirectory reports whether the text names a directory, if it is right.
func (o *Operator) isDirectory() bool { return strings.HasPrefix(o.Catalog, "oci:") }

// directory takes oci://PATH[:NAME] apart: a directory, and the image in it, as
// containers/image writes both (containers-transports, "oci:path").
func (o *Operator) directory() (dir, image string) {
	dir = strings.TrimPrefix(o.Catalog, schemeOCI)
	if i := strings.LastIndexByte(dir, ':'); i > strings.LastIndexByte(dir, '/') {
		dir, image = dir[:i], dir[i+1:]
	}
	return path.Clean(dir), image
}

// ref is the catalog's reference in the inventory: its own, or for a directory one
// with the name and tag that oc-mirror v2 gives it in the mirror.
func (o *Operator) ref() (oci.Ref, error) {
	if !o.isDirectory() {
		return oci.ParseRef(o.Catalog)
	}
	if path := strings.TrimPrefix(o.Catalog, schemeOCI); path == o.Catalog || path == "" {
		return oci.Ref{}, fmt.Errorf("a catalog in a directory is written as oci:///PATH, not %.300q", o.Catalog)
	}
	dir, _ := o.directory()
	name := cmp.Or(o.TargetCatalog, strings.ToLower(path.Base(dir)))
	ref, err := oci.ParseRef(localCatalogs + "/" + name + ":" + cmp.Or(o.TargetTag, "latest"))
	if err != nil {
		return oci.Ref{}, fmt.Errorf("a repository cannot have the name of the directory, %.300q; name one with targetCatalog", path.Base(dir))
	}
	return ref, nil
}

// unique refuses two catalogs that would be one in the mirror.
func (o *Operator) unique(p *problems, seen names, at string) {
	place := o.place()
	first, ok := seen[place]
	if !ok || !o.isDirectory() {
		p.unique(seen, place, at)
		return
	}
	p.add(at, "%s: it would have the name of the catalog of line %d; give one of them a targetCatalog or targetTag of its own", at, p.places.Of(first).Value.Line)
}

// why says what asked for the catalog. --catalog-name finds directories by it.
func (o *Operator) why() oci.Reason {
	if o.isDirectory() {
		return oci.Reason{Kind: ask.KindCatalog, Name: plain(o.Catalog)}
	}
	return oci.Reason{Kind: ask.KindCatalog}
}

// OpenCatalogs has each catalog of mirror.operators opened that is an OCI image
// layout in a directory of this host. Its reference is what [Images] is asked for
// it; image is the name of the image in the layout, empty for the only one. What
// open says is wrong is a *[ConfigError].
func (c *Config) OpenCatalogs(open func(ref oci.Ref, dir, image string) error) error {
	p := &problems{file: c.file, places: c.places}
	for i := range c.Mirror.Operators {
		o := &c.Mirror.Operators[i]
		ref, err := o.ref()
		if !o.isDirectory() || err != nil { // Carried refuses those
			continue
		}
		dir, image := o.directory()
		if err := open(ref, dir, image); err != nil {
			at := fmt.Sprintf("mirror.operators[%d].catalog", i)
			p.addAt(p.places.Of(at).Value, "the directory is an OCI image layout, as skopeo copy --all docker://CATALOG oci:DIR writes it; it is found relative to where satchel runs",
				"%s: %s", at, plain(strings.Join(strings.Fields(err.Error()), " ")))
		}
	}
	return p.join()
}

// isLocal reports whether an image is a catalog of a directory.
func isLocal(img oci.Image) bool {
	return img.Origin == ask.OriginCatalog && img.Source.Registry == localCatalogs
}
