package bundle

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// TestCopyDrives copies the drives of a bundle one by one and together, from a staging disk and
// into one directory.
func TestCopyDrives(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false)
	list, err := OpenOriginals(t.Context(), []string{filepath.Dir(s.dirs[0])}, Wanted{Expect: s.finger})
	if err != nil || len(list) != 3 {
		t.Fatalf("%d originals, %v", len(list), err)
	}
	dest := filepath.Join(t.TempDir(), "disk")
	for i, o := range list {
		if o.Bundle != s.id || o.Drive != i+1 || o.Of != 3 || o.Label == "" || (o.Fingerprint != "") != (i == 2) {
			t.Errorf("original %+v", o)
		}
		dir, err := o.Place(dest, false)
		if err != nil || dir != filepath.Join(dest, filepath.Base(s.dirs[i])) {
			t.Fatalf("place %s, %v", dir, err)
		}
		c, err := o.CopyInto(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(c.Run(t.Context(), CopyOptions{}), c.Close(), o.Close()); err != nil {
			t.Fatal(err)
		}
		same(t, dir, files(t, s.dirs[i]))
	}
	if _, err := Verify(t.Context(), []string{dest}, VerifyOptions{Expect: s.finger}); err != nil {
		t.Error(err)
	}

	// One drive alone goes into a directory of its own, and into none that has another one.
	alone, err := OpenOriginals(t.Context(), s.dirs[1:2], Wanted{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = alone[0].Close() }()
	own := filepath.Join(t.TempDir(), "drive-02")
	if dir, err := alone[0].Place(own, true); err != nil || dir != own {
		t.Errorf("the directory that is named for drive 2 is not taken as it is: %s, %v", dir, err)
	}
	if _, ok := errors.AsType[*RefusedError](errOf(alone[0].CopyInto(filepath.Join(dest, "drive-01")))); !ok {
		t.Error("drive 2 may be copied over drive 1")
	}
	if _, ok := errors.AsType[*AwayError](errOf(OpenOriginals(t.Context(), s.dirs[1:2], Wanted{Expect: s.finger}))); !ok {
		t.Error("drive 2 alone is taken for the bundle that is expected")
	}
}

// TestUnfinishedCopyOfDrive has a copy that did not come to its end beside whole drives: those are looked at, and readers
// say what it is.
func TestUnfinishedCopyOfDrive(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false)
	for n := range 3 {
		dirs := s.links(t)
		if err := os.Rename(filepath.Join(dirs[n], seal.DriveName), filepath.Join(dirs[n], stateName)); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(dirs[n], seal.CopyDir)); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dirs[n], seal.BundleName)); err != nil && n == 2 {
			t.Fatal(err)
		}
		r, err := Verify(t.Context(), []string{filepath.Dir(dirs[0])}, VerifyOptions{})
		u, ok := errors.AsType[*UnfinishedError](err)
		if !ok || !u.Copy || u.Dir != dirs[n] || r == nil || len(r.Drives) != 3 || len(r.Away) > 0 {
			t.Fatalf("drive %d: %+v, %v", n+1, r, err)
		}
		for i, d := range r.Drives {
			if d.Number != i+1 || (d.Err != nil) != (i == n) {
				t.Errorf("drive %d: %d: %v", n+1, d.Number, d.Err)
			}
		}
		if u, ok := errors.AsType[*UnfinishedError](errOf(Open(t.Context(), []string{filepath.Dir(dirs[0])}, Wanted{}, s.identity))); !ok || !u.Copy {
			t.Errorf("drive %d: opening it does not say that a copy is unfinished", n+1)
		}
	}
}

