package bundle

import (
	"path/filepath"
	"testing"

	"github.com/satchel-airgap/satchel/oci/proctest"
)

// discs are the ways in which docs/media.md makes the image of a disc. Each is read through the
// names that a system without Rock Ridge shows: those of Joliet.
func discs() map[string][]string {
	return map[string][]string{
		"xorriso, Joliet":           {"xorriso", "-as", "mkisofs", "-quiet", "-J", "-V"},
		"xorriso, level 3":          {"xorriso", "-as", "mkisofs", "-quiet", "-iso-level", "3", "-J", "-R", "-V"},
		"genisoimage, Joliet":       {"genisoimage", "-quiet", "-J", "-V"},
		"genisoimage, Joliet & UDF": {"genisoimage", "-quiet", "-J", "-r", "-udf", "-V"},
	}
}

// burn makes the image of a disc that has a directory's files, by one of [discs].
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
	for name, how := range discs() {
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
