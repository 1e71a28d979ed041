package changes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/catalogs"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// placeless stands for the mirror that two bundles go to: only paths and tags count.
var placeless = oci.Mirror{Host: "mirror.invalid"}

// SideOf says which bundle it is.
func SideOf(r *bundle.Reader) Side {
	s := Side{Kind: Bundle, Name: r.ID(), Packed: r.Created()}
	if stream := r.Stream(); stream != (bundle.Stream{}) {
		s.Stream, s.Sequence = stream.Name, r.Sequence()
	}
	return s
}

// there is what a receipt, or another bundle, says is in a mirror.
type there interface {
	manifest(repo string, d digest.Digest) bool
	tag(repo, tag string) (Manifest, bool)
}

// age is what is known of which of two is newer: only within a stream.
func (s Side) age(other Side, same, back bool) (state State, expected bool, why string) {
	switch {
	case !same:
		return Moves, false, "which of the two is newer is not known"
	case other.Sequence <= s.Sequence:
		return Moves, true, ""
	case back:
		return Moves, false, fmt.Sprintf("back from bundle %d of the stream %q, which is newer than this one (%d)", other.Sequence, other.Stream, s.Sequence)
	}
	return Stays, false, fmt.Sprintf("bundle %d of the stream %q, which is newer than this one (%d), has set it", other.Sequence, other.Stream, s.Sequence)
}

// ToReceipt compares a bundle with what a mirror has by a receipt. back has tags move also where
// a newer bundle of the same stream has set them.
func ToReceipt(ctx context.Context, r *bundle.Reader, since *receipt.Receipt, back bool) *Changes {
	c := &Changes{Bundle: SideOf(r), Against: Side{Kind: Receipt, Name: since.Mirror.String() + ", bundle " + since.Bundle, Stream: since.Stream.Name, Sequence: since.Sequence, Packed: since.Packed}}
	c.compare(r.Inventory(), since.Mirror, facts{receipt.Merge(since)})
	c.judge(ctx, r, nil, r.Stream().Same(bundle.Stream(since.Stream)), back)
	has := map[string]bool{}
	for _, img := range r.Inventory().Images {
		has[since.Mirror.Repo(img).Repository+"@"+img.Root.Digest.String()] = true
	}
	for _, img := range since.Images {
		if !has[img.Repo+"@"+img.Digest.String()] {
			gone := Image{Repo: img.Repo, Digest: img.Digest, Subject: img.Subject}
			for _, t := range img.Tags {
				gone.Tags = append(gone.Tags, t.Name)
			}
			c.Gone = append(c.Gone, gone)
		}
	}
	for _, t := range c.Tags {
		if t.Origin == manifests.OriginCatalog {
			c.Catalogs = append(c.Catalogs, catalogs.Catalog{Catalog: t.Source, Name: t.Tag, Before: t.Old.Digest, After: t.New.Digest, Unknown: "a receipt does not say what is in a catalog"})
		}
	}
	return c.Sorted()
}

// facts is a receipt.
type facts struct{ *receipt.Facts }

func (f facts) manifest(repo string, d digest.Digest) bool {
	for _, p := range f.Manifest(d) {
		if p.Repo == repo {
			return true
		}
	}
	return false
}

func (f facts) tag(repo, tag string) (Manifest, bool) {
	fact, ok := f.Tag(repo, tag)
	if !ok {
		return Manifest{}, false
	}
	return Manifest{Digest: fact.Digest, Packed: fact.By.Packed}, true
}

// ToBundle compares a bundle with another one, as if a mirror had that. It reads the
// catalogs of both. back is as for [ToReceipt].
func ToBundle(ctx context.Context, r, other *bundle.Reader, back bool) (*Changes, error) {
	c := &Changes{Bundle: SideOf(r), Against: SideOf(other)}
	graph, err := oci.ReadGraph(ctx, other.Inventory().Images, func(oci.Image) (oci.Source, error) { return carriedBy(other), nil }, 1)
	if graph == nil {
		return nil, err
	}
	if err := unread(err); err != nil {
		return nil, fmt.Errorf("read bundle %s: %w", other.ID(), err)
	}
	has := carried{manifests: map[string]bool{}, tags: map[string]oci.Image{}, packed: other.Created()}
	for _, n := range graph.Manifests {
		for _, img := range graph.Of(n) {
			has.manifests[placeless.Repo(img).Repository+"@"+n.Descriptor.Digest.String()] = true
		}
	}
	for _, img := range graph.Images {
		has.manifests[placeless.Repo(img).Repository+"@"+img.Root.Digest.String()] = true
		for _, tag := range img.Tags {
			has.tags[placeless.Repo(img).Repository+":"+tag] = img
		}
	}
	c.compare(r.Inventory(), placeless, has)
	c.judge(ctx, r, other, r.Stream().Same(other.Stream()), back)
	c.gone(r.Inventory(), other.Inventory())
	c.Catalogs, err = catalogs.Compare(ctx, r.Inventory().Images, placeless, r, r.Has, func(_ context.Context, name oci.Ref) (oci.Descriptor, oci.Source, error) {
		return has.tags[name.Repository+":"+name.Tag].Root, inPart(r, other), nil
	}, c.stays)
	for i := range c.Catalogs {
		if ref, err := oci.ParseRef(c.Catalogs[i].Name); err == nil {
			c.Catalogs[i].Name = ref.Repository + ":" + ref.Tag
		}
	}
	return c.Sorted(), err
}