// TestLinkDrives sends a bundle of several drives over a link, with parity across them: the copies of the
// index on the other drives are not in the manifest.
func TestLinkDrives(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false)
	dirs := s.copies(t)
	s.protectAcross(t, dirs, ParityRatio{Parity: 1, Data: 2})
	list, err := OpenOriginals(t.Context(), dirs, Wanted{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := OpenLink(t.Context(), list, 300_000, func(int64) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range l.drives {
		if _, ok := d.small["other-3-index.age"]; ok {
			t.Errorf("drive %d: an index is in the manifest", d.number)
		}
	}
	spool, inside := t.TempDir(), t.TempDir()
	if err := l.Send(t.Context(), spool, l.All(), LinkOptions{}); err != nil {
		t.Fatal(err)
	}
	o := oneWay{rand.New(rand.NewPCG(3, 15)), 0.05}
	o.carry(t, spool, inside)
	a, err := Receive(t.Context(), inside, ReceiveOptions{})
	if err != nil || len(a.Missing) == 0 {
		t.Fatalf("%+v, %v", a, err)
	}
	if err := l.Send(t.Context(), inside, a.Missing, LinkOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, o := range list {
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if a, err = Receive(t.Context(), inside, ReceiveOptions{Wanted: Wanted{Expect: s.finger}}); err != nil || len(a.Missing) > 0 {
		t.Fatalf("%+v, %v", a, err)
	}
	same(t, a.Dir, files(t, filepath.Dir(dirs[0])))
	if _, err := Verify(t.Context(), []string{inside}, VerifyOptions{Expect: s.finger}); err != nil {
		t.Error(err)
	}
}

// TestLinkSomeDrives: what has arrived of some drives is never taken for the whole bundle, and
// the others may still be sent.
func TestLinkSomeDrives(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false)
	inside := t.TempDir()
	for i, drives := range [][]string{{s.dirs[0]}, {s.dirs[0], s.dirs[2]}, s.dirs} {
		list, err := OpenOriginals(t.Context(), drives, Wanted{})
		if err != nil {
			t.Fatal(err)
		}
		l, err := OpenLink(t.Context(), list, MaxLinkFile, func(int64) {})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Send(t.Context(), inside, l.All(), LinkOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, o := range list {
			if err := o.Close(); err != nil {
				t.Fatal(err)
			}
		}
		a, err := Receive(t.Context(), inside, ReceiveOptions{})
		away, ok := errors.AsType[*AwayError](err)
		switch {
		case a == nil || len(a.Missing) > 0:
			t.Fatalf("%d: %+v, %v", i, a, err)
		case i < 2 && (!ok || len(away.Drives) != 2-i || len(a.Away) != 2-i || away.Drives[0].Number != 2):
			t.Errorf("%d drives are taken for all: %+v, %v", len(drives), a, err)
		case i == 2 && (err != nil || a.Fingerprint != s.finger):
			t.Errorf("all drives: %+v, %v", a, err)
		}
	}
	if _, err := Verify(t.Context(), []string{inside}, VerifyOptions{Expect: s.finger}); err != nil {
		t.Error(err)
	}
}

// TestLinkDamagedDrive: of several drives over a link, the damaged ones are named, each with its own
// files.
func TestLinkDamagedDrive(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false)
	first, second := segmentFiles(t, s.dirs[0])[1], segmentFiles(t, s.dirs[1])[0]
	flip(t, filepath.Join(s.dirs[0], first))
	flip(t, filepath.Join(s.dirs[1], second))
	from, err := OpenOriginals(t.Context(), s.dirs, Wanted{})
	if err != nil {
		t.Fatal(err)
	}
	named := func(what string, err error) {
		if err == nil || !strings.Contains(err.Error(), s.dirs[0]+" is damaged: "+first) || !strings.Contains(err.Error(), s.dirs[1]+" is damaged: "+second) {
			t.Errorf("%s: %v", what, err)
		}
	}
	l, err := OpenLink(t.Context(), from, MaxLinkFile, nil)
	if err != nil {
		t.Fatal(err)
	}
	named("sent", l.Send(t.Context(), t.TempDir(), l.All(), LinkOptions{}))
	_, err = OpenLink(t.Context(), from, 64<<10, func(int64) {})
	named("in parts", err)
	for _, o := range from {
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCopyIntoOneDrive: into the directory of one drive no other one goes, neither alone nor with it.
func TestCopyIntoOneDrive(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false)
	from, err := OpenOriginals(t.Context(), s.dirs, Wanted{})
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range from {
		for _, alone := range []bool{true, false} {
			dir, err := o.Place(s.dirs[1], alone)
			if ok := i == 1 && alone; ok != (err == nil) || ok && dir != s.dirs[1] || !ok && !errors.As(err, new(*RefusedError)) {
				t.Errorf("drive %d, alone %v: %q, %v", o.Drive, alone, dir, err)
			}
		}
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
