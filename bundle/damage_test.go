package bundle

import (
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
)

// sealed is a sealed bundle that tests damage and restore.
type sealed struct {
	*fixture
	finger Fingerprint
	whole  map[string][]byte
	blobs  map[string]bool // the segments that hold any part of a blob
}

func newSealed(t testing.TB, postQuantum bool) *sealed {
	t.Helper()
	f := newSmall(t, postQuantum)
	s := &sealed{f, f.pack(t), files(t, f.drive), map[string]bool{}}
	r := f.open(t)
	for _, b := range r.index.Blobs {
		for _, p := range b.At {
			s.blobs[r.index.Segments[p.Segment].Name] = true
		}
	}
	return s
}

// restore makes the drive what it was.
func (s *sealed) restore(t testing.TB) {
	t.Helper()
	if err := os.RemoveAll(s.drive); err != nil {
		t.Fatal(err)
	}
	write(t, s.drive, s.whole)
}

// put replaces one file; nil deletes it.
func (s *sealed) put(t testing.TB, name string, body []byte) {
	t.Helper()
	path := filepath.Join(s.drive, name)
	if body == nil {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		return
	}
	write(t, s.drive, map[string][]byte{name: body})
}

// blamed gives the files that Verify names, each once.
func (s *sealed) blamed(t testing.TB) []string {
	t.Helper()
	r, err := Verify(context.Background(), []string{s.drive}, VerifyOptions{})
	var damage *DamageError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &damage):
		t.Fatalf("Verify: %v", err)
	}
	names := map[string]bool{}
	for _, f := range damage.Faults {
		names[f.File] = true
	}
	if r != nil && len(r.Faults) != len(damage.Faults) {
		t.Errorf("the report has %d faults, the error %d", len(r.Faults), len(damage.Faults))
	}
	return slices.Sorted(maps.Keys(names))
}

