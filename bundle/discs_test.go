package bundle

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/satchel-airgap/satchel/oci/proctest"
)

// ways are those in which the image of a disc is made: with Joliet, Rock Ridge, UDF.
func ways() map[string][]string {
	return map[string][]string{
		"xorriso, Joliet":           {"xorriso", "-as", "mkisofs", "-quiet", "-J", "-V"},
		"xorriso, level 3":          {"xorriso", "-as", "mkisofs", "-quiet", "-iso-level", "3", "-J", "-R", "-V"},
		"genisoimage, Joliet":       {"genisoimage", "-quiet", "-J", "-V"},
		"genisoimage, Joliet & UDF": {"genisoimage", "-quiet", "-J", "-r", "-udf", "-V"},
	}
}

// burn makes the image of a disc that has a directory's files, by one of [ways].
func burn(t *testing.T, how []string, label, dir string) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "disc.iso")
	args := append(append([]string{}, how[1:]...), label, "-o", image, dir)
	if out, err := proctest.Command(t, need(t, how[0]), args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", how, err, out)
	}
	return image
}

// readDisc gives the files of a disc's image as a system shows them.
func readDisc(t *testing.T, image string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := proctest.Command(t, need(t, "bsdtar"), "-x", "-f", image, "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("bsdtar: %v\n%s", err, out)
	}
	return dir
}

// TestDiscs: a directory that is burned as it is verifies and opens from the disc, each name as it
// was; no other program is needed to read it.
func TestDiscs(t *testing.T) {
	t.Parallel()
	f := newSmall(t, false)
	f.pack(t)
	whole := files(t, f.drive)
	for name, how := range ways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disc := readDisc(t, burn(t, how, "K3V6Q2MZ-1", f.drive))
			same(t, disc, whole)
			c := *f
			c.drive = disc
			c.check(t)
		})
	}
}

// TestBareDisc: without Joliet and Rock Ridge the names of seals are cut short, which is said; a
// longer form of ISO 9660 keeps enough of them.
func TestBareDisc(t *testing.T) {
	t.Parallel()
	f := newSmall(t, false)
	f.pack(t)
	bare := readDisc(t, burn(t, []string{"genisoimage", "-quiet", "-V"}, "BARE", f.drive))
	if _, err := Open(t.Context(), []string{bare}, Wanted{}, f.identity); err == nil {
		t.Error("a disc with names of 8 and 3 letters opens")
	}
	long := readDisc(t, burn(t, []string{"genisoimage", "-quiet", "-l", "-V"}, "LONG", f.drive))
	r, err := Open(t.Context(), []string{long}, Wanted{}, f.identity)
	if err != nil {
		t.Fatal(err)
	}
	if err := readEvery(f, r); err != nil {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// TestDiscSet: a bundle on several discs, with one lane each, is read from them in any order.
func TestDiscSet(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		plain bool
		how   string
	}{
		"encrypted": {false, "xorriso, Joliet"},
		"plain":     {true, "genisoimage, Joliet & UDF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, 5<<20)
			if s.job.Lanes, s.job.Plain = 1, c.plain; c.plain {
				s.job.Recipients, s.identity = nil, nil
			}
			n := len(s.spread(t).Drives)
			w := s.open(t, s.places[:n])
			for k := range n {
				if err := s.fillDrive(t.Context(), t, w, k+1); err != nil {
					t.Fatal(err)
				}
			}
			fp := s.end(t, w)
			s.sealed(t, fp, n)
			var discs []string
			for k := n - 1; k >= 0; k-- { // the last one is burned first
				disc := readDisc(t, burn(t, ways()[c.how], "DISC", s.places[k]))
				same(t, disc, files(t, s.places[k]))
				discs = append(discs, disc)
			}
			for range 2 {
				report, err := Verify(t.Context(), discs, VerifyOptions{Expect: fp})
				if err != nil || report.Plain != c.plain {
					t.Fatalf("Verify: %+v, %v", report, err)
				}
				r, err := Open(t.Context(), discs, Wanted{Expect: fp, Plain: c.plain}, s.identity)
				if err != nil {
					t.Fatal(err)
				}
				if err := errors.Join(readEvery(s.fixture, r), r.Close()); err != nil {
					t.Error(err)
				}
				slices.Reverse(discs)
			}
			if report, err := Verify(t.Context(), discs[:1], VerifyOptions{}); err != nil || report.Plain != c.plain {
				t.Errorf("a disc alone: %+v, %v", report, err)
			}
		})
	}
}
