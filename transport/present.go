package transport

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/oci"
)

// seen is which images [Mirror.Missing] saw whole, as long as nothing was written since.
type seen struct {
	images  sync.Map // by key
	written atomic.Bool
}

// unchanged reports whether an image was seen whole, and nothing was written since. Who
// reads blobs back, which takes long, looks again.
func (m *Mirror) unchanged(img oci.Image) bool {
	_, whole := m.seen.images.Load(m.imageKey(img))
	return whole && !m.seen.written.Load() && m.Verify != VerifyFull
}

// absent lists the images that some tag of theirs does not name, or some manifest
// of which is not there as it should be. Refusals count as absence.
func (m *Mirror) absent(ctx context.Context, src oci.Source, images []oci.Image) ([]oci.Image, error) {
	p := &presence{m: m, src: src}
	return m.lacking(ctx, images, func(ctx context.Context, img oci.Image) (bool, error) {
		has, err := p.image(ctx, img)
		if has && err == nil {
			m.seen.images.Store(m.imageKey(img), nil)
		}
		return has, unlessRefused(err)
	})
}

// lacking lists the images that the mirror does not have.
func (m *Mirror) lacking(ctx context.Context, images []oci.Image, has func(context.Context, oci.Image) (bool, error)) ([]oci.Image, error) {
	gaps := make([]bool, len(images))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(m.parallel)
	for i, img := range images {
		g.Go(func() error {
			there, err := has(ctx, img)
			gaps[i] = !there
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var list []oci.Image
	for i, img := range images {
		if gaps[i] {
			list = append(list, img)
		}
	}
	return list, nil
}

// unlessRefused leaves refusals to the probe, and what is not as it should be to a push.
func unlessRefused(err error) error {
	if _, wrong := errors.AsType[*ManifestError](err); wrong || isDamaged(err) || refuses(err) {
		return nil
	}
	return err
}

// presence looks once for what is there, each manifest once in a repository.
type presence struct {
	m     *Mirror
	src   oci.Source
	asked sync.Map // by full name: func() (bool, error)
}

// image looks for the tags, and where those are right for every manifest: a registry that takes
// sparse indexes may have had the same index with fewer platforms.
func (p *presence) image(ctx context.Context, img oci.Image) (bool, error) {
	r, err := p.m.client.Repository(p.m.target.Repo(img))
	if err != nil {
		return false, err
	}
	tags := img.MirrorTags()
	for _, tag := range tags {
		got, err := r.tagDigest(r.toPush(ctx), tag)
		if err != nil || got != img.Root.Digest {
			return false, err
		}
	}
	asking := ctx
	if len(tags) == 0 { // nodes do not ask for it, and the repository may not be there yet
		asking = r.toPush(ctx)
	}
	all := true
	err = oci.WalkIndexes(ctx, p.src, img, func(d oci.Descriptor, _ []byte) (err error) {
		if all && oci.IsManifest(d.MediaType) {
			all, err = p.manifest(asking, r, d)
		}
		return err
	})
	if err != nil || !all || len(tags) > 0 {
		return all, err
	}
	return r.refersTo(asking, img.Root, oci.Descriptor{Digest: img.Subject})
}

func (p *presence) manifest(ctx context.Context, r *Repository, d oci.Descriptor) (bool, error) {
	once, _ := p.asked.LoadOrStore(r.name(d), sync.OnceValues(func() (bool, error) { return r.gives(ctx, d) }))
	return once.(func() (bool, error))()
}
