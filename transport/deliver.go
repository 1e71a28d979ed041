package transport

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/oci"
)

// Blobs makes the deliveries, started in the order of work, as many at a time as
// the mirror was made for. The bytes of src are verified here, so src need not.
// The first error cancels the rest and is returned: a *[RegistryError] that
// names repository and digest, or the source's own error, wrapped.
func (m *Mirror) Blobs(ctx context.Context, src oci.Source, work iter.Seq[Delivery]) error {
	verified := oci.Verified(src)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(m.parallel)
	for d := range work {
		if gctx.Err() != nil {
			break
		}
		g.Go(func() error { return m.deliver(gctx, verified, d) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

func (m *Mirror) deliver(ctx context.Context, src oci.Source, d Delivery) error {
	if err := oci.CheckDescriptor(d.Blob); err != nil {
		return err
	}
	from := d.From
	for i, ref := range d.Repos {
		r, err := m.client.Repository(ref)
		if err != nil {
			return err
		}
		if err := r.putBlob(ctx, src, d.Blob, from); err != nil {
			return err
		}
		if i == 0 {
			from = ref
		}
	}
	return nil
}

// Manifests stores the manifests of the images, each image's children before
// their parents and by digest, its root under each of its tags, or by digest if
// it has none. What is attached to other images comes after them. The mirror
// must hold the blobs. Errors are as those of [Mirror.Blobs].
func (m *Mirror) Manifests(ctx context.Context, src oci.Source, images []oci.Image) error {
	var t turns
	for _, attached := range []bool{false, true} {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(m.parallel)
		for _, img := range images {
			if attached != (img.Subject != "") {
				continue
			}
			g.Go(func() error {
				if err := m.putImage(ctx, src, img, &t); err != nil {
					return fmt.Errorf("image %s: %w", img.Source, err)
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// turns has each manifest stored once in a repository, but for its tags, however many
// images have it: docker-registry 2.8 writes in place what it is sent again, and
// refuses an index that names it meanwhile.
type turns struct {
	mu sync.Mutex
	of map[string]*turn
}

type turn struct {
	sync.Mutex
	stored bool
}

// take waits for the turn of a manifest by its full name; the caller unlocks.
func (t *turns) take(name string) *turn {
	t.mu.Lock()
	if t.of == nil {
		t.of = map[string]*turn{}
	}
	one := t.of[name]
	if one == nil {
		one = &turn{}
		t.of[name] = one
	}
	t.mu.Unlock()
	one.Lock()
	return one
}

func (m *Mirror) putImage(ctx context.Context, src oci.Source, img oci.Image, t *turns) error {
	r, err := m.client.Repository(m.target.Repo(img))
	if err != nil {
		return err
	}
	return oci.WalkImage(ctx, src, img, func(d oci.Descriptor, body []byte) error {
		if body == nil {
			return nil
		}
		names := []string{d.Digest.String()}
		if tags := img.MirrorTags(); d.Digest == img.Root.Digest && len(tags) > 0 {
			names = tags
		}
		one := t.take(r.name(d))
		defer one.Unlock()
		for _, name := range names {
			if one.stored && name == d.Digest.String() {
				continue
			}
			if err := r.putManifest(ctx, d, body, name); err != nil {
				return ifForeign(d, body, err)
			}
			one.stored = true
		}
		return nil
	})
}

// putManifest stores a manifest, bytes as they are, under a tag or its digest.
func (r *Repository) putManifest(ctx context.Context, d oci.Descriptor, body []byte, reference string) error {
	d = oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
	name := r.name(d)
	if reference != d.Digest.String() {
		name = r.ref.WithTag(reference).String()
	}
	err := r.unbroken(ctx, func() error {
		return r.storeManifest(r.toPush(ctx), d, body, reference)
	})
	return explain("push", name, err)
}

// ForeignError says that the mirror did not take a manifest with foreign layers.
// Registries check the URLs that such layers name, or want the layers
// themselves; distribution answers 500 and no reason.
type ForeignError struct {
	Manifest oci.Descriptor
	Err      error // what the registry answered
}

func (e *ForeignError) Error() string {
	return "it has foreign layers, which this registry may not take: " + e.Err.Error()
}

func (e *ForeignError) Unwrap() error { return e.Err }

// Hint says what to do now.
func (e *ForeignError) Hint() string {
	return "have the registry accept the URLs of foreign layers (distribution: validation.manifests.urls.allow in its configuration), or leave the image out"
}

// Permanent is false: what the registry answered may have another cause.
func (e *ForeignError) Permanent() bool { return false }

// ifForeign says of a manifest that was refused that foreign layers may be why.
func ifForeign(d oci.Descriptor, body []byte, err error) error {
	var m struct {
		Layers []oci.Descriptor `json:"layers"`
	}
	if err == nil || json.Unmarshal(body, &m) != nil {
		return err
	}
	for _, l := range m.Layers {
		if oci.IsForeign(l.MediaType) {
			return &ForeignError{Manifest: d, Err: err}
		}
	}
	return err
}
