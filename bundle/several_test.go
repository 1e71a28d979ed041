package bundle

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/index"
	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/keys"
	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
)

// several is a sealed bundle on three drives: a drive each for the two lanes of its blobs, and
// the last one for the closing lane.
type several struct {
	*fixture
	dirs   []string // of the drives, by number
	finger Fingerprint
	id     string
}

// newSeveral makes the bundle of one drive anew on three, signed by these.
func newSeveral(t testing.TB, postQuantum bool, signers ...*Signer) *several {
	t.Helper()
	f := newSmall(t, postQuantum)
	f.pack(t)
	st, err := journal.Peek(f.journal(t))
	if err != nil {
		t.Fatal(err)
	}
	s := &several{fixture: f, id: st.Begin.Bundle}
	where := sealing{begin: st.Begin, signers: signers, version: "1.2.3"}
	root := t.TempDir()
	var sums []seal.DriveSum
	for n := range 3 {
		dir := filepath.Join(root, "drive-0"+string(rune('1'+n)))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		s.dirs = append(s.dirs, dir)
		sums = append(sums, s.makeDrive(t, where, st, n, sums))
	}
	return s
}

// makeDrive makes the drive of a lane, and gives what the seal says of it.
func (s *several) makeDrive(t testing.TB, by sealing, st *journal.State, lane int, sums []seal.DriveSum) seal.DriveSum {
	t.Helper()
	ctx := context.Background()
	drive := seal.Drive{Bundle: s.id, Drive: lane + 1, Label: seal.Label(s.id, lane+1), Of: 3, Readme: seal.ReadmeDrives, Complete: true}
	d, err := media.OpenDir(s.dirs[lane])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	for _, seg := range st.Segments[lane] {
		body, err := os.ReadFile(filepath.Join(s.drive, segmentName(seg, false)))
		if err != nil {
			t.Fatal(err)
		}
		drive.Files = append(drive.Files, seal.FileOf(segmentName(seg, false), body))
		if err := os.WriteFile(filepath.Join(d.Path(), segmentName(seg, false)), body, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	driveBody := must(drive.Marshal())(t)
	sigs := must(signSeal(ctx, seal.DriveName, driveBody, by.signers))(t)
	sum := seal.DriveSum{Drive: lane + 1, SHA256: seal.Sum(driveBody), Signatures: listFiles(sigs)}
	all := smallFiles{
		bundle: s.id, text: seal.ReadmeDrives, drive: lane + 1, of: 3, segments: drive.Files, keys: by.begin.KeyFiles, packedBy: by.version,
		sealed: []seal.File{seal.FileOf(seal.DriveName, driveBody)},
	}
	all.postQuantum = strings.HasPrefix(by.begin.Key, "age1pq1")
	small := maps.Clone(by.begin.KeyFiles)
	maps.Copy(small, sigs)
	small[seal.DriveName] = driveBody
	if lane < 2 {
		all.driveSum, all.signatures = sum.SHA256, sigs
	} else {
		idx := s.index(t, by, st)
		b := seal.Bundle{
			Bundle: s.id, Created: by.begin.Created, Sequence: 1, Index: seal.FileOf(seal.IndexName, idx), Readme: seal.ReadmeDrives,
			Drives: append(sums, sum), Needs: seal.Uses(by.version, s.needs(by)...),
		}
		body := must(b.Marshal())(t)
		s.finger = Fingerprint(seal.Sum(body))
		all.finger, all.signatures = s.finger, must(signSeal(ctx, seal.BundleName, body, by.signers))(t)
		all.sealed = append(all.sealed, listFiles(sigs)...)
		all.sealed = append(all.sealed, seal.FileOf(seal.BundleName, body), seal.FileOf(seal.IndexName, idx))
		small[seal.BundleName], small[seal.IndexName] = body, idx
		maps.Copy(small, all.signatures)
	}
	derived := must(all.derive())(t)
	small[seal.ExtrasName] = derived.extras
	write(t, d.Path(), small)
	write(t, filepath.Join(d.Path(), seal.CopyDir), small)
	write(t, d.Path(), map[string][]byte{seal.ReadmeName: derived.readme, seal.SumsName: derived.sums})
	return sum
}

func (s *several) needs(by sealing) []string {
	if len(by.signers) > 0 {
		return []string{seal.Drives, seal.Signatures}
	}
	return []string{seal.Drives}
}

func (s *several) index(t testing.TB, by sealing, st *journal.State) []byte {
	t.Helper()
	var file bytes.Buffer
	enc := must(keys.Encrypt(&file, by.begin.Key))(t)
	idx := must(index.NewWriter(enc, index.Header{Bundle: s.id, Created: by.begin.Created, Needs: seal.Uses(by.version, s.needs(by)...)}))(t)
	segs := slices.Concat(st.Segments[0], st.Segments[1], st.Segments[2])
	for _, seg := range segs {
		err := idx.Segment(index.Segment{Name: segmentName(seg, false), Drive: seg.Lane + 1, Size: seg.Size, SHA256: seg.SHA256, Tar: seg.Tar})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range blobs(segs) {
		if err := idx.Blob(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(writeInventory(idx, s.inv), idx.Close(), enc.Close()); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// copies gives the drives' directories anew, to be changed.
func (s *several) copies(t testing.TB) []string {
	t.Helper()
	root := t.TempDir()
	var dirs []string
	for _, d := range s.dirs {
		to := filepath.Join(root, filepath.Base(d))
		write(t, to, files(t, d))
		dirs = append(dirs, to)
	}
	return dirs
}

// links is copies for files that are replaced, and not written to.
func (s *several) links(t testing.TB) []string {
	t.Helper()
	root := t.TempDir()
	var dirs []string
	for _, d := range s.dirs {
		to := filepath.Join(root, filepath.Base(d))
		for name := range files(t, d) {
			if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755), os.Link(filepath.Join(d, name), filepath.Join(to, name))); err != nil {
				t.Fatal(err)
			}
		}
		dirs = append(dirs, to)
	}
	return dirs
}

// TestVerifyDrives verifies the drives of a bundle together and each alone, and with one lost.
func TestVerifyDrives(t *testing.T) {
	t.Parallel()
	signer := newSigner(t, 1)
	s := newSeveral(t, false, signer.Signer)
	d := s.dirs
	root := filepath.Dir(d[0])
	for name, tt := range map[string]struct {
		dirs []string
		away []int
		ok   bool
	}{
		"all":                  {d, nil, true},
		"in another order":     {[]string{d[2], d[0], d[1]}, nil, true},
		"the directory of all": {[]string{root}, nil, true},
		"one twice":            {[]string{d[0], root}, nil, true},
		"the first":            {d[:1], []int{2, 3}, true},
		"the second":           {d[1:2], []int{1, 3}, true},
		"the last":             {d[2:], []int{1, 2}, true},
		"the middle lost":      {[]string{d[0], d[2]}, []int{2}, false},
		"the last lost":        {d[:2], []int{3}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := Verify(t.Context(), tt.dirs, VerifyOptions{})
			if r == nil || len(r.Faults) > 0 || r.Bundle != s.id {
				t.Fatalf("%+v, %v", r, err)
			}
			var away []int
			for _, a := range r.Away {
				away = append(away, a.Number)
			}
			if !slices.Equal(away, tt.away) || len(r.Away)+len(r.Drives) != 3 {
				t.Errorf("away %v, want %v; drives %v", away, tt.away, r.Drives)
			}
			var lost *AwayError
			if tt.ok && err != nil || !tt.ok && (!errors.As(err, &lost) || !strings.Contains(err.Error(), seal.Label(s.id, tt.away[0]))) {
				t.Errorf("%v", err)
			}
			size, err := SealedSize(tt.dirs, Wanted{})
			if err != nil || size == 0 || size > r.Bytes {
				t.Errorf("%d of %d bytes, %v", size, r.Bytes, err)
			}
		})
	}
	if err := CheckSizes(t.Context(), d, Wanted{Expect: s.finger}); err != nil {
		t.Error(err)
	}
	trust := trustIn(t, 1, "alice "+signer.public)
	if r, err := Verify(t.Context(), d, VerifyOptions{Expect: s.finger, Trust: trust}); err != nil || len(r.Signed) != 1 || r.Fingerprint != s.finger {
		t.Errorf("%+v, %v", r, err)
	}
	var lost *AwayError
	if _, err := Verify(t.Context(), d[:1], VerifyOptions{Expect: s.finger}); !errors.As(err, &lost) || lost.Drives[0].Number != 3 {
		t.Errorf("without the seal: %v", err)
	}
}

// TestTrustEarlierDrive checks who has signed a drive that is here without the last one.
func TestTrustEarlierDrive(t *testing.T) {
	t.Parallel()
	signer, other := newSigner(t, 1), newSigner(t, 2)
	s := newSeveral(t, false, signer.Signer)
	alice := "alice " + signer.public
	if r, err := Verify(t.Context(), s.dirs[:2], VerifyOptions{Trust: trustIn(t, 1, alice)}); err == nil || len(r.Signed) != 1 || r.Signed[0].Principals != "alice" {
		t.Errorf("two drives: %+v, %v", r, err)
	}
	if r, err := Verify(t.Context(), s.dirs[:1], VerifyOptions{Trust: trustIn(t, 1, alice)}); err != nil || len(r.Signed) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	copies := s.copies(t)
	if err := os.Remove(filepath.Join(copies[0], seal.DriveName+".sig")); err != nil {
		t.Fatal(err)
	}
	var damage *DamageError
	if _, err := Verify(t.Context(), copies[:1], VerifyOptions{Trust: trustIn(t, 1, alice)}); !errors.As(err, &damage) {
		t.Errorf("the signature is left in copy/ alone: %v", err)
	}
	for name, trust := range map[string]*Trust{
		"somebody else":      trustIn(t, 1, "bob "+other.public),
		"of bundles alone":   trustIn(t, 1, `alice namespaces="satchel-bundle" `+signer.public),
		"for a time alone":   trustIn(t, 1, `alice valid-before="20991231" `+signer.public),
		"two are asked for":  trustIn(t, 2, alice, "bob "+other.public),
		"since a time alone": trustIn(t, 1, `alice valid-after="20010101" `+signer.public),
	} {
		var refused *TrustError
		if _, err := Verify(t.Context(), s.dirs[:1], VerifyOptions{Trust: trust}); !errors.As(err, &refused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDamagedDrive damages each file of each drive: it is named, with its drive, with all drives
// here and with that one alone.
func TestDamagedDrive(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false, newSigner(t, 1).Signer)
	for n, dir := range s.dirs {
		for name, body := range files(t, dir) {
			t.Run(filepath.Base(dir)+"/"+name, func(t *testing.T) {
				t.Parallel()
				for what, change := range map[string]func(string) error{
					"deleted": os.Remove,
					"cut":     func(p string) error { return errors.Join(os.Remove(p), os.WriteFile(p, body[:len(body)/2], 0o644)) },
				} {
					dirs := s.links(t)
					if err := change(filepath.Join(dirs[n], name)); err != nil {
						t.Fatal(err)
					}
					for _, in := range [][]string{dirs, dirs[n : n+1]} {
						if len(in) > 1 == (what == "cut") && !soak() {
							continue
						}
						r, err := Verify(t.Context(), in, VerifyOptions{})
						var damage *DamageError
						if name == seal.BundleName && what == "deleted" && len(in) == 1 && errors.As(err, new(*DamageError)) {
							continue
						}
						if !errors.As(err, &damage) || damage.Dir != dirs[n] || !slices.ContainsFunc(damage.Faults, func(f Fault) bool { return f.File == name }) {
							t.Fatalf("%s, %d directories: %v", what, len(in), err)
						}
						if len(in) == 1 {
							continue
						}
						for _, d := range r.Drives {
							if (d.Err != nil) != (d.Number == n+1) {
								t.Errorf("%s: drive %d: %v", what, d.Number, d.Err)
							}
						}
						if len(r.Drives) != 3 || len(r.Away) > 0 {
							t.Errorf("%s: drives %+v, away %v", what, r.Drives, r.Away)
						}
					}
				}
			})
		}
	}
}

// TestUnnamedDrive destroys drive.json of drives and its second copy: the others are looked at all the same.
func TestUnnamedDrive(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false)
	dirs := s.links(t)
	destroy := func(dir string) {
		t.Helper()
		for _, name := range []string{seal.DriveName, filepath.Join(seal.CopyDir, seal.DriveName)} {
			name = filepath.Join(dir, name)
			if err := errors.Join(os.Remove(name), os.WriteFile(name, []byte("nothing"), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for n, want := range []struct{ numbers, away, lost []int }{{[]int{1, 2, 3}, nil, []int{1}}, {[]int{0, 0, 3}, []int{1, 2}, []int{1, 2}}} {
		destroy(dirs[n])
		var damage *DamageError
		r, err := Verify(t.Context(), dirs, VerifyOptions{Expect: s.finger})
		if !errors.As(err, &damage) || damage.Dir != dirs[0] || errors.As(err, new(*AwayError)) {
			t.Fatalf("%d destroyed: %v", n+1, err)
		}
		var numbers, away []int
		for _, d := range r.Drives {
			if numbers = append(numbers, d.Number); (d.Err != nil) != (slices.Index(dirs, d.Dir) <= n) {
				t.Errorf("%d destroyed: %s: %v", n+1, d.Dir, d.Err)
			}
		}
		for _, d := range r.Away {
			away = append(away, d.Number)
		}
		if !slices.Equal(numbers, want.numbers) || !slices.Equal(away, want.away) || !slices.Equal(LostOf(r).Drives, want.lost) {
			t.Errorf("%d destroyed: drives %v, away %v, %+v", n+1, numbers, away, LostOf(r))
		}
	}
}

// TestOtherDrives puts drives together that are not of one bundle.
func TestOtherDrives(t *testing.T) {
	t.Parallel()
	a, b := newSeveral(t, false), newSeveral(t, false)
	var refused *RefusedError
	if _, err := Verify(t.Context(), []string{a.dirs[0], b.dirs[1]}, VerifyOptions{}); !errors.As(err, &refused) || !strings.Contains(err.Error(), b.id) {
		t.Errorf("two bundles: %v", err)
	}
	if _, err := Verify(t.Context(), []string{a.dirs[0], a.copies(t)[0]}, VerifyOptions{}); !errors.As(err, &refused) {
		t.Errorf("one drive twice: %v", err)
	}
	r, err := Open(t.Context(), a.dirs[2:], Wanted{}, a.identity)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	var other *ForeignDriveError
	if _, err := r.Attach(t.Context(), b.dirs[0]); !errors.As(err, &other) || !strings.Contains(err.Error(), "drive 1 of 3") {
		t.Errorf("a drive of another bundle: %v", err)
	}
	var damage *DamageError
	dirs := a.copies(t)
	write(t, dirs[0], map[string][]byte{seal.ExtrasName: flipped(files(t, dirs[0])[seal.ExtrasName], 100)})
	if _, err := r.Attach(t.Context(), dirs[0]); !errors.As(err, &damage) {
		t.Errorf("a damaged drive: %v", err)
	}
	var none *NoBundleError
	if _, err := r.Attach(t.Context(), filepath.Join(dirs[0], "none")); !errors.As(err, &none) {
		t.Errorf("no directory: %v", err)
	}
	if taken, err := r.Attach(t.Context(), filepath.Dir(a.dirs[0])); err != nil || len(taken) != 3 {
		t.Errorf("all at once: %v, %v", taken, err)
	}
}

// TestOpenDrives reads all blobs with all drives here, and with one that comes later.
func TestOpenDrives(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, true)
	var lost *AwayError
	if _, err := Open(t.Context(), s.dirs[:2], Wanted{}, s.identity); !errors.As(err, &lost) || lost.Drives[0].Number != 3 {
		t.Fatalf("without the last drive: %v", err)
	}
	r, err := Open(t.Context(), s.dirs[2:], Wanted{Expect: s.finger}, s.identity)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	all := append(slices.Clone(s.graph.Blobs), s.graph.Manifests...)
	if err := r.KeepClosing(t.Context(), t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if err := r.Detach(DriveLabel{r.ID(), 3, 3}); err != nil {
		t.Fatal(err)
	}
	for _, in := range [][]int{nil, {2}, {1}, {1, 2}, {2, 1}, {1, 2}} {
		for _, n := range in {
			if taken, err := r.Attach(t.Context(), s.dirs[n-1]); err != nil || len(taken) != 1 || taken[0].Number != n {
				t.Fatalf("attach %d: %v, %v", n, taken, err)
			}
		}
		for _, node := range all {
			drive := r.DriveOf(node.Descriptor).Number
			err := readAll(r, node.Descriptor)
			if here := drive == 3 || slices.Contains(in, drive); here != (err == nil) || err != nil && (!errors.As(err, &lost) || lost.Drives[0].Number != drive) {
				t.Fatalf("with %v, a blob on drive %d: %v", in, drive, err)
			}
		}
		for _, n := range in {
			if err := r.Detach(DriveLabel{r.ID(), n, 3}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestSweepKept: copies of segments that a killed run has left are removed by the next one; those of a run that
// goes on stay.
func TestSweepKept(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false)
	tmp := t.TempDir()
	left := filepath.Join(tmp, keptDir+"123")
	write(t, left, map[string][]byte{"s-00-00001.age": []byte("x")})
	other := filepath.Join(tmp, "satchel-other")
	write(t, other, map[string][]byte{"x": nil})
	var readers []*Reader
	for range 2 {
		r, err := Open(t.Context(), s.dirs[2:], Wanted{}, s.identity)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.KeepClosing(t.Context(), tmp); err != nil {
			t.Fatal(err)
		}
		readers = append(readers, r)
	}
	there := func() (n int) {
		list, err := filepath.Glob(filepath.Join(tmp, keptDir+"*", "s-*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	if _, err := os.Stat(left); err == nil || there() != 2 {
		t.Errorf("%v; %d copies are there", err, there())
	}
	for _, r := range readers {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(other); err != nil || there() != 0 {
		t.Errorf("%v; %d copies are left", err, there())
	}
}

func readAll(src oci.Source, d oci.Descriptor) error {
	rc, err := oci.Verified(src).Open(context.Background(), d, 0)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, rc)
	return errors.Join(err, rc.Close())
}
