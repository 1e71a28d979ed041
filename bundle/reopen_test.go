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

// TestReopen: a bundle is opened again without a key, also after it was closed, and no other in
// its place.
func TestReopen(t *testing.T) {
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
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	away := dir + "-away"
	move := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	move(dir, away)
	var none *bundle.NoBundleError
	if _, err := r.Reopen(); !errors.As(err, &none) {
		t.Errorf("away: %v", err)
	}
	if err := os.CopyFS(dir, os.DirFS("../testdata/vectors/e944b6d/one-image/bundle")); err != nil {
		t.Fatal(err)
	}
	var other *bundle.FingerprintError
	if _, err := r.Reopen(); !errors.As(err, &other) {
		t.Errorf("another one: %v", err)
	}
	move(dir, dir+"-other")
	move(away, dir)
	again, err := r.Reopen()
	if err != nil {
		t.Fatal(err)
	}
	for _, img := range again.Inventory().Images {
		if err := oci.WalkImage(t.Context(), again, img, func(d oci.Descriptor, body []byte) error {
			if body != nil {
				return nil
			}
			rc, err := oci.Verified(again).Open(t.Context(), d, 0)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, rc)
			return errors.Join(err, rc.Close())
		}); err != nil {
			t.Errorf("%s: %v", img.Source, err)
		}
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}
