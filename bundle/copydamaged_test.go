package bundle

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// TestCopyMends: small files that are damaged come right in the copy, and what is too much stays
// behind. All of it is named.
func TestCopyMends(t *testing.T) {
	t.Parallel()
	f := newSmall(t, false)
	fp := f.pack(t)
	all := files(t, f.drive)
	in := func(name string) string { return seal.CopyDir + "/" + name }
	flip := func(name string) []byte { return flipped(all[name], len(all[name])/2*8) }
	crlf := bytes.ReplaceAll(all[seal.BundleName], []byte("\n"), []byte("\r\n"))
	for _, c := range []struct {
		what string
		put  map[string][]byte // nil: removed
	}{
		{"README.txt is missing", map[string][]byte{seal.ReadmeName: nil}},
		{"SHA256SUMS is changed, extras.json missing", map[string][]byte{seal.SumsName: []byte("x"), seal.ExtrasName: nil}},
		{"extras.json is changed", map[string][]byte{seal.ExtrasName: flip(seal.ExtrasName)}},
		{"bundle.json is missing", map[string][]byte{seal.BundleName: nil}},
		{"bundle.json is changed", map[string][]byte{seal.BundleName: flip(seal.BundleName)}},
		{"drive.json is missing", map[string][]byte{seal.DriveName: nil, in(seal.ReadmeName): nil}},
		{"both seals are missing", map[string][]byte{seal.DriveName: nil, seal.BundleName: nil}},
		{"line ends", map[string][]byte{seal.BundleName: crlf}},
		{"index and a key file are changed", map[string][]byte{seal.IndexName: all[seal.IndexName][1:], seal.KeyName(1): flip(seal.KeyName(1))}},
		{"second copies", map[string][]byte{in(seal.BundleName): nil, in(seal.DriveName): flip(seal.DriveName), in(seal.ExtrasName): nil, in(seal.KeyName(1)): nil, in(seal.IndexName): nil}},
		{"a file too much", map[string][]byte{"s-07-00001.age": []byte("mine")}},
	} {
		broken := f.clone(t)
		for name, body := range c.put {
			if body == nil {
				_ = os.Remove(filepath.Join(broken.drive, name)) // the readme has no second copy
			} else {
				write(t, broken.drive, map[string][]byte{name: body})
			}
		}
		from, err := broken.original(t)
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		if len(from.Faults) == 0 || from.Fingerprint != fp {
			t.Errorf("%s: faults %v, fingerprint %s", c.what, from.Faults, from.Fingerprint)
		}
		if err := from.Close(); err != nil {
			t.Fatal(err)
		}
		if list, err := OpenOriginals(t.Context(), []string{broken.drive}, Wanted{Expect: fp}); err != nil || list[0].Close() != nil {
			t.Errorf("%s, and the fingerprint that is expected: %v", c.what, err)
		}
		if c.put[seal.BundleName] != nil { // its second copy is the one
			if _, err := Verify(t.Context(), []string{broken.drive}, VerifyOptions{Expect: fp}); errors.As(err, new(*FingerprintError)) || err == nil {
				t.Errorf("%s: verify finds %v", c.what, err)
			}
		}
		dir := filepath.Join(t.TempDir(), "copy")
		if err := broken.copyTo(t, dir); err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		f.whole(t, dir)
	}
}

