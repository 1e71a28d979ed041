package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestKillAcross kills pack where parity goes across drives: while it writes a drive, between the seal and parity, and
// while parity is named. The same command ends with a bundle of which one whole drive may be lost.
func TestKillAcross(t *testing.T) {
	t.Parallel()
	c := ocitest.New(143)
	s := newShelf(c)
	host := s.listen(t)
	s.tag("team/app:v1", c.Image(false, c.Layer(2200<<10, ocitest.LayerGzip), c.Layer(2000<<10, ocitest.LayerGzip)))
	w := newWorld(t)
	w.images(host + "/team/app:v1")
	rounds := 1
	if os.Getenv("SATCHEL_SOAK") != "" {
		rounds = 50
	}
	killed := 0
	for round := range rounds {
		w.drive = filepath.Join(w.dir, fmt.Sprint("staging", round))
		args := w.pack("--segment-size", "1MiB", "--lanes", "1", "--drive-size", "7MiB", "--cluster-size", "4KiB", "--parity", "2/2")
		for _, file := range []string{"drive-02/s-01-00001.age", "drive-02/bundle.json", "drive-01/parity.json"} {
			if w.killAt(filepath.Join(w.drive, file), args...) {
				killed++
			}
		}
		w.run(args...).want(exitOK).says("each of these directories is that of one drive")
		w.run("verify", w.drive).want(exitOK).prints("one whole drive of 2")
		if err := os.RemoveAll(filepath.Join(w.drive, "drive-01")); err != nil {
			t.Fatal(err)
		}
		w.run("repair", "--to", filepath.Join(w.dir, fmt.Sprint("new", round)), w.drive).want(exitOK)
	}
	if killed == 0 {
		t.Error("never killed")
	}
	t.Log("killed", killed)
}