// errLeftOut says that a bundle does not carry something, because a mirror had it already.
var errLeftOut = errors.New("an earlier bundle brought it")

// carriedBy gives the content of a bundle. What it leaves out is errLeftOut.
func carriedBy(r *bundle.Reader) oci.Source {
	return oci.SourceFunc(func(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
		if !r.Has(d) && r.Baseline() != nil {
			return nil, errLeftOut
		}
		return r.Open(ctx, d, off)
	})
}

// unread leaves of the errors of a graph those that are not of what a bundle leaves out: of such
// images only the parts are not known.
func unread(err error) error {
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	return errors.Join(slices.DeleteFunc(slices.Clone(all), func(e error) bool { return errors.Is(e, errLeftOut) })...)
}

// inPart gives the content of the other one of two bundles. What a bundle leaves out, because a
// mirror has it, is an [oci.UnsupportedError].
func inPart(r, other *bundle.Reader) oci.Source {
	return oci.SourceFunc(func(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
		if !other.Has(d) && (r.Baseline() != nil || other.Baseline() != nil) {
			return nil, &oci.UnsupportedError{What: "the catalog", Why: "a part of it did not travel, because an earlier bundle brought it"}
		}
		return other.Open(ctx, d, off)
	})
}

// stays reports whether a tag goes on naming what it names.
func (c *Changes) stays(name oci.Ref) bool {
	return slices.ContainsFunc(c.Tags, func(t Tag) bool { return t.Tag == name.Repository+":"+name.Tag && t.State == Stays })
}

// gone lists what only the other bundle has.
func (c *Changes) gone(inv, other *oci.Inventory) {
	has, releases := map[string]bool{}, map[digest.Digest]bool{}
	for _, img := range inv.Images {
		has[img.MirrorPath()+"@"+img.Root.Digest.String()], releases[img.Root.Digest] = true, true
	}
	for _, img := range other.Images {
		if !has[img.MirrorPath()+"@"+img.Root.Digest.String()] {
			c.Gone = append(c.Gone, ImageOf(img, placeless))
		}
	}
	for _, r := range manifests.Releases(other) {
		if !releases[r.Digest] {
			c.Releases = append(c.Releases, Release{r.Name, r.Digest, ReleaseGone})
		}
	}
}

// carried is what a bundle has.
type carried struct {
	manifests map[string]bool
	tags      map[string]oci.Image
	packed    time.Time
}

func (h carried) manifest(repo string, d digest.Digest) bool {
	return h.manifests[repo+"@"+d.String()]
}

func (h carried) tag(repo, tag string) (Manifest, bool) {
	img, ok := h.tags[repo+":"+tag]
	return Manifest{Digest: img.Root.Digest, Packed: h.packed}, ok
}

// judge says of each tag whether it moves, and of when the images are. A date that cannot be
// read is left out.
func (c *Changes) judge(ctx context.Context, r, other *bundle.Reader, same, back bool) {
	roots := func(r *bundle.Reader, d digest.Digest) (created time.Time) {
		if r == nil {
			return created
		}
		if i := slices.IndexFunc(r.Inventory().Images, func(img oci.Image) bool { return img.Root.Digest == d }); i >= 0 {
			created, _ = oci.Created(ctx, r, r.Inventory().Images[i].Root) // or it is not known
		}
		return created
	}
	for i := range c.Tags {
		t := &c.Tags[i]
		t.State, t.Expected, t.Why = c.Bundle.age(c.Against, same, back)
		t.Old.Created, t.New.Created = roots(other, t.Old.Digest), roots(r, t.New.Digest)
	}
}

// compare lists images that are new and tags that name others.
func (c *Changes) compare(inv *oci.Inventory, mirror oci.Mirror, has there) {
	fresh := map[digest.Digest]bool{}
	known := map[string]bool{} // tags
	for _, img := range inv.Images {
		repo := mirror.Repo(img)
		if has.manifest(repo.Repository, img.Root.Digest) {
			c.Stays++
		} else {
			fresh[img.Root.Digest] = true
			c.New = append(c.New, ImageOf(img, mirror))
		}
		for _, tag := range img.Tags {
			name := repo.WithTag(tag).String()
			if mirror == placeless {
				name = repo.Repository + ":" + tag
			}
			old, ok := has.tag(repo.Repository, tag)
			if ok && old.Digest != img.Root.Digest && !known[name] {
				known[name] = true
				c.Tags = append(c.Tags, Tag{Tag: name, Old: old, New: Manifest{Digest: img.Root.Digest, Packed: c.Bundle.Packed}, Origin: img.Origin, Source: img.Configured().String()})
			}
		}
	}
	c.AddReleases(inv, func(d digest.Digest) bool { return fresh[d] })
}
