package bundle_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci"
)

// TestSegmentsReadAgain: a segment that could not be opened is read by the same reader once it can be.
func TestSegmentsReadAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "drive")
	if err := os.CopyFS(dir, os.DirFS("../testdata/vectors/e944b6d/x25519/bundle")); err != nil {
		t.Fatal(err)
	}
	ids, err := bundle.ReadIdentities([]string{"../testdata/vectors/e944b6d/x25519/key.txt"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := bundle.Open(t.Context(), []string{dir}, bundle.Wanted{}, ids)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	segments, err := filepath.Glob(filepath.Join(dir, "s-*.age"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("no segments: %v", err)
	}
	read := func() error {
		rc, err := oci.Verified(r).Open(t.Context(), r.Inventory().Images[0].Root, 0)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, rc)
		return errors.Join(err, rc.Close())
	}
	move := func(from, to string) {
		t.Helper()
		for _, s := range segments {
			if err := os.Rename(s+from, s+to); err != nil {
				t.Fatal(err)
			}
		}
	}
	move("", "-away")
	for range 2 {
		var damage *bundle.DamageError
		if err := read(); !errors.As(err, &damage) {
			t.Errorf("away: %v", err)
		}
	}
	move("-away", "")
	if err := read(); err != nil {
		t.Errorf("back: %v", err)
	}
}
