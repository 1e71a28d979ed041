package bundle

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestGiveUpFreesTheLane has a wrong blob take the end of a good one with it: once
// it is abandoned, its lane must not wait for a blob that nobody puts.
func TestGiveUpFreesTheLane(t *testing.T) {
	c := ocitest.New(7)
	long, wrong, next := c.Layer(20<<20, ocitest.LayerGzip), c.Layer(5<<20, ocitest.LayerGzip), c.Layer(1<<20, ocitest.LayerGzip)
	f := newFixtureOf(t, c, map[string]oci.Descriptor{"a": c.Image(false, long), "b": c.Image(false, wrong), "c": c.Image(false, next)}, 16<<20, false)
	f.job.Lanes = 1
	w := f.writer(t)
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	if err := w.Put(ctx, long, c); err != nil {
		t.Fatal(err)
	}
	lying := oci.SourceFunc(func(_ context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(make([]byte, d.Size-off))), nil
	})
	var lie *oci.DigestError
	if err := w.Put(ctx, wrong, lying); !errors.As(err, &lie) {
		t.Fatal(err)
	}
	if has, err := w.Has(ctx, long); has || err != nil {
		t.Fatalf("the blob that shared a segment with the wrong one: %v, %v", has, err)
	}
	if err := w.GiveUp(ctx, wrong.Digest); err != nil {
		t.Fatal(err)
	}
	if err := w.Put(ctx, next, c); err != nil {
		t.Fatalf("the next blob: %v", err)
	}
	if err := f.fill(ctx, w, c); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Seal(ctx, f.inv); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f.check(t)
}

// TestRestartAmongOtherFiles refuses a directory that holds no bundle and other files.
func TestRestartAmongOtherFiles(t *testing.T) {
	f := newSmall(t, false)
	if err := os.Mkdir(f.drive, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.drive, "README.txt"), []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	var refused *RefusedError
	if _, err := CheckRestart(f.drive, f.state, f.job); !errors.As(err, &refused) {
		t.Errorf("CheckRestart: %v", err)
	}
}

// TestLostSeal leaves a finished bundle that lost its bundle.json as it is: its
// fingerprint is on paper.
func TestLostSeal(t *testing.T) {
	f := newSmall(t, false)
	f.pack(t)
	if err := os.Remove(filepath.Join(f.drive, "bundle.json")); err != nil {
		t.Fatal(err)
	}
	before := files(t, f.drive)
	var damage *DamageError
	if _, err := Resume(t.Context(), f.drive, f.state, f.job, nil); !errors.As(err, &damage) {
		t.Errorf("Resume: %v", err)
	}
	if err := Restart(f.drive, f.state, f.job); !errors.As(err, &damage) {
		t.Errorf("Restart: %v", err)
	}
	same(t, f.drive, before)
}

// TestDriveNotMounted begins nothing where a bundle was begun that is not there now.
func TestDriveNotMounted(t *testing.T) {
	f := newSmall(t, false)
	w := f.writer(t)
	if err := f.fill(t.Context(), w, f.content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	away := f.drive + "-away"
	if err := os.Rename(f.drive, away); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(f.drive, 0o755); err != nil {
		t.Fatal(err)
	}
	var missing *MissingError
	for _, dir := range []string{f.drive, filepath.Dir(f.drive)} { // itself, and as the root of the drive it was in
		if err := checkMissing(dir, f.state, f.job); !errors.As(err, &missing) || missing.Bundle != w.ID() {
			t.Errorf("%s: %v", dir, err)
		}
	}
	if _, err := Resume(t.Context(), f.drive, f.state, f.job, nil); !errors.As(err, &missing) {
		t.Errorf("Resume: %v", err)
	}
	if err := Restart(f.drive, f.state, f.job); err != nil {
		t.Fatal(err)
	}
	if w, err := Resume(t.Context(), f.drive, f.state, f.job, nil); w != nil || err != nil {
		t.Errorf("after Restart: %v, %v", w, err)
	}
}

// TestWrongAndReported has the source itself find in the middle of a blob that its
// bytes are wrong: nothing of them stays, nor of what an earlier run got of it.
func TestWrongAndReported(t *testing.T) {
	c := ocitest.New(7)
	wrong := c.Layer(20<<20, ocitest.LayerGzip)
	f := newFixtureOf(t, c, map[string]oci.Descriptor{"a": c.Image(false, wrong)}, 8<<20, false)
	f.job.Lanes = 1
	w := f.writer(t)
	until := func(size int64, then error) oci.Source {
		return oci.SourceFunc(func(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
			if off >= size {
				return nil, then
			}
			rc, err := c.Open(ctx, d, off)
			return struct {
				io.Reader
				io.Closer
			}{io.LimitReader(rc, size-off), rc}, err
		})
	}
	gone := errors.New("the source is away")
	if err := w.Put(t.Context(), wrong, until(9<<20, gone)); !errors.Is(err, gone) {
		t.Fatal(err)
	}
	if n := len(segmentFiles(t, f.drive)); n != 2 {
		t.Fatalf("after a source that went away there are %d segments", n)
	}
	var lie *oci.DigestError
	if err := w.Put(t.Context(), wrong, until(17<<20, &oci.DigestError{Want: wrong})); !errors.As(err, &lie) {
		t.Fatal(err)
	}
	if left := segmentFiles(t, f.drive); len(left) > 0 {
		t.Errorf("after wrong bytes there are still %v", left)
	}
	if list, err := w.Unfinished(); len(list) > 0 || err != nil {
		t.Errorf("unfinished: %v, %v", list, err)
	}
	if err := w.Put(t.Context(), wrong, c); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f.finish(t)
}