// TestCopyRescue puts a bundle together from two damaged copies of it: each brings what it has.
func TestCopyRescue(t *testing.T) {
	t.Parallel()
	f := newSmall(t, false)
	f.pack(t)
	segs := segmentFiles(t, f.drive)
	if len(segs) < 4 {
		t.Fatalf("segments %v", segs)
	}
	all := files(t, f.drive)
	a, b := f.clone(t), f.clone(t)
	write(t, a.drive, map[string][]byte{segs[1]: all[segs[1]][:100], segs[2]: flipped(all[segs[2]], 80)})
	write(t, b.drive, map[string][]byte{segs[3]: all[segs[3]][:100]})
	if err := errors.Join(os.Remove(filepath.Join(a.drive, segs[0])), os.Remove(filepath.Join(a.drive, seal.ReadmeName))); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "copy")
	damage, ok := errors.AsType[*DamageError](a.copyTo(t, dir))
	if !ok || len(damage.Faults) != 3 || !slices.IsSortedFunc(damage.Faults, func(a, b Fault) int { return strings.Compare(a.File, b.File) }) {
		t.Fatalf("damage %+v", damage)
	}
	unfinishedIn(t, dir)
	have := files(t, dir)
	for name, body := range all {
		turned := turn(name) == turnSeals || slices.Contains(segs[:3], name)
		if !turned && !bytes.Equal(have[name], body) {
			t.Errorf("%s is whole, and was not copied", name)
		}
	}
	if err := b.copyTo(t, dir); err != nil {
		t.Fatal(err)
	}
	f.whole(t, dir)

	// The second one has lost extras.json with its copy: it brings its segments all the same.
	dir, b = filepath.Join(t.TempDir(), "copy"), f.clone(t)
	if err := errors.Join(os.Remove(filepath.Join(b.drive, seal.ExtrasName)), os.Remove(filepath.Join(b.drive, seal.CopyDir, seal.ExtrasName))); err != nil {
		t.Fatal(err)
	}
	for _, from := range []*fixture{a, b} {
		if err := from.copyTo(t, dir); !errors.As(err, new(*DamageError)) {
			t.Errorf("of a damaged copy: %v", err)
		}
	}
	unfinishedIn(t, dir)
	if err := a.copyTo(t, dir); err != nil {
		t.Error(err)
	}
	f.whole(t, dir)
}

// TestCopyLost: a key file that is lost with its second copy leaves no bundle, a parity file that
// is lost leaves one.
func TestCopyLost(t *testing.T) {
	t.Parallel()
	f := newSmall(t, false)
	f.pack(t)
	if _, err := AddParity(t.Context(), f.drive, Wanted{}, ParityRatio{Parity: 1, Data: 4}, "", nil); err != nil {
		t.Fatal(err)
	}
	lose := func(names ...string) (string, *DamageError) {
		broken, dir := f.clone(t), filepath.Join(t.TempDir(), "copy")
		for _, name := range names {
			if err := os.Remove(filepath.Join(broken.drive, name)); err != nil {
				t.Fatal(err)
			}
		}
		err := broken.copyTo(t, dir)
		damage, ok := errors.AsType[*DamageError](err)
		if !ok {
			t.Errorf("without %v: %v", names, err)
		}
		return dir, damage
	}
	dir, damage := lose("p-001-01.par")
	if damage == nil || !damage.Whole || len(damage.Faults) != 1 {
		t.Errorf("without a parity file: %+v", damage)
	}
	if r, err := Open(t.Context(), []string{dir}, Wanted{}, f.identity); err != nil || r.Close() != nil {
		t.Errorf("without a parity file: %v", err)
	}
	if err := f.copyTo(t, dir); err != nil {
		t.Error(err)
	}
	f.whole(t, dir)
	dir, damage = lose(seal.KeyName(1), seal.CopyDir+"/"+seal.KeyName(1))
	if damage == nil || damage.Whole || !slices.ContainsFunc(damage.Faults, func(f Fault) bool { return f.File == seal.KeyName(1) }) {
		t.Errorf("without the key file: %+v", damage)
	}
	unfinishedIn(t, dir)
	dir, damage = lose(seal.ExtrasName, seal.CopyDir+"/"+seal.ExtrasName)
	if damage == nil || damage.Whole {
		t.Errorf("without extras.json: %+v", damage)
	}
	unfinishedIn(t, dir)
}

