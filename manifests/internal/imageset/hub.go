package imageset

import (
	"fmt"
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
)

// Hub is what a mirror inside got by a bundle. A configuration is resolved from it alone:
// no other server is asked.
type Hub struct {
	Mirror oci.Mirror                    `json:"mirror"`
	Images []oci.Image                   `json:"-"` // of the bundle
	Gaps   []oci.Gap                     `json:"-"` // what that lacks
	Files  map[string][]oci.ArtifactFile `json:"-"` // of its documents, by the document's name
}

// Find gives the image that a reference stands for, as its source has it. What satchel built
// under a source's name is another thing: it is found by its own digest alone, [Hub.Built] or
// [Hub.Catalog]. A nil hub has none.
func (h *Hub) Find(ref oci.Ref) (oci.Image, bool) {
	if h == nil {
		return oci.Image{}, false
	}
	for _, fits := range []func(oci.Image) bool{
		func(img oci.Image) bool { return !img.Built && img.Matches(ref) },
		func(img oci.Image) bool { // with a digest the tag says nothing
			return ref.Digest != "" && img.Source.Repo() == ref.Repo() && img.Root.Digest == ref.Digest
		},
	} {
		if i := slices.IndexFunc(h.Images, func(img oci.Image) bool { return img.Subject == "" && fits(img) }); i >= 0 {
			return h.Images[i], true
		}
	}
	return oci.Image{}, false
}

// Built gives what satchel built under that name for one kind of source.
func (h *Hub) Built(of oci.Origin, ref oci.Ref) (oci.Image, bool) {
	if h == nil {
		return oci.Image{}, false
	}
	i := slices.IndexFunc(h.Images, func(img oci.Image) bool { return img.Built && img.Origin == of && img.Source == ref })
	if i < 0 {
		return oci.Image{}, false
	}
	return h.Images[i], true
}

// Catalog gives the catalog that was made of a reference for a place in the mirror; of one that
// has another place now, the only one that was made of it. It fails where several were.
func (h *Hub) Catalog(ref oci.Ref, to documents.Target) (img oci.Image, ok bool, err error) {
	if h == nil {
		return img, false, nil
	}
	var there, all []oci.Image
	for _, img := range h.Images {
		if img.Origin != origin.Catalog || img.Subject != "" || !img.Matches(ref) {
			continue
		}
		all = append(all, img)
		if to.Of(ref.String(), img) && (to.Tag != "" || len(img.Tags) == 0) {
			there = append(there, img)
		}
	}
	if len(there) > 0 {
		all = there
	}
	for _, img := range all {
		if img.Root.Digest != all[0].Root.Digest {
			return img, false, fmt.Errorf("%s has several catalogs that were made of %s, and none at the same targetCatalog and targetTag", h.Mirror, ref)
		}
	}
	if len(all) == 0 {
		return img, false, nil
	}
	return all[0], true, nil
}

// Names reports whether it has anything of a reference of a configuration, as it is or built of it.
func (h *Hub) Names(ref oci.Ref) bool {
	return h != nil && slices.ContainsFunc(h.Images, func(img oci.Image) bool { return img.Subject == "" && img.Matches(ref) })
}

// Has reports whether an image that satchel built is one of the hub's.
func (h *Hub) Has(img oci.Image) bool {
	return h != nil && slices.ContainsFunc(h.Images, func(o oci.Image) bool {
		return o.Root.Digest == img.Root.Digest && o.Source.Repo() == img.Source.Repo()
	})
}

// Places are the repositories of the hub's mirror that have the images of a source's.
func (h *Hub) Places(source oci.Ref) (list []oci.Ref) {
	for _, img := range h.Images {
		if at := h.Mirror.Repo(img); img.Source.Repo() == source.Repo() && !slices.Contains(list, at) {
			list = append(list, at)
		}
	}
	if list == nil { // what other bundles brought
		list = append(list, h.Mirror.Repo(oci.Image{Source: source.Repo()}))
	}
	return list
}

// Place is where the hub's mirror has images of a source that other bundles brought: at its own
// path, unless others of that source, as they are there, have a place of their own.
func (h *Hub) Place(source oci.Ref) oci.Ref {
	own := h.Mirror.Repo(oci.Image{Source: source.Repo()})
	at := oci.Ref{}
	for _, img := range h.Images {
		if repo := h.Mirror.Repo(img); !img.Built && img.Source.Repo() == source.Repo() && at != own {
			if at == (oci.Ref{}) || repo == own {
				at = repo
			}
		}
	}
	if at == (oci.Ref{}) {
		return own
	}
	return at
}

// File gives a file of one of its documents, by its title.
func (h *Hub) File(document, title string) ([]byte, bool) {
	if h == nil {
		return nil, false
	}
	for _, f := range h.Files[document] {
		if f.Title == title {
			return f.Body, true
		}
	}
	return nil, false
}

// Contents gives what the hub's catalog of that name has, with the file that says so.
func (h *Hub) Contents(catalog string, to documents.Target) (c documents.CatalogContents, body []byte, ok bool) {
	h.eachContents(catalog, func(one documents.CatalogContents, file []byte) {
		if !ok && one.Target == to {
			c, body, ok = one, file, true
		}
	})
	return c, body, ok
}

// Another reports whether a version of an operator is in a catalog that was made of the same
// reference for another place alone; name is PACKAGE VERSION.
func (h *Hub) Another(catalog string, to documents.Target, name string) (another bool) {
	own := false
	h.eachContents(catalog, func(c documents.CatalogContents, _ []byte) {
		if has := c.Has(name); c.Target == to && (has || c.Versions != "") {
			own = true
		} else if has {
			another = true
		}
	})
	return another && !own
}

func (h *Hub) eachContents(catalog string, fn func(documents.CatalogContents, []byte)) {
	if h == nil {
		return
	}
	for _, f := range h.Files[documents.DocumentContents] {
		if c, err := documents.ParseContents(f.Body); err == nil && c.Catalog == catalog {
			fn(c, f.Body)
		}
	}
}
