package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/keystest"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestDrivesOnTerminal unpacks a bundle on three drives from one slot: each is asked for by its
// label, a wrong one is refused and asked for again, and without a terminal the run ends.
func TestDrivesOnTerminal(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	registry, c, list := newSource(t), ocitest.New(5), ""
	for i := range 3 {
		root := c.Image(false, c.Layer((4500+10*i)<<10, ocitest.LayerGzip))
		if err := ocitest.Push(context.Background(), c, root, "http://"+registry, fmt.Sprint("app", i), "1"); err != nil {
			t.Fatal(err)
		}
		list += fmt.Sprintf("    - name: %s/app%d:1\n", registry, i)
	}
	b.config = keystest.Write(t, "kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\nmirror:\n  additionalImages:\n"+list)
	passphrase, staging, slot := keystest.Write(t, "correct horse battery staple\n"), filepath.Join(b.dir, "staging"), filepath.Join(b.dir, "slot")
	if err := os.Mkdir(staging, 0o755); err != nil {
		t.Fatal(err)
	}
	if code, said := b.run("pack", "-c", b.config, "--passphrase-file", passphrase, "--tls-verify=false", "--segment-size", "1MiB", "--drive-size", "8MiB", staging); code != exitOK {
		t.Fatal(said)
	}
	put := func(n int) {
		_ = os.Remove(slot)
		if err := os.Symlink(filepath.Join(staging, fmt.Sprintf("drive-%02d", n)), slot); err != nil {
			t.Error(err)
		}
	}
	args := []string{"unpack", "--passphrase-file", passphrase, "--to", newSource(t) + "/in", "--tls-verify=false", slot}
	put(3)
	code, said := b.run(args...)
	if code != exitDrive || !strings.Contains(said, "drive 1 of 3 (") || !strings.Contains(said, "-2)") {
		t.Fatalf("without a terminal: exit %d: %s", code, said)
	}
	if code, said := b.typed([]string{"q\n"}, args...); code != exitInterrupted || !strings.Contains(said, "everything so far is saved") {
		t.Errorf("q at the question for a drive: exit %d: %s", code, said)
	}
	put(1)
	order := []int{3, 3, 2, 2, 1}
	code, said = b.typedAfter(func(n int) { put(order[n]) }, []string{"\n", "\n", "\n", "\n", "\n"}, args...)
	if code != exitOK || !strings.Contains(said, "may leave") || !strings.Contains(said, "which is not needed now") {
		t.Errorf("exit %d: %s", code, said)
	}
	if code, said := b.run(args...); code != exitDrive { // drive 1 is in the slot, and the last one comes first
		t.Errorf("exit %d: %s", code, said)
	}
	put(3)
	if code, said := b.run(args...); code != exitOK {
		t.Errorf("the mirror has all: exit %d: %s", code, said)
	}
}
