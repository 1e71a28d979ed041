package operator

import (
	"bytes"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// askedOf is the digest of what is asked of a catalog. Where it goes in the mirror does not
// matter.
func askedOf(o *imageset.Operator, x imageset.Extra) digest.Digest {
	return oci.Digest(documents.Canonical(struct {
		Packages     []imageset.Package
		Full         bool
		Platforms    []imageset.InstancePlatform
		Dependencies bool
		Installed    []imageset.Installed `json:",omitempty"`
	}{o.Packages, o.Full, o.Platforms, x.WithDependencies, installedFrom(o, x.Installed)}))
}

// ofHub finds the catalog in the hub, where it is filtered already. It reports whether it is
// taken as it is, because it was made of the same configuration; else what is asked for is
// chosen from it.
func (s *selection) ofHub(h *imageset.Hub, place int) bool {
	img, ok, err := h.Catalog(s.list[0].Ref, s.o.Target())
	if err != nil {
		s.p.Add(s.path+".catalog", "%s.catalog: %v", s.path, err)
	}
	if !ok {
		return false // whoever resolves the list reports it
	}
	s.hub, s.inHub, s.place = h, img, place
	c, _, ok := h.Contents(s.gathered.about.Catalog, s.o.Target())
	return ok && c.Asked != "" && c.Asked == s.gathered.about.Asked && s.asItIs()
}

// equalsHub reports whether what was chosen is all that the hub's catalog has.
func (s *selection) equalsHub() bool {
	if s.hub == nil || s.joined != nil || len(s.errs) > 0 {
		return false
	}
	has, _, ok := s.hub.Contents(s.gathered.about.Catalog, s.o.Target())
	chosen, err := documents.ParseContents(s.gathered.file(documents.MaxContents))
	if !ok || err != nil || has.Versions != "" || chosen.Versions != "" {
		return false
	}
	chosen.Asked, chosen.Whole = has.Asked, has.Whole
	return bytes.Equal(documents.Canonical(has), documents.Canonical(chosen))
}

// asItIs takes the catalog and all images that belong to it as the hub has them.
func (s *selection) asItIs() bool {
	_, body, ok := s.hub.Contents(s.gathered.about.Catalog, s.o.Target())
	if !ok {
		return false
	}
	own, configured := s.list[0], s.list[0].Ref
	own.Ref = s.inHub.Source
	if s.inHub.Built {
		own.Built, own.Base, own.Platforms, own.Only = s.inHub.Root, s.inHub.Base, s.inHub.Platforms, nil
	}
	s.list = []ask.Image{own}
	for _, img := range s.hub.Images {
		s.belonging(img)
	}
	for _, g := range s.hub.Gaps {
		switch {
		case g.Image.Source != configured:
			s.belonging(g.Image) // another bundle may have brought it since
		case g.Image.Origin == origin.Operator && g.Image.Path == own.Path: // what no image can be named of
			s.errs = append(s.errs, &g)
		}
	}
	s.notes = append(s.notes, text.ASCII(fmt.Sprintf("%s: taken as it is from %s, %s", s.what, s.hub.Mirror, s.inHub.Root.Digest)))
	s.contents = []oci.ArtifactFile{{Title: fmt.Sprintf("catalog-%d.json", s.place+1), MediaType: "application/json", Body: body}}
	s.root, s.gathered = oci.Descriptor{}, gathering{} // nothing is built of it
	return true
}

// belonging asks for an image of the hub's bundle if the catalog is why it is there.
func (s *selection) belonging(img oci.Image) {
	w := ask.Image{Origin: origin.Operator, Ref: img.Source, Only: s.only}
	for _, why := range img.Reasons {
		if why.Catalog == s.gathered.about.Catalog && !s.hub.Another(why.Catalog, s.o.Target(), why.Name) {
			w.Reasons = append(w.Reasons, why)
		}
	}
	if len(w.Reasons) == 0 || img.Subject != "" {
		return
	}
	if img.Source.Digest == "" { // as for those that are chosen
		w.Tags = []string{img.Source.Tag}
	}
	s.list = append(s.list, w)
}

// ofLess says that less is asked for than the hub's catalog has. What that was built from stays
// its base.
func (s *selection) ofLess(w *ask.Image) {
	if s.inHub.Built {
		w.Base = s.inHub.Base
	}
	s.notes = append(s.notes, text.ASCII(fmt.Sprintf("%s: filtered again, as less is asked for than %s has of it, %s", s.what, s.hub.Mirror, s.inHub.Root.Digest)))
}
