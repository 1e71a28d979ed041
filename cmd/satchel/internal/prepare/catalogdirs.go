package prepare

import (
	"context"
	"io"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// catalogDir is a catalog in a directory of this host.
type catalogDir struct {
	*oci.Layout
	ref  oci.Ref        // that stands for it
	root oci.Descriptor // what it has now; empty when a bundle is resumed, which has it pinned
}

// repository has the content of images: one of a registry, or catalogs in directories.
type repository interface {
	oci.Source
	Has(ctx context.Context, d oci.Descriptor) (bool, error)
}

// catalogDirs are the catalogs in directories that have one repository's name, or
// those of all names. Nothing is copied from them but to the drive; manifests and
// image configs are cached, as those of registries.
type catalogDirs []catalogDir

// of gives those of the reference's repository; nil if that is a registry's.
func (c catalogDirs) of(ref oci.Ref) (some catalogDirs) {
	for _, dir := range c {
		if dir.ref.Repo() == ref.Repo() {
			some = append(some, dir)
		}
	}
	return some
}

// resolve gives what a reference of theirs stands for.
func (c catalogDirs) resolve(ref oci.Ref) (oci.Descriptor, error) {
	for _, dir := range c {
		if ref == dir.ref || ref.Digest != "" && ref.Digest == dir.root.Digest {
			return dir.root, nil
		}
	}
	return oci.Descriptor{}, &oci.UnsupportedError{What: "image " + ref.String(), Why: "no catalog of the configuration's directories has this name; registries have none under this host"}
}

// Has looks for content in one directory after the other. An error that may pass goes
// before what another directory lacks.
func (c catalogDirs) Has(ctx context.Context, d oci.Descriptor) (bool, error) {
	var errs []error
	for _, dir := range c {
		ok, err := dir.Has(ctx, d)
		if ok {
			return true, nil
		}
		errs = append(errs, err)
	}
	return false, decisive(errs)
}

// Open opens content in the first directory that has it.
func (c catalogDirs) Open(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
	var errs []error
	for _, dir := range c {
		rc, err := dir.Layout.Open(ctx, d, off)
		if err == nil {
			return rc, nil
		}
		errs = append(errs, err)
	}
	return nil, decisive(errs)
}

// openCatalogs opens the catalogs in directories and finds out what they have now.
func (s *Set) openCatalogs() error {
	return s.eachCatalog(func(layout *oci.Layout, image string) (oci.Descriptor, error) { return layout.Image(image) })
}

// reopenCatalogs opens them for a bundle that is resumed: what it carries of them was
// pinned when it was begun.
func (s *Set) reopenCatalogs() error {
	return s.eachCatalog(func(*oci.Layout, string) (oci.Descriptor, error) { return oci.Descriptor{}, nil })
}

func (s *Set) eachCatalog(root func(layout *oci.Layout, image string) (oci.Descriptor, error)) error {
	return s.Config.OpenCatalogs(func(ref oci.Ref, dir, image string) error {
		if s.Config.Extra.Hub.Names(ref) {
			return nil // the directory is on the host that packed for the hub
		}
		layout, err := oci.OpenLayout(dir)
		if err != nil {
			return err
		}
		s.catalogs = append(s.catalogs, catalogDir{Layout: layout, ref: ref}) // closed with the rest
		s.catalogs[len(s.catalogs)-1].root, err = root(layout, image)
		return err
	})
}

// repository gives where an image's content is, from its reference.
func (s *Set) repository(ref oci.Ref) (repository, error) {
	if dirs := s.catalogs.of(ref); dirs != nil {
		return dirs, nil
	}
	if hub, err := s.hubRepository(ref); hub != nil || err != nil {
		return hub, err
	}
	repo, err := s.Client.Repository(ref)
	if err != nil {
		return nil, err
	}
	return repo, nil
}

var _ repository = (*transport.Repository)(nil)
