package bundle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/powertest"
)

// on is the fixture with its drive and state in these places.
func (f *fixture) on(at powertest.At) *fixture {
	c := *f
	c.drive, c.state = at("drive"), at("state")
	return &c
}

// packInChunks packs all blobs at the same time, in small segments.
func (f *fixture) packInChunks(t *testing.T) error {
	t.Helper()
	ctx := t.Context()
	w, err := Resume(ctx, f.drive, f.state, f.job, nil)
	if err == nil && w == nil {
		w, err = Create(f.drive, f.state, f.job, f.inv)
	}
	if done, ok := errors.AsType[*SealedError](err); ok && done.Fingerprint != "" {
		return nil // it was finished before
	}
	if err != nil {
		return err
	}
	w.maxAge = 0 // a segment for each chunk that is read
	g := errgroup.Group{}
	for _, n := range f.graph.Blobs {
		g.Go(func() error { return w.Put(ctx, n.Descriptor, f.content) })
	}
	if err := g.Wait(); err != nil {
		return errors.Join(err, w.Close())
	}
	if err = f.fill(ctx, w, f.content); err == nil {
		_, err = w.Seal(ctx, f.inv)
	}
	return errors.Join(err, w.Close())
}

// broken begins to pack, and breaks off in the middle of a blob.
func (f *fixture) broken(t *testing.T) error {
	t.Helper()
	large := slices.MaxFunc(f.graph.Blobs, func(a, b oci.Node) int { return int(a.Descriptor.Size - b.Descriptor.Size) }).Descriptor
	w, err := Resume(t.Context(), f.drive, f.state, f.job, nil)
	if err != nil || w != nil { // it was begun before: power was lost later
		if w != nil {
			err = w.Close()
		}
		return err
	}
	if w, err = Create(f.drive, f.state, f.job, f.inv); err != nil {
		return err
	}
	w.maxAge = 0
	if err := w.Put(t.Context(), large, newWeak(f.content, large.Digest, large.Size/2)); err == nil {
		return errors.New("the source did not break off")
	}
	return w.Close()
}

// claimsHold: what the journal calls durable is on the drive, and what verifies is whole.
func (f *fixture) claimsHold(t *testing.T) {
	t.Helper()
	_, err := Verify(context.Background(), []string{f.drive}, VerifyOptions{})
	if err == nil {
		f.check(t)
	}
	list, gerr := filepath.Glob(filepath.Join(f.state, "bundles", "*", "journal"))
	if gerr != nil || len(list) > 1 {
		t.Fatal(list, gerr)
	}
	if len(list) == 0 {
		return
	}
	st, jerr := journal.Peek(list[0])
	if errors.Is(jerr, fs.ErrNotExist) {
		return
	}
	if jerr != nil {
		t.Fatal(jerr)
	}
	for _, lane := range st.Segments {
		for _, s := range lane {
			body, err := os.ReadFile(filepath.Join(f.drive, segmentName(s, false)))
			if err != nil || seal.Sum(body) != s.SHA256 {
				t.Errorf("the journal says that %s is durable: %v", segmentName(s, false), err)
			}
		}
	}
	if st.Sealed != nil && err != nil {
		t.Errorf("the journal says that the bundle is finished: %v", err)
	}
}

// TestPackLosesPower has power fail at any moment of pack: of a run that broke off in the middle of
// a blob, and of the one that resumes it on several lanes.
func TestPackLosesPower(t *testing.T) {
	t.Parallel()
	f := newTiny(t)
	f.job.Signers = []*Signer{newSigner(t, 4).Signer}
	powertest.Command{
		Tops: []string{"drive", "state"},
		Run: func(t *testing.T, at powertest.At) error {
			on := f.on(at)
			if err := on.broken(t); err != nil && !isA[*SealedError](err) {
				return err
			}
			return on.packInChunks(t)
		},
		Look:  func(t *testing.T, at powertest.At) { f.on(at).claimsHold(t) },
		May:   func(err error) bool { return isA[*DamageError](err) && strings.Contains(err.Error(), "bundle.json") },
		Whole: func(t *testing.T, at powertest.At) { f.on(at).check(t) },
	}.Lose(t, 100, 14)
}

