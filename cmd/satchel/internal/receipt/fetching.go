package receipt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// bounds are of what is read of a mirror: anybody who may push there can write receipts.
type bounds struct {
	tags    int   // that are looked at
	fetched int64 // bytes that are not on this host yet
	held    int64 // bytes in memory, where there is no file for them
}

// usual is far above what is in use: weekly bundles for 25 years, with their intents.
func usual() bounds { return bounds{tags: 1 << 12, fetched: 1 << 30, held: 64 << 20} }

// UnreadError says that a mirror has more receipts than are read.
type UnreadError struct {
	Repo oci.Ref
	Left int // that were not read
}

func (e *UnreadError) Error() string {
	return fmt.Sprintf("read the receipts in %s: there are too many, or they are too large: %s not read", e.Repo.Name(), text.Count(e.Left, "was", "were"))
}

// Permanent is true: the mirror has them.
func (e *UnreadError) Permanent() bool { return true }

// Hint says what to do now.
func (e *UnreadError) Hint() string {
	return "delete what satchel did not write from that repository, in the registry"
}

// copies is the directory of this host with copies of what one repository of the mirror has.
func (k *Keeper) copies() string {
	m := oci.Mirror{Host: k.Repo.Registry}
	if namespace, usual := strings.CutSuffix(k.Repo.Repository, "/satchel/receipts"); usual {
		m.Namespace = namespace
	}
	if RepoIn(m) == k.Repo {
		return filepath.Join(k.Dir, fetched)
	}
	return filepath.Join(k.Dir, fetched+"-"+oci.Digest([]byte(k.Repo.Repository)).Encoded()[:8])
}

// fetching is one look at what a mirror has.
type fetching struct {
	k        *Keeper
	h        *History
	own      map[digest.Digest]*Kept
	most     bounds
	again    func(oci.Ref) (*transport.Artifact, error) // reads one, also later in the run
	decoding sync.Mutex                                 // lists take many times the memory of their bytes

	mu      sync.Mutex
	all     []*Kept
	fetched int64
	held    int64
	left    int
}

// fetch reads what the mirror has, or, where it is not asked, what was fetched from it before.
func (k *Keeper) fetch(ctx context.Context, h *History, own map[digest.Digest]*Kept) ([]*Kept, error) {
	if k.Mirror == nil {
		return k.readFetched(h, own)
	}
	tags, err := k.Mirror.Tags(ctx, k.Repo)
	var refused *transport.RegistryError
	if errors.As(err, &refused) && !refused.Away() && ctx.Err() == nil { // a probe says more
		h.Refused = err
		return k.readFetched(h, own)
	}
	if err != nil {
		return nil, err
	}
	for _, tag := range tags {
		h.tags[tag] = true
	}
	f := &fetching{k: k, h: h, own: own, most: k.most, again: func(ref oci.Ref) (*transport.Artifact, error) {
		return k.Mirror.Artifact(ctx, ref, MaxSize+maxSignature, nil)
	}}
	if f.most == (bounds{}) {
		f.most = usual()
	}
	if err := f.read(ctx, f.choose(tags)); err != nil {
		return nil, err
	}
	k.sweep(h)
	if f.left > 0 {
		h.Odd = append(h.Odd, &UnreadError{k.Repo, f.left})
	}
	return f.all, nil
}

// choose lists the tags of receipts, those first that this host has a copy of.
func (f *fetching) choose(tags []string) (list []string) {
	for _, tag := range tags {
		if tagName().MatchString(tag) {
			list = append(list, tag)
		}
	}
	slices.Sort(list)
	list = slices.Compact(list)
	if len(list) > f.most.tags {
		slices.SortStableFunc(list, func(a, b string) int { return f.fresh(a) - f.fresh(b) })
		f.left = len(list) - f.most.tags
		list = list[:f.most.tags]
	}
	return list
}

// fresh is 0 for a tag that this host has a copy of, else 1.
func (f *fetching) fresh(tag string) int {
	if f.k.Dir != "" {
		if _, err := os.Stat(f.k.copyOf(tag)); err == nil {
			return 0
		}
	}
	return 1
}

func (k *Keeper) copyOf(tag string) string { return filepath.Join(k.copies(), tag+".json") }

