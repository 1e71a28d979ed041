package main

import (
	"path/filepath"
	"testing"

	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestCheckOtherCluster: the files of one cluster are not rehearsed as those of another, and of two readings
// of one cluster, which differ and have no dates, neither counts.
func TestCheckOtherCluster(t *testing.T) {
	t.Parallel()
	source, mirror, w := newSource(t), newMirror(t), newWorld(t)
	c := ocitest.New(92)
	root := c.Image(false, c.Layer(1<<10, ocitest.LayerGzip))
	push(t, c, root, source, "team/app", "v1")
	w.images(source + "/team/app@" + root.Digest.String())
	w.run(w.pack()...).want(exitOK)
	out := filepath.Join(w.dir, "out")
	one, two := clusterFile(t, w.dir, "one.yaml", "id-of-one", "4.16.9"), clusterFile(t, w.dir, "two.yaml", "id-of-two", "4.16.9")
	w.run(w.unpackSite(mirror+"/in", out, "--from-cluster", one)...)
	w.run("check", "--output-dir", out, "--from-cluster", two).want(exitUsage).says("id-of-one", "id-of-two")
	later := clusterFile(t, w.dir, "later.yaml", "id-of-one", "4.16.10")
	w.run("check", "--output-dir", out, "--from-cluster", one, "--from-cluster", later).want(exitUsage).says("hint: name the newer one alone")
}
