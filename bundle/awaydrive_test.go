package bundle

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
)

// TestSegmentsSpoiledWhileAway spoils segments of an unfinished bundle: what is
// lost with them, and no more, is fetched again.
func TestSegmentsSpoiledWhileAway(t *testing.T) {
	whole := newSmall(t, false)
	whole.job.Lanes = 1
	w := whole.writer(t)
	if err := whole.fill(t.Context(), w, whole.content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	spoil := map[string]struct {
		away bool // must it be noticed that the drive was away?
		do   func(t *testing.T, path string, body []byte) error
	}{
		"removed":   {false, func(_ *testing.T, path string, _ []byte) error { return os.Remove(path) }},
		"truncated": {false, func(_ *testing.T, path string, b []byte) error { return os.WriteFile(path, b[:len(b)-1], 0o644) }},
		"longer":    {false, func(_ *testing.T, path string, b []byte) error { return os.WriteFile(path, append(b, 0), 0o644) }},
		"flipped": {true, func(_ *testing.T, path string, b []byte) error {
			return os.WriteFile(path, flipped(b, len(b)*4), 0o644)
		}},
		"now a link":  {false, func(t *testing.T, path string, b []byte) error { return linkInstead(t, path, b) }},
		"not spoiled": {true, func(*testing.T, string, []byte) error { return nil }},
	}
	all := segmentFiles(t, whole.drive)
	pieces := map[string][]journal.Piece{}
	for _, segs := range whole.replay(t).Segments {
		for _, s := range segs {
			pieces[segmentName(s, false)] = s.Pieces
		}
	}
	large := whole.graph.Blobs[0].Descriptor // the only one that spans segments
	for _, n := range whole.graph.Blobs {
		if n.Descriptor.Size > large.Size {
			large = n.Descriptor
		}
	}
	for how, c := range spoil {
		for _, name := range []string{all[0], all[len(all)/2], all[len(all)-1]} {
			t.Run(how+" "+name, func(t *testing.T) {
				f := whole.clone(t)
				body := files(t, f.drive)[name]
				if c.away {
					f.away(t)
				}
				if err := c.do(t, filepath.Join(f.drive, name), body); err != nil {
					t.Fatal(err)
				}
				w := f.writer(t)
				lost := map[digest.Digest]bool{}
				if how != "not spoiled" {
					for _, p := range pieces[name] {
						lost[p.Digest] = true
					}
				}
				for _, n := range slices.Concat(f.graph.Blobs, f.graph.Manifests) {
					d := n.Descriptor
					if lost[d.Digest] && has(t, w, d) {
						t.Errorf("%s was in %s and counts as held", d.Digest, name)
					}
					if !lost[d.Digest] && !lost[large.Digest] && !has(t, w, d) {
						t.Errorf("%s was not in %s and is lost", d.Digest, name)
					}
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				f.finish(t)
			})
		}
	}
}

func linkInstead(t *testing.T, path string, body []byte) error {
	other := filepath.Join(t.TempDir(), "other")
	return errors.Join(os.WriteFile(other, body, 0o644), os.Remove(path), os.Symlink(other, path))
}

// randomLane makes up a lane: blobs one after another, cut into segments anywhere.
func randomLane(rnd *rand.Rand) []journal.Segment {
	segs := []journal.Segment{{Number: 1}}
	cut := func(u *journal.Unfinished) {
		segs[len(segs)-1].Unfinished = u
		segs = append(segs, journal.Segment{Number: len(segs) + 1})
	}
	for b := range 1 + rnd.IntN(8) {
		d := digest.FromString(fmt.Sprint(b))
		for range rnd.IntN(4) {
			segs[len(segs)-1].Pieces = append(segs[len(segs)-1].Pieces, journal.Piece{Digest: d, Size: 9, Length: 1})
			cut(&journal.Unfinished{Digest: d, Size: 9})
		}
		segs[len(segs)-1].Pieces = append(segs[len(segs)-1].Pieces, journal.Piece{Digest: d, Size: 9, Length: 1})
		if rnd.IntN(3) == 0 {
			cut(nil)
		}
	}
	if len(segs) > 1 && rnd.IntN(3) == 0 { // ends in the middle, or on an empty rest
		segs = segs[:len(segs)-1]
	}
	return segs
}

// TestClosure shows what must hold of any lane after any loss: each blob that a
// remaining segment has a piece of is whole, or it is the last one, begun and
// not ended; and nothing goes that need not.
func TestClosure(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5000) {
		rnd := rand.New(rand.NewPCG(seed, 9))
		segs := randomLane(rnd)
		bad := make([]bool, len(segs))
		for i := range bad {
			bad[i] = rnd.IntN(6) == 0
		}
		drop := closure(segs, func(s journal.Segment) bool { return bad[s.Number-1] })
		checkClosure(t, segs, bad, drop)
		if t.Failed() {
			t.Fatalf("seed %d: lane %+v, bad %v, dropped %v", seed, segs, bad, drop)
		}
	}
}

func checkClosure(t *testing.T, segs []journal.Segment, bad, drop []bool) {
	t.Helper()
	lastKept := -1
	at := map[digest.Digest][]int{}
	for i, s := range segs {
		if bad[i] && !drop[i] {
			t.Errorf("segment %d is bad and stays", i)
		}
		if !drop[i] {
			lastKept = i
		}
		for _, p := range s.Pieces {
			at[p.Digest] = append(at[p.Digest], i)
		}
	}
	for d, in := range at {
		kept := 0
		for _, i := range in {
			if !drop[i] {
				kept++
			}
		}
		if kept == 0 || kept == len(in) {
			continue
		}
		last := in[kept-1]
		if drop[in[0]] || drop[last] || last != lastKept || segs[last].Unfinished == nil || segs[last].Unfinished.Digest != d {
			t.Errorf("%s in segments %v is kept in part", d, in)
		}
	}
	for i := range segs {
		tied := i > 0 && drop[i-1] && segs[i-1].Unfinished != nil || i+1 < len(segs) && drop[i+1] && segs[i].Unfinished != nil && i < lastKept
		if drop[i] && !bad[i] && !tied {
			t.Errorf("segment %d is dropped for nothing", i)
		}
	}
}

// TestRandomKills packs with several lanes at a time from a source that goes
// away after a random number of bytes, and throws away what was not durable.
func TestRandomKills(t *testing.T) {
	count := 3
	if soak() {
		count = 50
	}
	for seed := range uint64(count) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel() // it waits between tries
			rnd := rand.New(rand.NewPCG(seed, 4))
			f, _ := newLarge(t, MinSegmentSize+rnd.Int64N(2<<20), 1+rnd.IntN(4))
			for range 40 {
				if f.killed(t, rnd) {
					f.check(t)
					return
				}
			}
			t.Error("it never came to an end")
		})
	}
}

