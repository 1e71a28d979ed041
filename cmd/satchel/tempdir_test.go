package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests"
)

// TestWarnOfTemp says before the work that TMPDIR is not there, and leaves nothing in one that is.
func TestWarnOfTemp(t *testing.T) {
	dir := t.TempDir()
	for tmp, warns := range map[string]bool{dir: false, filepath.Join(dir, "absent"): true} {
		t.Setenv("TMPDIR", tmp)
		var out lockedBuffer
		newApp(t, &out, logFlags{}, false).warnOfTemp()
		if got := out.String(); strings.Contains(got, "set TMPDIR") != warns || warns && !strings.Contains(got, tmp) {
			t.Errorf("%s: %q", tmp, got)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestCheckTemp: catalogs and graph data need room, other images do not.
func TestCheckTemp(t *testing.T) {
	graph, images := &manifests.Config{}, &manifests.Config{}
	graph.Mirror.Platform.Graph = true
	t.Setenv("TMPDIR", t.TempDir())
	if err := checkTemp(graph); err != nil {
		t.Errorf("with room: %v", err)
	}
	if err := error(&tempError{"/x", 1 << 20}); exitCode(err) != exitDrive || !strings.Contains(err.Error(), "/x (TMPDIR), has 1.0 MiB free, and at least 64.0 MiB") {
		t.Error(err)
	}
	small := t.TempDir()
	mount(t, "-t", "tmpfs", "-o", "size=1m", "tmpfs", small)
	t.Setenv("TMPDIR", small)
	if err := checkTemp(images); err != nil {
		t.Errorf("images alone: %v", err)
	}
	if err := checkTemp(graph); err == nil {
		t.Error("a full file system was accepted")
	}
}

// TestNoTemp: a catalog that cannot be kept while it is read is no fault of the catalog.
func TestNoTemp(t *testing.T) {
	w := newWorld(t)
	newDirSet(t, w, 1<<10, 1<<10)
	p := w.prepare("plan", "-c", w.config, "--tls-verify=false")
	absent := filepath.Join(w.dir, "absent")
	p.cmd.Env = append(p.cmd.Env, "TMPDIR="+absent)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.wait().want(exitDrive).says("keep the documents of a catalog in the directory for temporary files, "+absent, "hint: set TMPDIR to a directory that has room")
}
