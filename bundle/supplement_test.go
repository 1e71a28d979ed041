package bundle

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
)

// supplement is the fixture of a supplement of what f has lost, with a key of its own.
func (f *fixture) supplement(t testing.TB, lost Lost) *fixture {
	t.Helper()
	what, err := FindSupplement(f.state, lost)
	if err != nil {
		t.Fatal(err)
	}
	s := *f
	s.drive = filepath.Join(t.TempDir(), "supplement")
	s.job.Spread = nil
	s.job.Config, s.job.Supplement = digest.FromString("a supplement"), what
	g := *f.graph
	g.Blobs = slices.DeleteFunc(slices.Clone(g.Blobs), func(n oci.Node) bool { return what.Has(n.Descriptor.Digest) })
	s.graph = &g
	return &s
}

// lost is what a verification finds of the bundle in dirs, once it has gone to paper and back.
func lost(t testing.TB, dirs ...string) Lost {
	t.Helper()
	r, err := Verify(context.Background(), dirs, VerifyOptions{})
	if err == nil {
		t.Fatal("nothing is damaged")
	}
	path := filepath.Join(t.TempDir(), "lost.txt")
	if err := os.WriteFile(path, append([]byte("# from inside\n\n"), bytes.ToUpper(LostOf(r).Marshal())...), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := ReadLost(path)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// restored reads all of f from the damaged bundle and its supplement, as what f was.
func (f *fixture) restored(t testing.TB, fp Fingerprint, dirs ...string) {
	t.Helper()
	r, err := Open(context.Background(), dirs, Wanted{}, f.identity)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := r.Alone(); err != nil || r.Packed() != fp || r.Fingerprint() == fp || len(r.Inventory().Images) != len(f.inv.Images) {
		t.Errorf("it is %s with %d images, %v", r.Packed(), len(r.Inventory().Images), err)
	}
	again, err := r.Reopen()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, n := range slices.Concat(f.graph.Blobs, f.graph.Manifests) {
		if err := errors.Join(readAll(r, n.Descriptor), readAll(again, n.Descriptor)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSupplement damages a bundle in each way that costs content, and reads it with its supplement.
func TestSupplement(t *testing.T) {
	t.Parallel()
	f := newSmall(t, false)
	fp := f.pack(t)
	segs := segmentFiles(t, f.drive)
	for name, harm := range map[string]func(dir string) error{
		"a byte of a segment": func(dir string) error { return flipByte(filepath.Join(dir, segs[0])) },
		"a segment":           func(dir string) error { return os.Remove(filepath.Join(dir, segs[1])) },
		"the closing lane":    func(dir string) error { return os.Remove(filepath.Join(dir, segs[len(segs)-1])) },
		"all segments": func(dir string) error {
			var err error
			for _, s := range segs {
				err = errors.Join(err, os.Truncate(filepath.Join(dir, s), 100))
			}
			return err
		},
		"the index": func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, seal.IndexName)), os.Remove(filepath.Join(dir, seal.CopyDir, seal.IndexName)))
		},
		"a key file and the seal": func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, segs[0])), os.Remove(filepath.Join(dir, "key-1.age")), os.Remove(filepath.Join(dir, seal.BundleName)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := f.clone(t)
			if err := harm(c.drive); err != nil {
				t.Fatal(err)
			}
			list := lost(t, c.drive)
			s := c.supplement(t, list)
			sfp := s.pack(t)
			if _, err := Verify(t.Context(), []string{s.drive}, VerifyOptions{Expect: sfp}); err != nil {
				t.Fatal(err)
			}
			f.restored(t, fp, s.drive, c.drive)
			f.restored(t, fp, c.drive, s.drive)
			c.refused(t, fp, sfp, s, list)
		})
	}
}

// refused looks at what must not be taken for the bundle that is whole.
func (f *fixture) refused(t testing.TB, fp, sfp Fingerprint, s *fixture, list Lost) {
	t.Helper()
	var other *otherFingerprintError
	if _, err := Open(context.Background(), []string{f.drive, s.drive}, Wanted{Expect: fp}, f.identity); slices.Equal(list.Files, segmentFiles(t, f.drive)) && !errors.As(err, &other) {
		t.Errorf("with the fingerprint of the damaged one: %v", err)
	}
	r, err := Open(context.Background(), []string{s.drive}, Wanted{Expect: sfp}, f.identity)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	var alone *AloneError
	if all := len(list.Files) == len(segmentFiles(t, f.drive)) && len(list.Files) > 1; errors.As(r.Alone(), &alone) == all {
		t.Errorf("the supplement alone, %v: %v", list.Files, r.Alone())
	}
}

// flipByte changes one byte in the middle of a file.
func flipByte(path string) error {
	body, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	body[len(body)/2] ^= 1
	return os.WriteFile(path, body, 0o644)
}