// killed resumes the bundle until the source goes away. It reports whether
// the bundle was finished.
func (f *fixture) killed(t *testing.T, rnd *rand.Rand) bool {
	t.Helper()
	blobs := f.graph.Blobs
	src := newWeak(f.content, blobs[rnd.IntN(len(blobs))].Descriptor.Digest, rnd.Int64N(8<<20))
	w := f.writer(t)
	held, err := w.Unfinished()
	if err != nil {
		t.Fatal(err)
	}
	g, ctx := errgroup.WithContext(t.Context())
	g.SetLimit(6)
	order := append(slices.Clone(blobs), blobs...)[rnd.IntN(len(blobs)):][:len(blobs)]
	slices.SortStableFunc(order, func(a, b oci.Node) int {
		_, x := held[a.Descriptor.Digest]
		_, y := held[b.Descriptor.Digest]
		return btoi(y) - btoi(x)
	})
	for _, n := range order {
		g.Go(func() error { return w.Put(ctx, n.Descriptor, src) })
	}
	err = g.Wait()
	if err == nil {
		if err = f.fill(t.Context(), w, f.content); err == nil {
			_, err = w.Seal(t.Context(), f.inv)
		}
		if err = errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		return true
	}
	if !errors.Is(err, errLink) {
		t.Fatal(err)
	}
	if rnd.IntN(2) == 0 { // a kill: what is open is lost
		w.breakdown(errLink)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if list := segmentFiles(t, f.drive); len(list) > 0 && rnd.IntN(3) == 0 {
		f.away(t)
		f.spoil(t, list[rnd.IntN(len(list))])
	}
	return false
}

// spoil flips a bit of a file on the drive.
func (f *fixture) spoil(t *testing.T, name string) {
	t.Helper()
	body := files(t, f.drive)[name]
	write(t, f.drive, map[string][]byte{name: flipped(body, len(body))})
}

// TestTwoBundles has the job's own bundle beside one of another job.
func TestTwoBundles(t *testing.T) {
	a, b := begun(t), begun(t)
	top := t.TempDir()
	write(t, filepath.Join(top, "satchel-1"), files(t, b.drive))
	write(t, filepath.Join(top, "satchel-2"), files(t, a.drive))
	a.drive = top
	w := a.writer(t)
	if filepath.Base(w.Dir()) != "satchel-2" || !seal.IsID(w.ID()) {
		t.Errorf("it resumes in %s", w.Dir())
	}
	before := files(t, filepath.Join(top, "satchel-1"))
	if err := a.fill(t.Context(), w, a.content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	same(t, filepath.Join(top, "satchel-1"), before)
}
