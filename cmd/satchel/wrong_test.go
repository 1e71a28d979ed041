package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestWrongAtTheEnd packs from a registry that serves a layer which is wrong
// after hundreds of good megabytes.
func TestWrongAtTheEnd(t *testing.T) {
	c := ocitest.New(61)
	bad, good := c.Layer(300<<20, ocitest.LayerGzip), c.Layer(6<<20, ocitest.LayerGzip)
	s := newShelf(c)
	host := s.listen(t)
	images := map[string]oci.Descriptor{"team/big:v1": c.Image(false, bad), "team/good:v1": c.Image(false, good, c.Layer(10<<10, ocitest.LayerGzip))}
	w := newWorld(t)
	var refs []string
	for ref, root := range images {
		s.tag(ref, root)
		refs = append(refs, host+"/"+ref)
	}
	w.images(refs...)
	s.lie(bad.Digest, flipFrom(bad.Size-1000))
	pack := w.pack("--segment-size", "32MiB")

	r := w.run(pack...).want(exitFailed)
	r.says("image "+host+"/team/big:v1: ", bad.Digest.String(), "hint: ")
	if got := listing(t, w.drive); exists(filepath.Join(w.drive, "bundle.json")) || strings.Contains(fmt.Sprint(got), "index.age") {
		t.Errorf("something was sealed: %v", got)
	}
	w.run("verify", w.drive).want(exitDamaged).says("unfinished")
	if n := segmentBytes(t, w.drive); n > good.Size+1<<20 {
		t.Errorf("%d bytes of segments remain, the good blobs have %d", n, good.Size)
	}
	s.lie(bad.Digest, nil)
	r = w.run(pack...).want(exitOK).says("resuming")
	w.run("verify", "--expect", strings.TrimSpace(r.stdout), w.drive).want(exitOK)
	mirror := newMirror(t)
	w.run(w.unpack(mirror)...).want(exitOK)
	compareAll(t, c, images, mirror)
}

// TestWrongAfterKill cuts the wrong layer first, so that most of it is durable
// when the lie comes out.
func TestWrongAfterKill(t *testing.T) {
	c := ocitest.New(62)
	bad := c.Layer(40<<20, ocitest.LayerGzip)
	s := newShelf(c)
	host := s.listen(t)
	s.tag("team/big:v1", c.Image(false, bad))
	w := newWorld(t)
	w.images(host + "/team/big:v1")
	s.lie(bad.Digest, flipFrom(bad.Size-1000))
	pack := w.pack("--segment-size", "4MiB")
	p := w.start(pack...)
	for len(segmentsOf(t, w.drive)) < 5 && time.Since(p.began) < 20*time.Second {
		time.Sleep(time.Millisecond)
	}
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.wait()
	if n := len(segmentsOf(t, w.drive)); n < 5 {
		t.Fatalf("%d segments are durable", n)
	}
	w.run(pack...).want(exitFailed).says(bad.Digest.String())
	if n := segmentBytes(t, w.drive); n > 1<<20 {
		t.Errorf("%d bytes of segments remain", n)
	}
	s.lie(bad.Digest, nil)
	w.run(pack...).want(exitOK)
	w.run("verify", w.drive).want(exitOK)
}

// segmentBytes is what all files of segments have, unfinished ones too.
func segmentBytes(t testing.TB, dir string) (n int64) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "s-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		n += info.Size()
	}
	return n
}
