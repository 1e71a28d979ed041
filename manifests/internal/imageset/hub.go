package imageset

import (
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/oci"
)

// Hub is what a mirror inside got by a bundle. A configuration is resolved from it alone:
// no other server is asked.
type Hub struct {
	Mirror oci.Mirror                    `json:"mirror"`
	Images []oci.Image                   `json:"-"` // of the bundle
	Files  map[string][]oci.ArtifactFile `json:"-"` // of its documents, by the document's name
}

// Find gives the image that a reference of a configuration stands for. A nil hub has none.
func (h *Hub) Find(ref oci.Ref) (oci.Image, bool) {
	if h == nil {
		return oci.Image{}, false
	}
	for _, fits := range []func(oci.Image) bool{
		func(img oci.Image) bool { return img.Matches(ref) },
		func(img oci.Image) bool { // with a digest the tag says nothing
			return ref.Digest != "" && img.Source.Repo() == ref.Repo() && (img.Root.Digest == ref.Digest || img.Configured().Digest == ref.Digest)
		},
	} {
		if i := slices.IndexFunc(h.Images, func(img oci.Image) bool { return img.Subject == "" && fits(img) }); i >= 0 {
			return h.Images[i], true
		}
	}
	return oci.Image{}, false
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
	if h == nil {
		return c, nil, false
	}
	for _, f := range h.Files[documents.DocumentContents] {
		if c, err := documents.ParseContents(f.Body); err == nil && c.Catalog == catalog && c.Target == to {
			return c, f.Body, true
		}
	}
	return c, nil, false
}
