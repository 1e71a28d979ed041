package prepare

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/cache"
	"github.com/satchel-airgap/satchel/oci"
)

// What satchel builds for a bundle, such as a filtered catalog, no registry has. It is
// in the cache, which may be deleted at any time; so it is stored with the journal of a
// bundle that was begun too, until that is finished.

// LostError says that content which no registry has, because satchel built it, is no
// longer on this host.
type LostError struct {
	Content digest.Digest // may be empty
}

func (e *LostError) Error() string {
	what := "content that was built for this bundle"
	if e.Content != "" {
		what = e.Content.String() + ", which was built for this bundle,"
	}
	return what + " is no longer on this host"
}

// Hint says what to do now.
func (e *LostError) Hint() string { return "pack the bundle again from the start" }

// Permanent is false: no source has refused anything.
func (e *LostError) Permanent() bool { return false }

// Adopt stores what was built for a bundle in dir, apart from the cache. If there is no
// room for it, the cache alone has it.
func (s *Set) Adopt(ctx context.Context, dir string) error {
	s.adopted, s.built = cache.New(dir), map[digest.Digest]bool{}
	take := func(d oci.Descriptor, _ []byte) error {
		if !s.isStored(d) { // a layer of what it was built from
			return nil
		}
		s.built[d.Digest] = true
		err := s.adopted.Adopt(ctx, s.Cache, d)
		if errors.Is(err, fs.ErrNotExist) {
			return &LostError{d.Digest}
		}
		if err != nil && ctx.Err() == nil {
			s.Warn("the cache must stay until the bundle is finished: %v", err)
			return nil
		}
		return err
	}
	for _, img := range s.Graph.Images {
		if !img.Built || s.Config.Extra.Hub.Has(img) {
			continue
		}
		if err := oci.WalkImage(ctx, s.Built(), img, take); err != nil {
			return fmt.Errorf("store what was built for the bundle, image %s: %w", img.Describe(), err)
		}
	}
	for _, doc := range s.documents {
		if err := oci.Walk(ctx, s.Built(), doc.Root, take); err != nil {
			return fmt.Errorf("store document %s: %w", doc.Name, err)
		}
	}
	return nil
}

// stored gives content that is on this host, else what src gives.
func (s *Set) stored(src oci.Source) oci.Source {
	if s.adopted != nil {
		src = s.adopted.Overlay(src)
	}
	return s.Cache.Overlay(src)
}

// Built gives what was built for the bundle.
func (s *Set) Built() oci.Source {
	return s.stored(oci.SourceFunc(func(_ context.Context, d oci.Descriptor, _ int64) (io.ReadCloser, error) {
		return nil, &LostError{d.Digest}
	}))
}

// isStored reports whether content is on this host, as far as its size shows.
func (s *Set) isStored(d oci.Descriptor) bool {
	return s.Cache.Has(d) || s.adopted != nil && s.adopted.Has(d)
}