// TestLinkDamaged: of what is sent in parts, all that is damaged is named, and nothing is sent; of
// what is whole files, the rest is.
func TestLinkDamaged(t *testing.T) {
	t.Parallel()
	f := newSmall(t, false)
	f.pack(t)
	segs, all := segmentFiles(t, f.drive), files(t, f.drive)
	slices.SortFunc(segs, func(a, b string) int { return len(all[b]) - len(all[a]) }) // the largest are cut
	for _, name := range segs[:2] {
		write(t, f.drive, map[string][]byte{name: flipped(all[name], len(all[name])*4)})
	}
	write(t, f.drive, map[string][]byte{segs[2]: all[segs[2]][:10]})
	from, err := f.original(t)
	if err != nil {
		t.Fatal(err)
	}
	_, err = OpenLink(t.Context(), []*Original{from}, 64<<10, func(int64) {})
	for _, name := range segs[:3] {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named: %v", name, err)
		}
	}
	l, err := OpenLink(t.Context(), []*Original{from}, MaxLinkFile, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	damage, ok := errors.AsType[*DamageError](l.Send(t.Context(), dir, l.All(), LinkOptions{}))
	if !ok || len(damage.Faults) != 3 {
		t.Errorf("sending what is damaged: %v", damage)
	}
	if sent, err := filepath.Glob(filepath.Join(dir, "*.dat")); err != nil || len(sent) != len(l.Files)-3 {
		t.Errorf("sent %d of %d, %v", len(sent), len(l.Files), err)
	}
	if err := from.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCopyLostIsKnown: what is missing with all that could stand in for it is known before anything
// is copied, and is not sent over a link either.
func TestCopyLostIsKnown(t *testing.T) {
	t.Parallel()
	f := newSmall(t, false)
	f.pack(t)
	seg, key := segmentFiles(t, f.drive)[0], seal.KeyName(1)
	for _, name := range []string{seg, key, seal.CopyDir + "/" + key} {
		if err := os.Remove(filepath.Join(f.drive, name)); err != nil {
			t.Fatal(err)
		}
	}
	from, err := f.original(t)
	if err != nil {
		t.Fatal(err)
	}
	if !from.Lost(seg) || !from.Lost(key) || from.Mends(key) {
		t.Errorf("lost: %v", from.lost)
	}
	_, err = OpenLink(t.Context(), []*Original{from}, MaxLinkFile, nil)
	damage, ok := errors.AsType[*DamageError](err)
	if !ok || !strings.Contains(damage.Error(), key) {
		t.Errorf("over a link: %v", err)
	}
	if err := from.Close(); err != nil {
		t.Fatal(err)
	}
	damage, ok = errors.AsType[*DamageError](f.copyTo(t, filepath.Join(t.TempDir(), "copy")))
	if !ok || !slices.Contains(damage.Faults, Fault{seg, "is missing"}) {
		t.Errorf("copied: %v", damage)
	}
}

// TestCopyBothDamaged: a copy that was whole, and is damaged where its original is, is not said to
// have been mended.
func TestCopyBothDamaged(t *testing.T) {
	t.Parallel()
	f := newSmall(t, false)
	f.pack(t)
	dir, segs := filepath.Join(t.TempDir(), "copy"), segmentFiles(t, f.drive)
	if err := f.copyTo(t, dir); err != nil {
		t.Fatal(err)
	}
	flip(t, filepath.Join(f.drive, segs[0]))
	for _, name := range segs[:2] {
		flip(t, filepath.Join(dir, name))
	}
	from, err := f.original(t)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = from.Close() }()
	c, err := from.CopyInto(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	damage, ok := errors.AsType[*DamageError](c.Run(t.Context(), CopyOptions{}))
	if !ok || damage.OnlyParity() || len(damage.Faults) != 1 || damage.Faults[0].File != segs[0] {
		t.Errorf("damage %v", damage)
	}
	if n, changed := c.Wrote(); n != 1 || !slices.Equal(changed, segs[1:2]) {
		t.Errorf("wrote %d files, %v", n, changed)
	}
}