// readAll opens the bundle and reads everything verified. It says whether Open
// refused, and fails the test where wrong bytes reach their end.
func (s *sealed) readAll(t testing.TB) (refused, broken error) {
	t.Helper()
	r, err := Open(context.Background(), []string{s.drive}, Wanted{}, s.identity)
	if err != nil {
		return err, nil
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, n := range slices.Concat(s.graph.Blobs, s.graph.Manifests) {
		rc, err := oci.Verified(r).Open(context.Background(), n.Descriptor, 0)
		if err == nil {
			_, err = io.Copy(io.Discard, rc)
			err = errors.Join(err, rc.Close())
		}
		if err != nil {
			broken = errors.Join(broken, err)
		}
	}
	return nil, broken
}

func flipped(body []byte, bit int) []byte {
	body = slices.Clone(body)
	body[bit/8] ^= 1 << (bit % 8)
	return body
}

// harm is one way to damage a file; it gives nil to delete it.
var harm = map[string]func(body, other []byte) []byte{
	"first byte flipped":  func(b, _ []byte) []byte { return flipped(b, 0) },
	"middle byte flipped": func(b, _ []byte) []byte { return flipped(b, len(b)/2*8) },
	"last byte flipped":   func(b, _ []byte) []byte { return flipped(b, len(b)*8-1) },
	"truncated by a byte": func(b, _ []byte) []byte { return b[:len(b)-1] },
	"emptied":             func([]byte, []byte) []byte { return []byte{} },
	"a byte appended":     func(b, _ []byte) []byte { return append(slices.Clone(b), 0) },
	"deleted":             func([]byte, []byte) []byte { return nil },
	"another file":        func(_, other []byte) []byte { return other },
}

// victims is one file of each kind, and what stands in for it.
func (s *sealed) victims(t testing.TB) map[string]string {
	t.Helper()
	segs := segmentFiles(t, s.drive)
	list := map[string]string{
		segs[0]: segs[1], segs[len(segs)/2]: segs[0], segs[len(segs)-1]: seal.IndexName, seal.IndexName: segs[0],
		seal.DriveName: seal.BundleName, seal.BundleName: seal.DriveName, seal.ExtrasName: seal.DriveName,
		seal.KeyName(1): seal.IndexName, seal.ReadmeName: seal.SumsName, seal.SumsName: seal.ReadmeName,
	}
	for name := range s.whole {
		if strings.HasPrefix(name, seal.CopyDir+"/") {
			list[name] = seal.ReadmeName
		}
	}
	return list
}

// TestDamage damages every kind of file in every way: Verify names that file and
// no other, and the reader never passes wrong bytes on.
func TestDamage(t *testing.T) {
	for mode, pq := range map[string]bool{"X25519": false, "post-quantum": true} {
		s := newSealed(t, pq)
		for name, other := range s.victims(t) {
			if pq && !soak() && name != seal.KeyName(1) && name != seal.ReadmeName {
				continue // only these differ
			}
			for how, f := range harm {
				t.Run(mode+"/"+name+"/"+how, func(t *testing.T) {
					defer s.restore(t)
					s.put(t, name, f(s.whole[name], s.whole[other]))
					if got := s.blamed(t); !slices.Equal(got, []string{name}) {
						t.Errorf("Verify names %v", got)
					}
					s.checkReading(t, name)
				})
			}
		}
		if got := s.blamed(t); got != nil {
			t.Errorf("restored, and yet Verify names %v", got)
		}
	}
}

// checkReading shows what a reader makes of damage in the file.
func (s *sealed) checkReading(t *testing.T, name string) {
	t.Helper()
	refused, broken := s.readAll(t)
	var damage *DamageError
	segment := func() bool { _, ok := seal.ParseSegment(name); return ok }()
	now := files(t, s.drive)[name]
	switch {
	case name == seal.ReadmeName || name == seal.SumsName || strings.HasPrefix(name, seal.CopyDir+"/"),
		segment && !s.blobs[name] && len(now) == len(s.whole[name]): // it holds the layout's own files alone
		if refused != nil || broken != nil {
			t.Errorf("not needed for reading, and yet: %v, %v", refused, broken)
		}
	case segment && len(now) == len(s.whole[name]):
		if refused != nil || !errors.As(broken, &damage) || damage.Faults[0].File != name {
			t.Errorf("Open: %v, then reading: %v", refused, broken)
		}
	default:
		if !errors.As(refused, &damage) || !slices.ContainsFunc(damage.Faults, func(f Fault) bool { return f.File == name }) {
			t.Errorf("Open does not refuse because of it: %v", refused)
		}
	}
}

func TestSwappedSegments(t *testing.T) {
	s := newSealed(t, false)
	segs := segmentFiles(t, s.drive)
	a, b := segs[0], segs[1]
	s.put(t, a, s.whole[b])
	s.put(t, b, s.whole[a])
	if got := s.blamed(t); !slices.Equal(got, []string{a, b}) {
		t.Errorf("Verify names %v, want %s and %s", got, a, b)
	}
	if refused, broken := s.readAll(t); refused == nil && broken == nil {
		t.Error("swapped segments can be read")
	}
}

// TestOtherFiles adds files: those of the bundle's grammar are damage, all
// others are not the bundle's business, and what a crash leaves is reported.
func TestOtherFiles(t *testing.T) {
	s := newSealed(t, false)
	body := []byte("something")
	for name, c := range map[string]struct{ fault, leftover string }{
		"s-77-00001.age":      {fault: "s-77-00001.age"},
		"s-00-99999.age":      {fault: "s-00-99999.age"},
		"key-9.age":           {fault: "key-9.age"},
		"copy/key-9.age":      {fault: "copy/key-9.age"},
		"copy/s-00-00001.age": {fault: "copy/s-00-00001.age"},
		"copy/x":              {},
		"System Volume Information/IndexerVolume": {},
		"lost+found/#1":      {},
		"holiday.jpg":        {},
		"s-00-00000.age":     {},
		"s-0-1.age":          {},
		"S-00-00001.AGE":     {},
		"index.age.tmp":      {leftover: "index.age.tmp"},
		"s-00-00001.age.tmp": {leftover: "s-00-00001.age.tmp"},
		"other.tmp":          {},
		"sub/s-00-00001.age": {},
	} {
		t.Run(name, func(t *testing.T) {
			defer s.restore(t)
			s.put(t, name, body)
			r, err := Verify(t.Context(), []string{s.drive}, VerifyOptions{})
			var damage *DamageError
			if errors.As(err, &damage) != (c.fault != "") || !errors.As(err, &damage) && err != nil {
				t.Fatalf("Verify: %v", err)
			}
			if c.fault != "" && (len(r.Faults) != 1 || r.Faults[0].File != c.fault) {
				t.Errorf("faults %v", r.Faults)
			}
			if got := strings.Join(r.Leftovers, " "); got != c.leftover {
				t.Errorf("leftovers %q, want %q", got, c.leftover)
			}
		})
	}
}

// TestLinks puts links where files belong, each to the file's own bytes elsewhere.
func TestLinks(t *testing.T) {
	s := newSealed(t, false)
	for name := range s.victims(t) {
		t.Run(name, func(t *testing.T) {
			defer s.restore(t)
			away := filepath.Join(t.TempDir(), "elsewhere")
			path := filepath.Join(s.drive, name)
			if err := errors.Join(os.Rename(path, away), os.Symlink(away, path)); err != nil {
				t.Fatal(err)
			}
			if got := s.blamed(t); !slices.Equal(got, []string{name}) {
				t.Errorf("Verify names %v", got)
			}
			refused, broken := s.readAll(t)
			derived := name == seal.ReadmeName || name == seal.SumsName || strings.HasPrefix(name, seal.CopyDir+"/")
			if refused == nil && !derived || broken != nil {
				t.Errorf("Open: %v, reading: %v", refused, broken)
			}
		})
	}
}
