package pack_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	o.Job.Parity, o.Drives.Size = bundle.ParityRatio{Parity: 10, Data: 20}, 6<<20
	done, err := pack.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := bundle.Verify(t.Context(), []string{o.Dir}, bundle.VerifyOptions{Expect: done.Fingerprint})
	if err != nil || r.Protection.Whole != 1 || len(r.Drives) < 3 {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, line := range []string{"parity will go across the drives: one whole drive of", "it stays mounted", fmt.Sprintf("across %d drives; one whole drive of %[1]d", len(r.Drives)), "each of these directories is that of one drive", "-1 in " + filepath.Join(o.Dir, "drive-01")} {
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
	if again, err := pack.Run(t.Context(), o); err != nil || again.Fingerprint != done.Fingerprint {
		t.Errorf("again without drive 2: %+v, %v", again, err)
	}
}

// TestPackOwnStays begins in fewer places than there are drives, so that each gets parity of its own; that stays
// so where a later run has all of them in places, two of which are free.
func TestPackOwnStays(t *testing.T) {
	t.Parallel()
	b, options := newSpread(t, 312)
	var dirs []string
	run := func(names ...string) (*pack.Result, error) {
		o := options(names...)
		o.Job.Parity, o.Drives.Size, dirs = bundle.ParityRatio{Parity: 2, Data: 4}, 7<<20, o.Dirs
		return pack.Run(t.Context(), o)
	}
	var wanted *pack.NextDriveError
	if _, err := run("a", "b"); !errors.As(err, &wanted) || wanted.Finished == "" {
		t.Fatalf("two places for four drives: %v\n%s", err, b.Log)
	}
	if log := b.Log.String(); !strings.Contains(log, "a whole drive that is lost cannot be rebuilt; that takes all drives mounted at the same time: about") || !strings.Contains(log, "of parity files in place of") {
		t.Errorf("what the protection is, and what a better one costs, is not said:\n%s", log)
	}
	done, err := run("a", "b", "c", "d")
	if err != nil {
		t.Fatalf("%v\n%s", err, b.Log)
	}
	r, err := bundle.Verify(t.Context(), dirs, bundle.VerifyOptions{Expect: done.Fingerprint})
	if err != nil || len(r.Drives) != 4 {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, d := range r.Drives {
		if d.Protection.Parity == 0 || d.Protection.Whole > 0 {
			t.Errorf("drive %d: %+v", d.Number, d.Protection)
		}
	}
}
