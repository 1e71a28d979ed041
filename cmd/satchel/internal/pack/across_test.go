package pack_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
)

// TestPackAcross packs with parity on a staging disk, and onto drives that are all there: it goes
// across them. One slot gets drives with parity of their own.
func TestPackAcross(t *testing.T) {
	t.Parallel()
	b, options := newSpread(t, 311)
	o := options("staging")
	if err := os.Remove(o.Dir); err != nil { // pack makes it
		t.Fatal(err)
	}
	o.Job.Parity, o.DriveSize = bundle.ParityRatio{Parity: 10, Data: 20}, 6<<20
	done, err := pack.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := bundle.Verify(t.Context(), []string{o.Dir}, bundle.VerifyOptions{Expect: done.Fingerprint})
	if err != nil || r.Protection.Whole != 1 || len(r.Drives) < 3 {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, line := range []string{"parity will go across the drives: one whole drive of", "it stays mounted", fmt.Sprintf("across %d drives; one whole drive of %[1]d", len(r.Drives))} {
		if !strings.Contains(b.Log.String(), line) {
			t.Errorf("%q is not said:\n%s", line, b.Log)
		}
	}
	again, err := pack.Run(t.Context(), o)
	if err != nil || again.Fingerprint != done.Fingerprint {
		t.Errorf("again: %+v, %v", again, err)
	}
	if err := os.RemoveAll(filepath.Join(o.Dir, "drive-02")); err != nil {
		t.Fatal(err)
	}
	if r, err := bundle.Verify(t.Context(), []string{o.Dir}, bundle.VerifyOptions{}); err == nil || fmt.Sprint(r.Rebuildable) != fmt.Sprint(r.Away) || len(r.Away) != 1 {
		t.Errorf("without drive 2: %+v, %v", r, err)
	}
}

// TestPackOwnStays begins in fewer places than there are drives, so that each gets parity of its own; that stays
// so where a later run has them all.
func TestPackOwnStays(t *testing.T) {
	t.Parallel()
	b, options := newSpread(t, 312)
	run := func(next func(context.Context, *pack.NextDriveError) (string, error), dirs ...string) (*pack.Result, []string, error) {
		o := options(dirs...)
		o.Job.Parity, o.DriveSize, o.NextDrive = bundle.ParityRatio{Parity: 2, Data: 4}, 7<<20, next
		done, err := pack.Run(t.Context(), o)
		return done, o.Dirs, err
	}
	var wanted *pack.NextDriveError
	_, first, err := run(nil, "a", "b")
	if !errors.As(err, &wanted) {
		t.Fatalf("two places for more drives: %v", err)
	}
	spare := options("f").Dirs
	done, later, err := run(func(context.Context, *pack.NextDriveError) (string, error) { return spare[0], nil }, "c", "d", "e", "g")
	if err != nil {
		t.Fatalf("%v\n%s", err, b.Log)
	}
	dirs := slices.DeleteFunc(slices.Concat(first, later, spare), func(dir string) bool {
		_, err := os.Stat(filepath.Join(dir, "drive.json"))
		return err != nil
	})
	r, err := bundle.Verify(t.Context(), dirs, bundle.VerifyOptions{Expect: done.Fingerprint})
	if err != nil || len(r.Drives) < 3 {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, d := range r.Drives {
		if d.Protection.Parity == 0 || d.Protection.Whole > 0 {
			t.Errorf("drive %d: %+v", d.Number, d.Protection)
		}
	}
}
