package pin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Found is an image that was looked for.
type Found struct {
	Image oci.Image
	src   oci.Source // nil for an image that satchel built
	only  []string   // see [ask.Image]
	pods  bool
	parts *oci.PlatformSelection // of an index, where platforms are chosen of some
	lacks []string               // platforms of only that it does not have
	Err   error
}

// at is the image by digest, in its source; zero if it could not be pinned.
func (f *Found) at() oci.Ref {
	d := cmp.Or(f.Image.Root.Digest, f.Image.Source.Digest)
	if d == "" {
		return oci.Ref{}
	}
	return f.Image.Source.WithDigest(d)
}

// choose finds what of an image is carried; sparse says that platforms are chosen of
// some image.
func (f *Found) choose(ctx context.Context, sparse bool) (err error) {
	if f.Image.Platforms, err = oci.Platforms(ctx, f.src, f.Image.Root); err != nil || !sparse {
		return err
	}
	parts, err := oci.SelectPlatforms(ctx, f.src, f.Image.Root, f.only)
	var much *oci.UnsupportedError
	switch {
	case f.only == nil && errors.As(err, &much): // what it names matters only to others
		return nil
	case err != nil:
		return err
	}
	f.parts = parts
	if f.only != nil && oci.IsIndex(f.Image.Root.MediaType) {
		f.applySelection()
	}
	f.lacks = ask.Lacking(f.only, f.Image.Platforms)
	return nil
}

// applySelection writes what is carried into the image.
func (f *Found) applySelection() {
	f.Image.Platforms, f.Image.Omitted = f.parts.Platforms(), f.parts.Omitted()
}

// along carries what others bring to the image's repository, and has it say so: if
// that is not available, neither can the image.
func (f *Found) along(by map[part]oci.Ref) {
	var names []string
	before, had := f.Image.Platforms, f.parts.Selected()
	f.parts.Include(func(d digest.Digest) bool {
		other, there := by[part{f.Image.MirrorPath(), d}]
		if _, own := slices.BinarySearch(had, d); there && !own {
			names = append(names, other.String())
		}
		return there
	})
	f.applySelection()
	if names = text.Sorted(names); len(names) > 0 {
		more := slices.DeleteFunc(slices.Clone(f.Image.Platforms), func(p string) bool { return slices.Contains(before, p) })
		f.Image.Reasons = oci.SortReasons(append(slices.Clone(f.Image.Reasons), oci.Reason{Kind: oci.ReasonPlatforms, Name: text.ASCII(strings.Join(more, ", ")), Part: text.ASCII(text.Some(names, 3))}))
	}
}

// ParallelImages is how many images are resolved at a time.
const ParallelImages = 8

// Find pins the images of the list, and then finds what of each is carried. An error
// of one is in its place.
func Find(ctx context.Context, list []ask.Image, from ask.Images) ([]Found, error) {
	images := make([]Found, len(list))
	err := each(ctx, len(list), func(i int) { images[i] = pinImage(ctx, list[i], from) })
	if err != nil {
		return nil, err
	}
	forPods(images)
	images = withoutPods(images)
	sparse := choosy(images)
	return images, each(ctx, len(images), func(i int) {
		if f := &images[i]; f.Err == nil && !f.Image.Built {
			f.Err = f.choose(ctx, sparse)
		}
	})
}

// each calls fn for every number below n, several at a time; its error is the context's.
func each(ctx context.Context, n int, fn func(int)) error {
	var g errgroup.Group
	g.SetLimit(ParallelImages)
	for i := 0; i < n && ctx.Err() == nil; i++ {
		g.Go(func() error {
			fn(i)
			return nil
		})
	}
	_ = g.Wait() // fn has none
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("resolve images: %w", err)
	}
	return nil
}

// pinImage resolves one image, as far as it gets.
func pinImage(ctx context.Context, w ask.Image, from ask.Resolver) Found {
	f := Found{Image: w.Entry(), only: w.Only, pods: w.Pods}
	if w.Built.Digest != "" {
		f.Err = f.Image.Validate()
		return f
	}
	root, src, err := from.Resolve(ctx, w.Ref)
	if err == nil {
		f.src, f.Image.Root = src, oci.Descriptor{MediaType: root.MediaType, Digest: root.Digest, Size: root.Size}
		err = f.Image.Validate()
	}
	f.Err = err
	return f
}
