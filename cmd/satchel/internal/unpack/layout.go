package unpack

import (
	"context"
	"fmt"

	"github.com/satchel-airgap/satchel/oci"
)

// Layout is how another tool lays images out in the mirror.
type Layout struct {
	Name   string // as the person names it
	Tools  string // that fill a mirror so
	Mirror oci.Mirror
}

// LayoutError says that the mirror has images in the places of another tool.
type LayoutError struct {
	Layout Layout
	Image  oci.Image // one that is there
	Place  oci.Ref   // where it is missing
}

func (e *LayoutError) Error() string {
	return fmt.Sprintf("%s looks as if %s has filled it: it has %s in %s, and not in %s",
		e.Layout.Mirror, e.Layout.Tools, e.Image.Source, e.Layout.Mirror.Repo(e.Image).Name(), e.Place.Name())
}

// Hint says what to do now.
func (e *LayoutError) Hint() string {
	return "say which layout the mirror has: in that of the other tool nothing that is there is pushed again, and the rules for nodes lead there"
}

// Permanent reports that the same answer comes again.
func (e *LayoutError) Permanent() bool { return true }

// maxSamples is how many images of one origin are looked for in another layout.
const maxSamples = 2

// otherLayout looks for some of the images that the mirror lacks in the places of other tools.
// What a dry run finds is only said.
func (u *unpacking) otherLayout(ctx context.Context, absent []oci.Image) error {
	for _, layout := range u.Layouts {
		for _, img := range samples(absent, u.Site.Mirror, layout.Mirror) {
			place := u.Site.Mirror.Repo(img)
			if !u.has(ctx, layout.Mirror.Repo(img), img) || u.has(ctx, place, img) {
				continue
			}
			err := &LayoutError{layout, img, place}
			if !u.DryRun {
				return err
			}
			u.Warn("%v; the layout %s would fit it", err, layout.Name)
			break
		}
	}
	return ctx.Err()
}

// has reports whether a repository is known to have an image. What is refused is not known.
func (u *unpacking) has(ctx context.Context, repo oci.Ref, img oci.Image) bool {
	_, _, err := u.client.Resolve(ctx, repo.WithDigest(img.Root.Digest))
	return err == nil
}

// samples are the first images of each origin that two layouts keep in different places.
func samples(images []oci.Image, ours, theirs oci.Mirror) (list []oci.Image) {
	count := map[oci.Origin]int{}
	for _, img := range images {
		if img.Subject != "" || img.Built || ours.Repo(img) == theirs.Repo(img) || count[img.Origin] >= maxSamples {
			continue
		}
		count[img.Origin]++
		list = append(list, img)
	}
	return list
}