// newTiny is a fixture of less than 1 MiB: several small blobs and one of several chunks.
func newTiny(t *testing.T) *fixture {
	t.Helper()
	c := ocitest.New(31)
	f := newFixtureOf(t, c, map[string]oci.Descriptor{
		"one": c.Image(false, c.Layer(20<<10, ocitest.LayerGzip), c.Layer(700<<10, ocitest.LayerGzip)),
		"two": c.Image(true, c.Layer(30<<10, ocitest.LayerTar)),
	}, MinSegmentSize, false)
	f.job.Lanes = 2
	return f
}

// sealedOn puts a sealed bundle onto the disk.
func (f *fixture) sealedOn(t *testing.T) func(*testing.T, powertest.At) {
	all := files(t, f.drive)
	return func(t *testing.T, at powertest.At) { write(t, at("drive"), all) }
}

// nowhereFalse: what verifies opens and has every blob; anything else is said.
func (f *fixture) nowhereFalse(drive string) func(*testing.T, powertest.At) {
	return func(t *testing.T, at powertest.At) {
		t.Helper()
		c := *f
		c.drive = at(drive)
		if _, err := Verify(t.Context(), []string{c.drive}, VerifyOptions{}); err == nil {
			c.check(t)
		}
	}
}

// verified checks a bundle, and that no second run is needed.
func (f *fixture) verified(drive string) func(*testing.T, powertest.At) {
	return func(t *testing.T, at powertest.At) {
		t.Helper()
		c := *f
		c.drive = at(drive)
		c.check(t)
	}
}

// TestSealedLosesPower has power fail at any moment of what changes a finished bundle, or makes another
// of it.
func TestSealedLosesPower(t *testing.T) {
	t.Parallel()
	f := newTiny(t)
	fp := f.pack(t)
	plain := f.sealedOn(t)
	if _, err := AddParity(t.Context(), f.drive, Wanted{Expect: fp}, ParityRatio{Parity: 1, Data: 2}, "1.2.3", nil); err != nil {
		t.Fatal(err)
	}
	protected := f.sealedOn(t)
	spool := t.TempDir()
	f.send(t, spool, 200_000, "")
	sent := files(t, spool)
	other, signer := newPerson(t, false), newSigner(t, 5).Signer
	damaged := func(t *testing.T, at powertest.At) {
		protected(t, at)
		for _, name := range []string{"s-00-00001.age", seal.ExtrasName} {
			write(t, at("drive"), map[string][]byte{name: make([]byte, 1000)})
		}
	}
	opens := func(t *testing.T, at powertest.At) {
		t.Helper()
		f.nowhereFalse("drive")(t, at)
		mustOpen(t, at("drive"), fp, f.identity)
	}
	for name, c := range map[string]powertest.Command{
		"rekey": {Before: plain, Look: opens, Whole: func(t *testing.T, at powertest.At) {
			f.verified("drive")(t, at)
			mustOpen(t, at("drive"), fp, other.by)
		}, Run: func(t *testing.T, at powertest.At) error {
			_, err := Rekey(t.Context(), []string{at("drive")}, Wanted{Expect: fp}, f.identity, other.to)
			return err
		}},
		"sign": {Before: plain, Look: opens, Whole: f.verified("drive"), Run: func(t *testing.T, at powertest.At) error {
			_, err := Sign(t.Context(), at("drive"), Wanted{Expect: fp}, []*Signer{signer}, "1.2.3")
			return err
		}},
		"parity": {Before: plain, Look: opens, Whole: f.verified("drive"), Run: func(t *testing.T, at powertest.At) error {
			_, err := AddParity(t.Context(), at("drive"), Wanted{Expect: fp}, ParityRatio{Parity: 1, Data: 2}, "1.2.3", nil)
			return err
		}},
		"repair in place": {Before: damaged, Look: f.nowhereFalse("drive"), Whole: f.verified("drive"), Run: func(t *testing.T, at powertest.At) error {
			r, err := FindRepair(t.Context(), at("drive"), Wanted{}, nil)
			if err != nil {
				return err
			}
			return errors.Join(r.InPlace(t.Context(), nil), r.Close())
		}},
		"repair into": {Tops: []string{"to"}, Before: damaged, Look: f.nowhereFalse("to/new"), Whole: f.verified("to/new"), Run: func(t *testing.T, at powertest.At) error {
			r, err := FindRepair(t.Context(), at("drive"), Wanted{}, nil)
			if err != nil {
				return err
			}
			return errors.Join(r.Into(t.Context(), at("to/new"), nil), r.Close())
		}},
		"copy": {Tops: []string{"to"}, Before: protected, Look: f.nowhereFalse("to/new"), Whole: f.verified("to/new"), Run: func(t *testing.T, at powertest.At) error {
			c := *f
			c.drive = at("drive")
			return c.copyTo(t, at("to/new"))
		}},
		"link": {Tops: []string{"to"}, Before: protected, Look: func(*testing.T, powertest.At) {}, Whole: func(t *testing.T, at powertest.At) {
			c := *f
			found, err := filepath.Glob(at("to") + "/satchel-*")
			if err != nil || len(found) != 1 {
				t.Fatal(found, err)
			}
			c.drive = found[0]
			c.check(t)
		}, Run: func(t *testing.T, at powertest.At) error {
			a, err := Receive(t.Context(), at("to"), ReceiveOptions{})
			for n := 0; n < 2 && err == nil && (a == nil || a.Files == 0 || len(a.Missing) > 0); n++ { // what the link brings is not synced
				write(t, at("to"), sent)
				a, err = Receive(t.Context(), at("to"), ReceiveOptions{})
			}
			if err == nil && len(a.Missing) > 0 {
				t.Fatalf("still missing: %v", a)
			}
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.Tops = append(c.Tops, "drive")
			c.Lose(t, 1000, 4)
		})
	}
}

