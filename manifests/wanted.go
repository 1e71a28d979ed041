package manifests

import (
	"context"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// wanted is an image that a part of the configuration asks for.
type wanted struct {
	origin oci.Origin
	ref    oci.Ref  // where it is, by tag, digest or both
	tags   []string // in the mirror
	path   string   // its repository in the mirror; empty for its own
	why    []oci.Reason
	only   []string // the platforms that are carried of it, each os/architecture, sorted; nil for all
	pods   bool     // pods use it, whatever else asks for it

	made      oci.Descriptor // what it is, for an image that satchel made; see [Images.Put]
	base      oci.Ref        // what it was made from, by digest; see [oci.Image]
	platforms []string       // of that
}

// precedence is the order in which origins speak for an image that several ask for.
var precedence = []oci.Origin{origin.Release, origin.Catalog, origin.Operator, origin.Additional, origin.Chart, origin.Pod}

// image is w as far as it is known before it is found.
func (w wanted) image() oci.Image {
	return oci.Image{Origin: w.origin, Source: w.ref, Root: w.made, Platforms: w.platforms, Tags: w.tags, Path: w.path, Reasons: w.why,
		Built: w.made.Digest != "", Base: w.base}
}

// pin resolves one image, as far as it gets.
func (w wanted) pin(ctx context.Context, from Images) found {
	f := found{img: w.image(), only: w.only, pods: w.pods}
	if w.made.Digest != "" {
		f.err = f.img.Validate()
		return f
	}
	root, src, err := from.Resolve(ctx, w.ref)
	if err == nil {
		f.src, f.img.Root = src, oci.Descriptor{MediaType: root.MediaType, Digest: root.Digest, Size: root.Size}
		err = f.img.Validate()
	}
	f.err = err
	return f
}

// unite makes one of all that are the same image in the same repository of the
// mirror: the first origin by precedence, and the tags, reasons and platforms of all.
func unite(list []wanted) []wanted {
	type place struct {
		ref  oci.Ref
		path string
		made digest.Digest // two things that were made under one name collide later, and are told of
	}
	places := map[place]int{}
	var out []wanted
	for _, w := range list {
		if w.path == w.ref.Repository {
			w.path = ""
		}
		at := place{w.ref, w.path, w.made.Digest}
		i, ok := places[at]
		if !ok {
			i = len(out)
			places[at] = i
			out = append(out, wanted{origin: w.origin, ref: w.ref, path: w.path, made: w.made, base: w.base, platforms: w.platforms, only: w.only})
		}
		u := &out[i]
		u.only, u.pods = eitherOf(u.only, w.only), u.pods || w.origin == origin.Pod
		if slices.Index(precedence, w.origin) < slices.Index(precedence, u.origin) {
			u.origin = w.origin
		}
		u.tags = append(u.tags, w.tags...)
		u.why = append(u.why, w.why...)
	}
	for i := range out {
		out[i].tags, out[i].why = text.Sorted(out[i].tags), oci.SortReasons(plainReasons(out[i].why))
	}
	slices.SortFunc(out, func(a, b wanted) int { return a.image().Compare(b.image()) })
	return out
}

// plainReasons makes printable ASCII of what catalogs and payloads call their parts.
func plainReasons(list []oci.Reason) []oci.Reason {
	out := make([]oci.Reason, len(list))
	for i, r := range list {
		out[i] = oci.Reason{Kind: r.Kind, Name: text.ASCII(r.Name), Part: text.ASCII(r.Part), Catalog: text.ASCII(r.Catalog)}
	}
	return out
}

// pins asks for each reference once, so that a tag that moves meanwhile is one
// image for the whole run.
type pins struct {
	Images
	mu   sync.Mutex
	seen map[oci.Ref]*pinned
}

type pinned struct {
	once sync.Once
	root oci.Descriptor
	src  oci.Source
	err  error
}

func newPins(from Images) *pins { return &pins{Images: from, seen: map[oci.Ref]*pinned{}} }

// Resolve asks for a reference by its digest if it has one.
func (p *pins) Resolve(ctx context.Context, ref oci.Ref) (oci.Descriptor, oci.Source, error) {
	if ref.Digest != "" {
		ref = ref.WithDigest(ref.Digest)
	}
	p.mu.Lock()
	one := p.seen[ref]
	if one == nil {
		one = &pinned{}
		p.seen[ref] = one
	}
	p.mu.Unlock()
	one.once.Do(func() { one.root, one.src, one.err = p.Images.Resolve(ctx, ref) })
	return one.root, one.src, one.err
}
