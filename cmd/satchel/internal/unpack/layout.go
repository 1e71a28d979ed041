package unpack

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests"
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
	Tag    string    // "" if the image itself is there, else the tag of another one in its place
}

func (e *LayoutError) Error() string {
	has := e.Image.Source.String()
	if e.Tag != "" {
		has = "an image with the tag " + e.Tag
	}
	return fmt.Sprintf("%s looks as if another tool has filled it (%s): it has %s in %s, and not in %s",
		e.Layout.Mirror, e.Layout.Tools, has, e.Layout.Mirror.Repo(e.Image).Name(), e.Place.Name())
}

// Hint says what to do now.
func (e *LayoutError) Hint() string {
	return "say which layout the mirror has: in that of the other tool nothing that is there is pushed again, and the rules for nodes lead there"
}

// Permanent reports that the same answer comes again.
func (e *LayoutError) Permanent() bool { return true }

// maxSamples is how many images of one origin are looked for in another layout.
const maxSamples = 8

// otherLayout looks for some of the images that the mirror lacks in the places of other tools,
// by digest, and by tag: a catalog that moved every week is known by its tag alone. What a dry run
// finds is only said.
func (u *unpacking) otherLayout(ctx context.Context, absent []oci.Image) error {
	for _, layout := range slices.Concat(u.Layouts, u.byRules(absent)) {
		for _, img := range samples(absent, u.Site.Mirror, layout.Mirror) {
			place := u.Site.Mirror.Repo(img)
			there, tag := u.hasSome(ctx, layout.Mirror.Repo(img), img)
			if !there {
				continue
			}
			if here, _ := u.hasSome(ctx, place, img); here {
				continue
			}
			err := &LayoutError{layout, img, place, tag}
			if !u.DryRun {
				return err
			}
			u.Warn("%v; the layout %s would fit it", err, layout.Name)
			break
		}
	}
	return ctx.Err()
}

// byRules gives the layouts in which releases are where the cluster's rules lead.
func (u *unpacking) byRules(absent []oci.Image) (list []Layout) {
	present := u.Site.PresentRules
	if present == nil {
		present, _ = manifests.PresentRulesOf(u.Site.Cluster) // what cannot be read is reported where it is written
	}
	if present == nil {
		return nil
	}
	for _, layout := range u.Layouts {
		for _, img := range absent {
			if layout.Mirror.Repo(img).Repository != layout.Mirror.Shared.Repository {
				continue
			}
			for _, m := range present.Mirrors(img.Source.Name()) {
				host, repository, _ := strings.Cut(m, "/")
				there := Layout{layout.Name + "=" + repository, layout.Tools, layout.Mirror}
				there.Mirror.Shared.Repository = repository
				if host == layout.Mirror.Host && there.Mirror.Repo(img) != u.Site.Mirror.Repo(img) && !slices.Contains(list, there) {
					list = append(list, there)
				}
			}
		}
	}
	return list
}

// hasSome reports whether a repository has an image, or else another one under its tag, which
// it gives. What is refused is not there.
func (u *unpacking) hasSome(ctx context.Context, repo oci.Ref, img oci.Image) (there bool, tag string) {
	has := func(ref oci.Ref) bool {
		_, _, err := u.client.Resolve(ctx, ref)
		return err == nil
	}
	if has(repo.WithDigest(img.Root.Digest)) {
		return true, ""
	}
	if len(img.Tags) > 0 && has(repo.WithTag(img.Tags[0])) {
		return true, img.Tags[0]
	}
	return false, ""
}

// samples are images of each origin, spread over all, that two layouts keep in different places.
func samples(images []oci.Image, ours, theirs oci.Mirror) (list []oci.Image) {
	byOrigin := map[oci.Origin][]oci.Image{}
	for _, img := range images {
		if img.Subject == "" && ours.Repo(img) != theirs.Repo(img) {
			byOrigin[img.Origin] = append(byOrigin[img.Origin], img)
		}
	}
	for _, origin := range slices.Sorted(maps.Keys(byOrigin)) {
		all := byOrigin[origin]
		n := min(len(all), maxSamples)
		for i := range n {
			list = append(list, all[i*len(all)/n])
		}
	}
	return list
}