func (f *fetching) read(ctx context.Context, tags []string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(fetchers)
	for _, tag := range tags {
		g.Go(func() error {
			one, err := f.one(ctx, tag)
			var answer *transport.RegistryError
			if err != nil && (ctx.Err() != nil || errors.As(err, &answer) && !answer.Permanent()) {
				return err
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			if err := f.h.odd(err); err != nil {
				return err
			}
			if one != nil && err == nil {
				f.all = append(f.all, one)
			}
			return nil
		})
	}
	return g.Wait()
}

// one gives nil for a tag that is gone, or more than is read.
func (f *fetching) one(ctx context.Context, tag string) (*Kept, error) {
	file, copied := "", fetchedCopy{}
	if f.k.Dir != "" {
		file = f.k.copyOf(tag)
		copied = readFetchedCopy(file)
	}
	if len(copied) == 0 && !f.mayFetch() {
		return nil, nil
	}
	ref := f.k.Repo.WithTag(tag)
	a, err := f.k.Mirror.Artifact(ctx, ref, MaxSize+maxSignature, copied.body)
	if err != nil || a == nil {
		return nil, err
	}
	f.count(a, copied)
	f.decoding.Lock()
	one, err := newKept(ref.String(), a.File(File), signaturesIn(a), f.k.trust(f.own))
	f.decoding.Unlock()
	if err != nil {
		f.noteClaims(a.File(File), err)
		return nil, err
	}
	if err := f.k.isOf(one); err != nil {
		return nil, err
	}
	one.Tag, one.places = tag, []mirrored{{tag, a.Digest}}
	switch {
	case file != "" && copied.is(a), // as it was
		file != "" && !f.k.Look && writeKept(file, one.body, one.signatures) == nil: // else it is fetched again
		one.file, one.body = file, nil
	default:
		f.hold(one)
	}
	return one, nil
}

// mayFetch reports whether more is read; what is not is counted.
func (f *fetching) mayFetch() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fetched < f.most.fetched {
		return true
	}
	f.left++
	return false
}

// count counts what was fetched, and was not on this host.
func (f *fetching) count(a *transport.Artifact, copied fetchedCopy) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, file := range a.Files {
		if copied.body(oci.Digest(file.Body)) == nil {
			f.fetched += int64(len(file.Body))
		}
	}
}

// noteClaims notes what a receipt rests on that nobody who is trusted has signed.
func (f *fetching) noteClaims(body []byte, err error) {
	var untrusted *bundle.TrustError
	if !errors.As(err, &untrusted) {
		return
	}
	f.decoding.Lock()
	r, err := Decode(body)
	f.decoding.Unlock()
	if err != nil {
		return // it is none
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.h.claims == nil {
		f.h.claims = map[digest.Digest]bool{}
	}
	for _, d := range r.Claims {
		f.h.claims[d] = true
	}
}

// hold keeps the bytes in memory as long as there is room; then they are fetched when they are
// asked for.
func (f *fetching) hold(one *Kept) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held += int64(len(one.body)); f.held <= f.most.held {
		return
	}
	f.held -= int64(len(one.body))
	ref := f.k.Repo.WithTag(one.Tag)
	one.body, one.again = nil, func() ([]byte, error) {
		a, err := f.again(ref)
		if err == nil && (a == nil || oci.Digest(a.File(File)) != one.Digest) {
			err = fmt.Errorf("%s has changed since it was read", ref)
		}
		if err != nil {
			return nil, err
		}
		return a.File(File), nil
	}
}

// sweep removes copies of what the mirror has no longer.
func (k *Keeper) sweep(h *History) {
	if k.Dir == "" || k.Look {
		return
	}
	files, err := list(k.copies(), fetchedName())
	if err != nil {
		return // nothing is lost by what stays
	}
	for _, file := range files {
		if !h.tags[strings.TrimSuffix(filepath.Base(file), ".json")] {
			_ = removeKept(file) // the same
		}
	}
}

func (k *Keeper) readFetched(h *History, own map[digest.Digest]*Kept) (all []*Kept, err error) {
	if k.Dir == "" {
		return nil, nil
	}
	files, err := list(k.copies(), fetchedName())
	if err != nil {
		h.Host = fmt.Errorf("read receipts of this host: %w", err)
	}
	for _, file := range files {
		one, err := readKept(file, k.trust(own))
		if err == nil {
			err = k.isOf(one)
		}
		if err := h.oddHere(err); err != nil {
			return nil, err
		}
		if one != nil && err == nil {
			one.Head.number = numberOf(strings.TrimSuffix(filepath.Base(file), ".json"))
			all = append(all, one)
		}
	}
	return all, nil
}
