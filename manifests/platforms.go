package manifests

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/manifests/internal/layers"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// among reports whether a platform is one of those names.
func among(names []string, p ispec.Platform) bool {
	return slices.ContainsFunc(names, func(name string) bool { return oci.SamePlatform(name, oci.PlatformString(&p)) })
}

// pick gives the image that is read for root: one of those that are carried.
func pick(ctx context.Context, src oci.Source, root oci.Descriptor, only []string) (oci.Descriptor, error) {
	if only != nil {
		if _, err := oci.SelectPlatforms(ctx, src, root, only); err != nil {
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
	return text.Sorted(slices.Concat(a, b))
}

// found is an image that was looked for.
type found struct {
	img   oci.Image
	src   oci.Source // of what is not made
	only  []string   // see [wanted]
	pods  bool
	parts *oci.PlatformSelection // of an index, where platforms are chosen of some
	lacks []string               // platforms of only that it does not have
	err   error
}

// at is the image by digest, in its source; zero if it could not be pinned.
func (f *found) at() oci.Ref {
	d := cmp.Or(f.img.Root.Digest, f.img.Source.Digest)
	if d == "" {
		return oci.Ref{}
	}
	return f.img.Source.WithDigest(d)
}

// choose finds what of an image is carried; sparse says that platforms are chosen of
// some image.
func (f *found) choose(ctx context.Context, sparse bool) (err error) {
	if f.img.Platforms, err = oci.Platforms(ctx, f.src, f.img.Root); err != nil || !sparse {
		return err
	}
	parts, err := oci.SelectPlatforms(ctx, f.src, f.img.Root, f.only)
	var much *oci.UnsupportedError
	switch {
	case f.only == nil && errors.As(err, &much): // what it names matters to others alone
		return nil
	case err != nil:
		return err
	}
	f.parts = parts
	if f.only != nil && oci.IsIndex(f.img.Root.MediaType) {
		f.settle()
	}
	f.lacks = lacking(f.only, f.img.Platforms)
	return nil
}

// lacking lists the platforms that an image for some does not have.
func lacking(only, has []string) (list []string) {
	for _, name := range only {
		if len(has) > 0 && !slices.ContainsFunc(has, func(p string) bool { return oci.SamePlatform(name, p) }) {
			list = append(list, name)
		}
	}
	return list
}

// settle writes what is carried into the image.
func (f *found) settle() { f.img.Platforms, f.img.Omitted = f.parts.Platforms(), f.parts.Omitted() }

// part is what an image brings to a repository of the mirror.
type part struct {
	place  string
	digest digest.Digest
}

// agree has images leave out nothing that others bring to the same repository of
// the mirror: a registry would see a sparse index for nothing.
func agree(list []found) {
	by := map[part]oci.Ref{} // the first image that brings it
	bring := func(f *found, d digest.Digest) {
		if at := (part{f.img.MirrorPath(), d}); by[at] == (oci.Ref{}) {
			by[at] = f.img.Source
		}
	}
	for i := range list {
		f := &list[i]
		if f.err != nil {
			continue
		}
		bring(f, f.img.Root.Digest)
		if f.parts != nil {
			for _, d := range f.parts.Selected() {
				bring(f, d)
			}
		}
	}
	for more := true; more; { // what one carries along another may then have too
		more = false
		for i := range list {
			f := &list[i]
			left := len(f.img.Omitted)
			if f.err != nil || left == 0 {
				continue
			}
			if f.along(by); len(f.img.Omitted) < left {
				more = true
				for _, d := range f.parts.Selected() {
					bring(f, d)
				}
			}
		}
	}
}

// along carries what others bring to the image's repository, and has it say so: if
// that cannot be had, neither can the image.
func (f *found) along(by map[part]oci.Ref) {
	var names []string
	before, had := f.img.Platforms, f.parts.Selected()
	f.parts.Include(func(d digest.Digest) bool {
		other, there := by[part{f.img.MirrorPath(), d}]
		if _, own := slices.BinarySearch(had, d); there && !own {
			names = append(names, other.String())
		}
		return there
	})
	f.settle()
	if names = text.Sorted(names); len(names) > 0 {
		more := slices.DeleteFunc(slices.Clone(f.img.Platforms), func(p string) bool { return slices.Contains(before, p) })
		f.img.Reasons = oci.SortReasons(append(slices.Clone(f.img.Reasons), oci.Reason{Kind: oci.ReasonPlatforms, Name: text.ASCII(strings.Join(more, ", ")), Part: text.ASCII(text.Some(names, 3))}))
	}
}

// choosy reports whether platforms are chosen of some image.
func choosy(list []found) bool {
	return slices.ContainsFunc(list, func(f found) bool { return f.only != nil })
}

// tellLacking says which images lack platforms that were asked for, all or some.
func tellLacking(list []found, note func(string)) {
	var alone, less []string
	for _, f := range list {
		switch name := f.img.Source.String(); {
		case f.err != nil || len(f.lacks) == 0:
		case len(f.lacks) == len(f.only):
			alone = append(alone, name+" ("+f.img.Platforms[0]+")")
		default:
			less = append(less, name+" (not "+strings.Join(f.lacks, ", ")+")")
		}
	}
	if alone = text.Sorted(alone); len(alone) > 0 {
		note(fmt.Sprintf("platforms: %s for another one alone, and carried as such: %s", text.Count(len(alone), "image is", "images are"), text.ASCII(text.Some(alone, 3))))
	}
	if less = text.Sorted(less); len(less) > 0 {
		note(fmt.Sprintf("platforms: %s not for all that are asked for: %s", text.Count(len(less), "image is", "images are"), text.ASCII(text.Some(less, 3))))
	}
}
