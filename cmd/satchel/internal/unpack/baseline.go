package unpack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

// Lacking is content that a bundle leaves out, and the mirror does not have.
type Lacking struct {
	Descriptor oci.Descriptor
	Repository string // of the mirror
	From       bundle.BaselineSource
	Fault      string // what is wrong where it is; "" where it is not
}

func (l Lacking) String() string {
	kind := "blob"
	if oci.IsManifest(l.Descriptor.MediaType) {
		kind = "manifest"
	}
	more := ""
	if l.Fault != "" {
		more = " (" + l.Fault + ")"
	}
	return fmt.Sprintf("%s %s of %s%s, which %s brought", kind, l.Descriptor.Digest, l.Repository, more, Named(l.From))
}

// Named says which bundle it is.
func Named(s bundle.BaselineSource) string {
	if s.Stream == nil {
		return "bundle " + s.Bundle
	}
	return fmt.Sprintf("bundle %d of the stream %s (%s)", s.Sequence, s.Stream.Name, s.Bundle)
}

// BaselineError says that a mirror lacks what a bundle leaves out.
type BaselineError struct {
	Mirror  string
	Lacking []Lacking // by the bundle that brought it, the oldest first
}

// bundles lists the bundles that brought it, each once.
func (e *BaselineError) bundles() (list []bundle.BaselineSource) {
	for _, l := range e.Lacking {
		if !slices.ContainsFunc(list, func(s bundle.BaselineSource) bool { return s.Bundle == l.From.Bundle }) {
			list = append(list, l.From)
		}
	}
	return list
}

func (e *BaselineError) Error() string {
	var parts []string
	for _, s := range e.bundles() {
		manifests, blobs := 0, 0
		for _, l := range e.Lacking {
			switch {
			case l.From.Bundle != s.Bundle:
			case oci.IsManifest(l.Descriptor.MediaType):
				manifests++
			default:
				blobs++
			}
		}
		parts = append(parts, fmt.Sprintf("%s and %s of %s", text.Count(manifests, "manifest", "manifests"), text.Count(blobs, "blob", "blobs"), Named(s)))
	}
	return fmt.Sprintf("%s lacks what this bundle leaves out because earlier bundles brought it: %s", e.Mirror, text.Some(parts, 5))
}

// Permanent is true: somebody must push it.
func (e *BaselineError) Permanent() bool { return true }

// Hint says what to do now.
func (e *BaselineError) Hint() string {
	var names []string
	for _, s := range e.bundles() {
		name := Named(s)
		if s.Fingerprint != "" {
			name += " with the fingerprint " + bundle.Fingerprint(s.Fingerprint).Grouped()
		}
		names = append(names, name)
	}
	return fmt.Sprintf("unpack first: %s; or pack this one again, without counting on what did not arrive", text.Some(names, 5))
}

// mostLacking is how many lines say what is lacking.
const mostLacking = 50

// lacks tells what is lacking, and gives the error.
func (u *unpacking) lacks(list []Lacking) error {
	if len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, func(a, b Lacking) int {
		return cmp.Or(cmp.Compare(a.From.Sequence, b.From.Sequence), strings.Compare(a.From.Bundle, b.From.Bundle), strings.Compare(a.Repository, b.Repository), strings.Compare(a.Descriptor.Digest.String(), b.Descriptor.Digest.String()))
	})
	list = slices.CompactFunc(list, func(a, b Lacking) bool { return a.Descriptor.Digest == b.Descriptor.Digest })
	for _, l := range list[:min(len(list), mostLacking)] {
		u.Warn("not in the mirror: %s", l)
	}
	if n := len(list) - mostLacking; n > 0 {
		u.Warn("not in the mirror: %d more", n)
	}
	return &BaselineError{u.Site.Mirror.String(), list}
}

