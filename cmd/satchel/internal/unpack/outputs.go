package unpack

import (
	"fmt"
	"slices"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/hub"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/outdir"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Output is a directory for the YAML of a cluster.
type Output struct {
	Cluster *manifests.Cluster // nil: not known
	Dir     *outdir.Dir
}

// set is what is written into one of them.
type set struct {
	Output
	files []manifests.File
	notes []string
}

// outputs lists the directories: one, or one for each cluster.
func (u *unpacking) outputs() []Output {
	if u.Out == nil {
		return nil
	}
	return append([]Output{{u.Site.Cluster, u.Out}}, u.More...)
}

// checkOutputs looks whether each set can be written.
func (u *unpacking) checkOutputs() error {
	for _, s := range u.sets {
		if err := s.Dir.Check(s.files); err != nil {
			return err
		}
	}
	return nil
}

// emit renders the YAML for each cluster, and what a bundle for a mirror behind this one is
// packed by.
func (u *unpacking) emit() error {
	u.sets = nil
	for i, out := range u.outputs() {
		site, s := u.Site, set{Output: out}
		if i < len(u.signed) {
			site.Unsigned, site.SignaturesUnchecked, site.Demanding = u.signed[i].Unsigned, u.signed[i].Unchecked, u.signed[i].Sources
		}
		site.Cluster = out.Cluster
		var err error
		if s.files, s.notes, err = manifests.Emit(u.r.Inventory(), site); err != nil {
			return err
		}
		if err := u.hubFile(&s); err != nil {
			return err
		}
		u.sets = append(u.sets, s)
	}
	return nil
}

// hubFile says what the mirror now has: by a newer bundle of the stream if its file is there,
// and without what tags name that another bundle has set.
func (u *unpacking) hubFile(s *set) error {
	h := *u.forHub
	h.Images = slices.DeleteFunc(slices.Clone(h.Images), func(img oci.Image) bool {
		return slices.ContainsFunc(img.Tags, func(tag string) bool {
			_, other := u.Site.Elsewhere[h.Mirror.Repo(img).WithTag(tag).String()]
			return other
		})
	})
	b := hub.Bundle{ID: u.bundle}
	if s := u.r.Stream(); s != (bundle.Stream{}) {
		b.Stream, b.Ledger, b.Sequence = s.Name, s.Ledger, u.r.Sequence()
	}
	f, kept, err := hub.Of(b, &h, s.Dir.Has(hub.Name), u.MoveTagsBack)
	if kept != nil {
		s.notes = append(s.notes, fmt.Sprintf("%s stays as bundle %s has written it, %d of the stream %q, which is newer than this one (%d)", hub.Name, kept.ID, kept.Sequence, kept.Stream, b.Sequence))
	}
	s.files = append(s.files, f)
	return err
}

// retire takes away earlier sets of the clusters that are in other directories than the new ones.
func (u *unpacking) retire() error {
	for _, s := range u.sets {
		list, err := s.Dir.Retire()
		for _, r := range list {
			u.Warn("deleted %s of an earlier run for cluster %s from %s: its files are in %s now; the cluster still has what was applied", text.Count(r.Gone, "file", "files"), s.Cluster.Name, r.Dir, s.Dir.Path())
			if len(r.Left) > 0 {
				u.Warn("in %s is still what satchel does not delete (copies that commands of a page made, receipts, programs, files that were changed): %s", r.Dir, text.Some(r.Left, 20))
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// writeSet writes what is for one cluster.
func (u *unpacking) writeSet(s set) error {
	if err := s.Dir.Write(s.files); err != nil {
		return err
	}
	u.wrote = true
	if gone := s.Dir.Gone(s.files); len(gone) > 0 {
		u.Warn("files of an earlier run were deleted from %s: %s; the cluster still has what was applied", s.Dir.Path(), text.Some(gone, len(gone)))
	}
	of := ""
	if len(u.sets) > 1 {
		of = s.Cluster.Name + ": "
	}
	for _, note := range s.notes {
		u.Warn("%s%s", of, note)
	}
	u.Info("%swrote %s for the cluster into %s: next, follow APPLY.md there", of, text.Count(len(s.files), "file", "files"), s.Dir.Path())
	return nil
}