// shelfOn is the shelf with its drives and state in these places.
func (s *shelf) shelfOn(at powertest.At, n int) *shelf {
	c := *s
	c.fixture, c.places = s.fixture.on(at), nil
	for k := range n {
		c.places = append(c.places, at(fmt.Sprint("drive-", k+1)))
	}
	return &c
}

// packDrives packs on drives that are all there, with parity across them.
func (s *shelf) packDrives(t *testing.T) error {
	t.Helper()
	w, err := ResumeOn(t.Context(), s.places, s.state, s.job, nil)
	if err == nil && w == nil {
		w, err = CreateOn(s.places, s.state, s.job, s.inv)
	}
	done, sealed := errors.AsType[*SealedError](err)
	if err != nil && !sealed {
		return err
	}
	if !sealed {
		for _, d := range w.Drives() {
			if d.Finished {
				continue
			}
			if d.Dir == "" { // nothing of it survived
				if err := w.Attach(t.Context(), d.Number, s.places[d.Number-1], nil); err != nil {
					return errors.Join(err, w.Close())
				}
			}
			if err := s.fillDrive(t.Context(), t, w, d.Number); err != nil {
				return errors.Join(err, w.Close())
			}
		}
		done = &SealedError{Fingerprint: s.end(t, w)}
	}
	_, err = AddParityAcross(t.Context(), s.places, Wanted{Expect: done.Fingerprint}, s.job.Parity, 0, "1.2.3", nil)
	return err
}

// TestDrivesLosePower has power fail at any moment of a pack on three drives with parity across them.
func TestDrivesLosePower(t *testing.T) {
	t.Parallel()
	s, n := newPowerShelf(t)
	tops := []string{"state"}
	for k := range n {
		tops = append(tops, fmt.Sprint("drive-", k+1))
	}
	whole := func(t *testing.T, at powertest.At) {
		t.Helper()
		on := s.shelfOn(at, n)
		if _, err := Verify(t.Context(), on.places, VerifyOptions{}); err != nil {
			t.Fatal(err)
		}
		mustRead(t, on)
	}
	powertest.Command{
		Tops:  tops,
		Run:   func(t *testing.T, at powertest.At) error { return s.shelfOn(at, n).packDrives(t) },
		Whole: whole,
		Look: func(t *testing.T, at powertest.At) {
			if _, err := Verify(t.Context(), s.shelfOn(at, n).places, VerifyOptions{}); err == nil {
				whole(t, at)
			}
		},
	}.Lose(t, 500, 6)
}

// mustRead reads every blob of a bundle on several drives.
func mustRead(t *testing.T, s *shelf) {
	t.Helper()
	r, err := Open(t.Context(), s.places, Wanted{}, s.identity)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	for _, n := range slices.Concat(s.graph.Blobs, s.graph.Manifests) {
		if _, err := oci.ReadBlob(t.Context(), r, n.Descriptor, n.Descriptor.Size); err != nil {
			t.Fatal(err)
		}
	}
}