// lookBehind reads all manifests that the bundle leaves out from the mirror, and lists those
// that are not there. Nothing was written yet.
func (u *unpacking) lookBehind(ctx context.Context) error {
	if u.behind == nil {
		return nil
	}
	u.Info("this bundle leaves out what is in the mirror already: %s, from %s", text.Count(u.r.Baseline().Len(), "manifest or blob", "manifests and blobs"), text.Count(len(u.r.Baseline().Sources()), "earlier bundle", "earlier bundles"))
	_, err := oci.ReadGraph(ctx, u.images, func(oci.Image) (oci.Source, error) { return u.src, nil }, u.Parallel)
	var list []Lacking
	for _, e := range flat(err) {
		var gone *absentError
		switch {
		case e == nil:
		case errors.As(e, &gone) && u.mayBeRefused(e):
			u.Warn("left out: %v", e)
		case errors.As(e, &gone):
			list = append(list, gone.Lacking)
		default:
			return ofMirror(err)
		}
	}
	return u.lacks(list)
}

// ofMirror takes from errors the images whose manifests were read: it is the mirror that did not
// give them, and not where the images are from.
func ofMirror(err error) error {
	var list []error
	said := map[string]bool{}
	for _, e := range flat(err) {
		if gap, is := errors.AsType[*oci.Gap](e); is {
			e = gap.Err
		}
		if e != nil && !said[e.Error()] {
			said[e.Error()] = true
			list = append(list, e)
		}
	}
	return errors.Join(list...)
}

// mayBeRefused reports whether an error is about an attachment that may be left out, and takes
// that out of what the mirror is to have: it may have refused it when an earlier bundle brought it.
func (u *unpacking) mayBeRefused(err error) bool {
	gap, ok := errors.AsType[*oci.Gap](err)
	if !ok || u.mirror.Optional == nil || !u.mirror.Optional(gap.Image) {
		return false
	}
	u.images = slices.DeleteFunc(slices.Clone(u.images), func(img oci.Image) bool { return same(img, gap.Image) })
	return true
}

// blobsBehind finds, of blobs that the bundle leaves out and a repository lacks, which other
// repository of the mirror has them: they are taken from there.
func (u *unpacking) blobsBehind(ctx context.Context, list []transport.Delivery) ([]transport.Delivery, error) {
	var mu sync.Mutex
	var lacking []Lacking
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, u.Parallel))
	for i := range list {
		d := &list[i]
		repo, from, _ := u.behind.place(d.Blob.Digest)
		if d.From != (oci.Ref{}) {
			u.behind.isAt(d.Blob.Digest, d.From)
			continue
		}
		g.Go(func() error {
			there := false
			if !slices.Contains(d.Repos, repo) { // else it was looked at
				r, err := u.client.Repository(repo)
				if err == nil {
					there, err = r.Has(gctx, d.Blob)
				}
				if err != nil {
					return err
				}
			}
			if there {
				d.From = repo
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			lacking = append(lacking, Lacking{d.Blob, repo.Repository, from, ""})
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return list, u.lacks(lacking)
}

// unfetched lists blobs that are to be pushed and could be read nowhere but where they are
// wrong: only the bundle that brought them has them.
func (u *unpacking) unfetched(list []transport.Delivery) (lacking []Lacking) {
	for _, d := range list {
		if u.r == nil || u.r.Has(d.Blob) || !u.leftOut(d.Blob.Digest) {
			continue
		}
		if repo, from, _ := u.behind.place(d.Blob.Digest); slices.Contains(d.Repos, repo) {
			lacking = append(lacking, Lacking{d.Blob, repo.Repository, from, cmp.Or(d.Fault, "it is not whole there")})
		}
	}
	return lacking
}

// leftOut reports whether a bundle leaves a blob out because the mirror has it.
func (u *unpacking) leftOut(d digest.Digest) bool {
	if u.behind == nil {
		return false
	}
	_, _, ok := u.behind.place(d)
	return ok
}

// has reports whether there is content for a descriptor, in the bundle or behind it.
func (u *unpacking) has(d oci.Descriptor) bool { return u.r.Has(d) || u.leftOut(d.Digest) }
