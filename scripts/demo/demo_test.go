package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

func TestRegistryTakesAndCountsTheImages(t *testing.T) {
	r, err := startRegistry(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.close(); err != nil {
			t.Error(err)
		}
	}()
	c := ocitest.New(seed)
	var sent int64 // one image twice, under two names: its blobs are held by each repository
	kinds := c.Kinds()
	for _, name := range []string{"docker-list", "nested", "artifact"} {
		root := kinds[name]
		if err := ocitest.Push(t.Context(), c, root, r.url(), "a/"+name, "v1"); err != nil {
			t.Fatal(err)
		}
		if err := ocitest.Compare(t.Context(), c, root, r.url(), "a/"+name, "v1"); err != nil {
			t.Fatal(err)
		}
		_, n, err := count(t.Context(), c, []image{{root: root}})
		if err != nil {
			t.Fatal(err)
		}
		sent += n
	}
	if r.taken.total() != sent || r.served.total() != sent {
		t.Errorf("took %d and served %d blob bytes, want %d", r.taken.total(), r.served.total(), sent)
	}
}

func TestImages(t *testing.T) {
	c := ocitest.New(seed)
	images := makeImages(c)
	digests, blobs, err := count(t.Context(), c, images)
	if err != nil {
		t.Fatal(err)
	}
	if digests != len(c.All()) || blobs > c.Size() || blobs < 150*mib {
		t.Errorf("images reach %d of %d digests, %d bytes", digests, len(c.All()), blobs)
	}
	text := imageSet(images, "127.0.0.1:5000")
	for _, line := range strings.Split(strings.TrimSpace(text), "\n")[4:] {
		if _, err := oci.ParseRef(strings.TrimPrefix(line, "    - name: ")); err != nil {
			t.Error(err)
		}
	}
	if n := strings.Count(text, "@sha256:"); n != 1 {
		t.Errorf("%d images by digest, want 1", n)
	}
}

// held is the mark, 0 for none.
func (g *gate) held() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mark
}

// standIn makes a shell script that stands for satchel.
func standIn(t *testing.T, script string) (*demo, *bytes.Buffer) {
	t.Helper()
	dir, out := t.TempDir(), &bytes.Buffer{}
	if err := os.Mkdir(filepath.Join(dir, "work"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "satchel"), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return &demo{dir: dir, out: out, blobBytes: 100}, out
}

func TestKilledAtTheMark(t *testing.T) {
	d, out := standIn(t, `echo "$1 started"; exec sleep 60`)
	var g gate
	g.pass(70)
	passed := make(chan bool)
	go func() {
		for g.held() == 0 {
			time.Sleep(time.Millisecond)
		}
		g.pass(49)
		g.pass(1) // waits until the process is dead
		close(passed)
	}()
	if err := d.killed(t.Context(), &g, 50, "pack", "drive/"); err != nil {
		t.Fatal(err)
	}
	<-passed
	if g.total() != 120 || !strings.Contains(out.String(), "$ satchel pack drive/\n") {
		t.Errorf("counted %d; said %q", g.total(), out)
	}
}

func TestKilledTooLate(t *testing.T) {
	d, _ := standIn(t, "exit 0")
	if err := d.killed(t.Context(), &gate{}, 50, "pack"); err == nil || !strings.Contains(err.Error(), "ended before") {
		t.Errorf("a command that ends by itself: %v", err)
	}
}

func TestTwiceWantsResuming(t *testing.T) {
	for _, tt := range []struct {
		again int // bytes that the second run moves
		want  string
	}{{60, ""}, {100, "began again"}, {40, "fewer"}} {
		d, _ := standIn(t, `if [ -e ran ]; then until [ -e go ]; do sleep 0.01; done; else touch ran; exec sleep 60; fi`)
		var g gate
		go func() {
			for g.held() == 0 || !exists(filepath.Join(d.dir, "work", "ran")) {
				time.Sleep(time.Millisecond)
			}
			g.pass(50)
			g.pass(tt.again)
			_ = os.WriteFile(filepath.Join(d.dir, "work", "go"), nil, 0o600)
		}()
		var took time.Duration
		err := d.twice(t.Context(), "Pack", &g, &took, []string{"pack"})
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("second run moves %d bytes: %v", tt.again, err)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestIndented(t *testing.T) {
	var b bytes.Buffer
	w := &indented{w: &b, start: true}
	for _, s := range []string{"one\ntw", "o\n", "three"} {
		if n, err := w.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatal(n, err)
		}
	}
	if b.String() != "  one\n  two\n  three" {
		t.Errorf("%q", b.String())
	}
}
