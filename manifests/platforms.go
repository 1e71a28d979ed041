package manifests

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/layers"
	"github.com/satchel-airgap/satchel/oci"
)

// platformNames writes platforms as os/architecture, sorted; nil for none, which is
// all of them.
func platformNames(list []InstancePlatform) (names []string) {
	for _, p := range list {
		names = append(names, p.OS+"/"+p.Architecture)
	}
	return sorted(names)
}

// pick gives the image that is read for root: one of those that are carried.
func pick(ctx context.Context, src oci.Source, root oci.Descriptor, only []string) (oci.Descriptor, error) {
	if only != nil {
		if _, err := oci.Choose(ctx, src, root, only); err != nil {
			return oci.Descriptor{}, err
		}
	}
	return layers.Pick(ctx, src, root, only...)
}

// eitherOf joins what two parts of the configuration want of an image: one that
// wants all platforms has its way.
func eitherOf(a, b []string) []string {
	if a == nil || b == nil {
		return nil
	}
	return sorted(slices.Concat(a, b))
}

// found is an image that was looked for.
type found struct {
	img   oci.Image
	parts *oci.Parts // of an index, where platforms are chosen of some
	alone bool       // it has one platform, and not one of those
	err   error
}

// choose finds what of an image is carried; sparse says that platforms are chosen of
// some image.
func (f *found) choose(ctx context.Context, src oci.Source, only []string, sparse bool) (err error) {
	if f.img.Platforms, err = oci.Platforms(ctx, src, f.img.Root); err != nil || !sparse {
		return err
	}
	parts, err := oci.Choose(ctx, src, f.img.Root, only)
	var much *oci.UnsupportedError
	switch {
	case only == nil && errors.As(err, &much): // what it names matters to others alone
	case err != nil:
		return err
	case only == nil:
		f.parts = parts
	case oci.IsIndex(f.img.Root.MediaType):
		f.parts = parts
		f.settle()
	default:
		f.alone = len(f.img.Platforms) > 0 && !slices.ContainsFunc(only, func(p string) bool { return oci.SamePlatform(p, f.img.Platforms[0]) })
	}
	return nil
}

// settle writes what is carried into the image.
func (f *found) settle() { f.img.Platforms, f.img.Without = f.parts.Platforms(), f.parts.Without() }

// place is an image's repository in the mirror.
func place(img oci.Image) string { return cmp.Or(img.Path, img.Source.Repository) }

// agree has images leave out nothing that others bring to the same repository of
// the mirror: a registry would see a sparse index for nothing.
func agree(list []found) {
	type part struct {
		place  string
		digest digest.Digest
	}
	there := map[part]bool{}
	for _, f := range list {
		if f.err != nil {
			continue
		}
		there[part{place(f.img), f.img.Root.Digest}] = true
		if f.parts != nil {
			for _, d := range f.parts.Carried() {
				there[part{place(f.img), d}] = true
			}
		}
	}
	for i := range list {
		if f := &list[i]; f.err == nil && len(f.img.Without) > 0 {
			f.parts.Carry(func(d digest.Digest) bool { return there[part{place(f.img), d}] })
			f.settle()
		}
	}
}

// choosy reports whether platforms are chosen of some image.
func choosy(list []wanted) bool {
	return slices.ContainsFunc(list, func(w wanted) bool { return w.only != nil })
}

// tellAlone says which images offer none of the platforms that were asked for.
func tellAlone(list []found, note func(string)) {
	var names []string
	for _, f := range list {
		if f.alone && f.err == nil {
			names = append(names, f.img.Source.String()+" ("+f.img.Platforms[0]+")")
		}
	}
	if names = sorted(names); len(names) > 0 {
		note(fmt.Sprintf("platforms: %s for another one alone, and carried as such: %s", plural(len(names), "image is", "images are"), plain(some(names))))
	}
}
