package bundle_test

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci"
)

// bothBundles reads from the one of two bundles that carries a digest, and counts what is behind.
type bothBundles struct {
	t            *testing.T
	front, back  *bundle.Reader
	left         map[string]bool
	from, sealed string // the bundle that brought it, and its fingerprint
}

func (b bothBundles) Open(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
	path, from, left := b.front.Baseline().Find(d.Digest)
	switch {
	case b.front.Has(d) == left:
		b.t.Errorf("%s is carried %v, left out %v", d.Digest, b.front.Has(d), left)
	case left && (path == "" || from.Bundle != b.from || from.Fingerprint != b.sealed):
		b.t.Errorf("%s is in %q, by %+v", d.Digest, path, from)
	case left:
		b.left[d.Digest.String()] = true
		return b.back.Open(ctx, d, off)
	}
	return b.front.Open(ctx, d, off)
}

// isSparse: what the bundle leaves out is in the one that it stands on, and nothing else is.
func isSparse(t *testing.T, v vector) {
	base := filepath.Join(filepath.Dir(v.dir), "baseline")
	for _, dir := range []string{v.dir, base} {
		if r, err := bundle.Verify(t.Context(), []string{dir}, bundle.VerifyOptions{}); err != nil || len(r.Faults) > 0 {
			t.Errorf("Verify %s: %+v, %v", dir, r, err)
		}
	}
	front, err := bundle.Open(t.Context(), []string{v.dir}, bundle.Wanted{}, v.keys)
	if err != nil {
		t.Fatal(err)
	}
	back, err := bundle.Open(t.Context(), []string{base}, bundle.Wanted{}, v.keys)
	if err != nil {
		t.Fatal(err)
	}
	v.count(t, "images", len(front.Inventory().Images))
	v.count(t, "left out", front.Baseline().Len())
	b := bothBundles{t, front, back, map[string]bool{}, back.ID(), string(back.Fingerprint())}
	for _, img := range front.Inventory().Images {
		src := oci.Verified(b)
		if err := oci.Walk(t.Context(), src, img.Root, func(d oci.Descriptor, _ []byte) error {
			rc, err := src.Open(t.Context(), d, 0)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, rc)
			return errors.Join(err, rc.Close())
		}); err != nil {
			t.Errorf("%s: %v", img.Source, err)
		}
	}
	v.count(t, "left out", len(b.left))
	if err := errors.Join(front.Close(), back.Close()); err != nil {
		t.Error(err)
	}
}
