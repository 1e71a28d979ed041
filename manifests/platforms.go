package manifests

import (
	"cmp"
	"context"
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
	parts *oci.Parts // of one of which platforms are chosen
	alone bool       // it has one platform, and not one of those
	err   error
}

// choose finds what of an image is carried.
func (f *found) choose(ctx context.Context, src oci.Source, only []string) (err error) {
	if f.img.Platforms, err = oci.Platforms(ctx, src, f.img.Root); err != nil || only == nil {
		return err
	}
	if f.parts, err = oci.Choose(ctx, src, f.img.Root, only); err != nil {
		return err
	}
	if oci.IsIndex(f.img.Root.MediaType) {
		f.settle()
	} else {
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
	whole, parts := map[string]map[digest.Digest]bool{}, map[string]map[digest.Digest]bool{}
	add := func(to map[string]map[digest.Digest]bool, f found, digests ...digest.Digest) {
		at := place(f.img)
		if to[at] == nil {
			to[at] = map[digest.Digest]bool{}
		}
		for _, d := range digests {
			to[at][d] = true
		}
	}
	for _, f := range list {
		switch {
		case f.err != nil:
		case f.parts == nil:
			add(whole, f, f.img.Root.Digest)
			add(parts, f, f.img.Root.Digest)
		default:
			add(parts, f, f.img.Root.Digest)
			add(parts, f, f.parts.Carried()...)
		}
	}
	for i := range list {
		f := &list[i]
		if f.err != nil || len(f.img.Without) == 0 {
			continue
		}
		all := whole[place(f.img)][f.img.Root.Digest]
		f.parts.Carry(func(d digest.Digest) bool { return all || parts[place(f.img)][d] })
		f.settle()
	}
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
