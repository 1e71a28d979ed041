package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// disc burns a directory as it is into an image, and gives a directory that has what a system shows of
// that disc: mounted, or read by bsdtar where that is not possible, and not to be written to.
func (w *world) disc(t *testing.T, from string) (dir string) {
	t.Helper()
	for _, bin := range []string{"xorriso", "bsdtar"} {
		if _, err := exec.LookPath(bin); err != nil {
			t.Skipf("%s is not installed (Debian packages xorriso, libarchive-tools)", bin)
		}
	}
	must := func(args ...string) {
		t.Helper()
		if out, err := proctest.Command(t, args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v %s", args, err, out)
		}
	}
	image := filepath.Join(t.TempDir(), "disc.iso")
	must("xorriso", "-as", "mkisofs", "-quiet", "-J", "-R", "-iso-level", "3", "-V", "DISC", "-o", image, from)
	dir = filepath.Join(w.dir, "disc-"+filepath.Base(from))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := proctest.Command(t, "mount", "-o", "loop,ro", image, dir).Run(); err == nil {
		t.Cleanup(func() { must("umount", dir) })
		return dir
	}
	must("bsdtar", "-x", "-f", image, "-C", dir)
	readOnly(t, dir)
	return dir
}

// TestDiscs packs for discs, burns the directories as they are, the last one first, and unpacks
// from the discs. One is lost: parity on the others brings it back, byte for byte.
func TestDiscs(t *testing.T) {
	t.Parallel()
	c := ocitest.New(151)
	s := newShelf(c)
	host := s.listen(t)
	w, images, refs := newWorld(t), map[string]oci.Descriptor{}, []string{}
	for i := range 4 {
		ref := fmt.Sprintf("team/app%d:v1", i)
		images[ref] = c.Image(false, c.Layer((2500+i)<<10, ocitest.LayerGzip))
		s.tag(ref, images[ref])
		refs = append(refs, host+"/"+ref)
	}
	w.images(refs...)
	staging := filepath.Join(w.dir, "staging")
	w.drive = staging
	pack := w.pack("--media", "12MiB", "--segment-size", "1MiB", "--lanes", "1", "--parity", "10/20")
	fp := strings.TrimSpace(w.run(pack...).want(exitOK).stdout)
	made, err := filepath.Glob(filepath.Join(staging, "drive-*"))
	if err != nil || len(made) < 3 {
		t.Fatalf("%v, %v", made, err)
	}
	var discs []string
	for i := range made {
		discs = append(discs, w.disc(t, made[len(made)-1-i]))
	}
	verified := w.run(append([]string{"verify", "--expect", fp}, discs...)...).want(exitOK)
	if !strings.Contains(verified.stdout, "one whole drive") {
		t.Errorf("verify does not say what the parity is for:\n%s", verified.stdout)
	}
	unpackFrom := func(dirs ...string) {
		mirror := newMirror(t)
		w.drive = dirs[0]
		w.run(w.unpack(mirror, append([]string{"--expect", fp}, dirs[1:]...)...)...).want(exitOK)
		compareAll(t, c, images, mirror)
	}
	unpackFrom(discs...)

	lost := len(made) - 2 // the second one, as discs has the last one first
	rest := append(append([]string{}, discs[:lost]...), discs[lost+1:]...)
	w.run(append([]string{"verify"}, rest...)...).want(exitDrive)
	again := filepath.Join(w.dir, "again")
	w.run(append([]string{"repair", "--to", again}, rest...)...).want(exitOK)
	alikeTrees(t, made[1], again)
	unpackFrom(append(rest, again)...)
}
