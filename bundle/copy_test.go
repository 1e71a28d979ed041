package bundle

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// copyTo copies the fixture's bundle into dir.
func (f *fixture) copyTo(t testing.TB, dir string) error {
	t.Helper()
	from, err := f.original(t)
	if err != nil {
		return err
	}
	c, err := from.CopyInto(dir)
	if err != nil {
		return errors.Join(err, from.Close())
	}
	return errors.Join(c.Run(t.Context(), CopyOptions{}), c.Close(), from.Close())
}

// whole fails unless dir is the fixture's bundle byte for byte.
func (f *fixture) whole(t testing.TB, dir string) {
	t.Helper()
	same(t, dir, files(t, f.drive))
	if _, err := Verify(t.Context(), []string{dir}, VerifyOptions{}); err != nil {
		t.Error(err)
	}
}

// original opens the fixture's bundle to copy it.
func (f *fixture) original(t testing.TB) (*Original, error) {
	t.Helper()
	list, err := OpenOriginals(t.Context(), []string{f.drive}, Wanted{})
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// unfinishedIn fails unless readers take dir for a copy that was interrupted.
func unfinishedIn(t testing.TB, dir string) {
	t.Helper()
	list, _, err := List(dir, "")
	if err != nil || len(list) != 1 {
		t.Fatalf("half a copy is taken for %v, %v", list, err)
	}
	if u, ok := errors.AsType[*UnfinishedError](list[0].Err); !ok || !u.Copy || list[0].Sealed {
		t.Errorf("half a copy is taken for %+v", list[0])
	}
	if u, ok := errors.AsType[*UnfinishedError](errOf(Verify(t.Context(), []string{dir}, VerifyOptions{}))); !ok || !u.Copy {
		t.Errorf("half a copy verifies with %v", u)
	}
}

// TestCopy copies a bundle, and again: into the copy, after damage of the copy, and after
// something was added to the original.
func TestCopy(t *testing.T) {
	t.Parallel()
	f := newSmall(t, false)
	f.pack(t)
	write(t, f.drive, map[string][]byte{"notes/of a person.txt": []byte("mine"), "s-00-00001.age.tmp": []byte("left")})
	theirs := func(t *testing.T) { // what is not the bundle's is not copied
		t.Helper()
		if err := errors.Join(os.RemoveAll(filepath.Join(f.drive, "notes")), os.Remove(filepath.Join(f.drive, "s-00-00001.age.tmp"))); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(t.TempDir(), "new")
	if err := f.copyTo(t, dir); err != nil {
		t.Fatal(err)
	}
	theirs(t)
	f.whole(t, dir)

	want := files(t, dir)
	for _, name := range []string{"s-00-00001.age", "key-1.age", seal.CopyDir + "/" + seal.BundleName, seal.SumsName} {
		for what, change := range map[string]func([]byte) []byte{
			"flipped": func(b []byte) []byte { b = bytes.Clone(b); b[len(b)/2] ^= 1; return b },
			"short":   func(b []byte) []byte { return b[:len(b)-1] },
		} {
			write(t, dir, map[string][]byte{name: change(want[name])})
			if err := f.copyTo(t, dir); err != nil {
				t.Errorf("%s %s: %v", name, what, err)
			}
			same(t, dir, want)
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if err := f.copyTo(t, dir); err != nil {
			t.Errorf("%s removed: %v", name, err)
		}
		f.whole(t, dir)
	}

	_, to := newKey(t, false)
	if _, err := Rekey(t.Context(), []string{f.drive}, Wanted{}, f.identity, to); err != nil {
		t.Fatal(err)
	}
	if err := f.copyTo(t, dir); err != nil {
		t.Fatal(err)
	}
	f.whole(t, dir)
}

// TestCopyRefused: nothing is written into a directory with anything else in it.
func TestCopyRefused(t *testing.T) {
	t.Parallel()
	f, other := newSmall(t, false), newSmall(t, false)
	f.pack(t)
	other.pack(t)
	all, others := files(t, f.drive), files(t, other.drive)
	_, to := newKey(t, false)
	rekeyed := f.clone(t)
	if _, err := Rekey(t.Context(), []string{rekeyed.drive}, Wanted{}, f.identity, to); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what string
		have map[string][]byte
		says string
	}{
		{"a file", map[string][]byte{"notes.txt": nil}, "it is not empty: it has notes.txt"},
		{"another bundle", others, "it has another bundle, "},
		{"another copy", map[string][]byte{stateName: others[seal.DriveName], "s-00-00001.age": others["s-00-00001.age"]}, "it has another bundle"},
		{"segments of nobody", map[string][]byte{"s-00-00001.age": all["s-00-00001.age"]}, "nothing there says of which one"},
		{"another seal", func() map[string][]byte {
			m := maps.Clone(all)
			m[seal.BundleName] = bytes.Replace(m[seal.BundleName], []byte(`"sequence": 1`), []byte(`"sequence": 2`), 1)
			return m
		}(), "its bundle.json is not that of the bundle"},
		{"a copy with another key", files(t, rekeyed.drive), "the copy there has copy/key-2.age"},
	} {
		dir := filepath.Join(t.TempDir(), "dest")
		write(t, dir, c.have)
		err := f.copyTo(t, dir)
		refused, ok := errors.AsType[*RefusedError](err)
		if !ok || !strings.Contains(refused.Error(), c.says) && c.what != "a copy with another key" {
			t.Errorf("%s: %v", c.what, err)
		}
		same(t, dir, c.have)
	}
	err := f.copyTo(t, f.drive)
	if _, ok := errors.AsType[*RefusedError](err); !ok {
		t.Errorf("into itself: %v", err)
	}
	same(t, f.drive, all)
}

// TestCopyDamaged: what is not right in the original is named, all of it, and the copy is no
// bundle. Once it is right again, only that is copied.
func TestCopyDamaged(t *testing.T) {
	t.Parallel()
	f := newSmall(t, false)
	f.pack(t)
	all := files(t, f.drive)
	names := segmentFiles(t, f.drive)[:2]
	for _, name := range names {
		body := bytes.Clone(all[name])
		body[len(body)/2] ^= 4
		write(t, f.drive, map[string][]byte{name: body})
	}
	dir := filepath.Join(t.TempDir(), "copy")
	damage, ok := errors.AsType[*DamageError](f.copyTo(t, dir))
	if !ok || len(damage.Faults) != 2 || damage.Faults[0].File != names[0] || damage.Faults[1].File != names[1] {
		t.Fatalf("damage %+v", damage)
	}
	unfinishedIn(t, dir)
	write(t, f.drive, all)
	from, err := f.original(t)
	if err != nil {
		t.Fatal(err)
	}
	c, err := from.CopyInto(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range c.missing() {
		if turn(m.Name) == turnContent && !slices.Contains(names, m.Name) {
			t.Errorf("%s is copied again", m.Name)
		}
	}
	if err := errors.Join(c.Run(t.Context(), CopyOptions{}), c.Close(), from.Close()); err != nil {
		t.Fatal(err)
	}
	f.whole(t, dir)
}

// TestCopyStopped cancels a copy after every few KiB, and each time another run goes on. As
// long as it is not at its end, nobody takes it for a bundle.
func TestCopyStopped(t *testing.T) {
	t.Parallel()
	f := newSmall(t, false)
	f.pack(t)
	dir := filepath.Join(t.TempDir(), "copy")
	stops := 0
	for {
		from, err := f.original(t)
		if err != nil {
			t.Fatal(err)
		}
		c, err := from.CopyInto(dir)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var left atomic.Int64
		left.Store(2 << 20)
		if c.Left() < 2<<20 {
			left.Store(1 << 40)
		}
		err = c.Run(ctx, CopyOptions{Pace: func(_ context.Context, n int) error {
			if left.Add(-int64(n)) < 0 {
				cancel()
			}
			return ctx.Err()
		}})
		cancel()
		if cerr := errors.Join(c.Close(), from.Close()); cerr != nil {
			t.Fatal(cerr)
		}
		if err == nil {
			break
		}
		if stops++; !errors.Is(err, context.Canceled) || stops > 20 {
			t.Fatal(err)
		}
		unfinishedIn(t, dir)
	}
	if stops == 0 {
		t.Error("it was never stopped")
	}
	f.whole(t, dir)
}

// TestCopySealing stops a copy at each step of its end: what another run finds there it
// completes.
func TestCopySealing(t *testing.T) {
	t.Parallel()
	f := newSmall(t, false)
	f.pack(t)
	all := files(t, f.drive)
	done := filepath.Join(t.TempDir(), "done")
	if err := f.copyTo(t, done); err != nil {
		t.Fatal(err)
	}
	seals := []string{seal.CopyDir + "/" + seal.DriveName, seal.CopyDir + "/" + seal.BundleName, seal.DriveName, seal.BundleName}
	for n := range len(seals) + 1 {
		for _, staged := range []int{0, len(seals)} { // how many of those to come are there under temporary names
			have := maps.Clone(all)
			for i, name := range seals[n:] {
				body := have[name]
				delete(have, name)
				if i < staged || name == seal.DriveName {
					have[name+media.TempSuffix] = body
				}
			}
			dir := filepath.Join(t.TempDir(), "copy")
			write(t, dir, have)
			list, _, err := List(dir, "")
			if err != nil || n < len(seals) && slices.ContainsFunc(list, func(f Found) bool { return f.Err == nil }) {
				t.Errorf("after %d seals it is taken for %+v, %v", n, list, err)
			}
			if err := f.copyTo(t, dir); err != nil {
				t.Errorf("after %d seals: %v", n, err)
				continue
			}
			same(t, dir, all)
		}
	}
}

// TestCopyFull runs the drive full, makes room, and goes on.
func TestCopyFull(t *testing.T) {
	f := newSmall(t, false)
	f.pack(t)
	dir, _ := tmpfs(t, "16m")
	if err := os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, 13<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	place := filepath.Join(dir, "copy")
	err := f.copyTo(t, place)
	drive, ok := errors.AsType[*DriveError](err)
	if !ok || !strings.Contains(drive.Hint(), "make room on the drive") {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "ballast")); err != nil {
		t.Fatal(err)
	}
	if err := f.copyTo(t, place); err != nil {
		t.Fatal(err)
	}
	f.whole(t, place)
}

// TestCopyPlace: in the root of a mount a copy gets a directory of its own.
func TestCopyPlace(t *testing.T) {
	f := newSmall(t, false)
	f.pack(t)
	from, err := f.original(t)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = from.Close() }()
	plain := filepath.Join(t.TempDir(), "absent")
	if got, err := from.Place(plain, true); err != nil || got != plain {
		t.Errorf("place %s, %v", got, err)
	}
	root, _ := tmpfs(t, "16m")
	if got, err := from.Place(root, true); err != nil || got != filepath.Join(root, "satchel-"+from.Bundle) {
		t.Errorf("place %s, %v", got, err)
	}
}
