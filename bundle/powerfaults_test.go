package bundle

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/satchel-airgap/satchel/oci/powertest"
)

// TestPackFaults has the disk of drive and journal fail at many operations, in each way: pack ends with an error
// that names the fault, or gets over it, and once the disk works the same command completes the bundle.
func TestPackFaults(t *testing.T) {
	t.Parallel()
	f := newTiny(t)
	d := powertest.Mount(t, "drive", "state")
	each := 2
	if soak() {
		each = 100
	}
	stopped := 0
	for _, c := range []struct {
		op    string // "" for each that changes something
		errno syscall.Errno
		once  bool // later ones succeed: an error of fsync is reported a single time
	}{
		{"write", syscall.ENOSPC, false}, {"", syscall.EROFS, false}, {"", syscall.ENODEV, false}, {"", syscall.ENOTCONN, true},
		{"write", syscall.EIO, true}, {"fsync", syscall.EIO, true}, {"fsync", syscall.EIO, false}, {"close", syscall.EIO, true},
		{"read", syscall.EIO, true}, {"write", powertest.Short, false},
	} {
		for i := range each {
			at := func(name string) string { return d.Path(name) }
			empty(t, at("drive"), at("state"))
			hit, from := 0, 1+i*60/each
			d.Fail(func(op, _ string, _ int) syscall.Errno {
				if c.op != "" && op != c.op || c.op == "" && (op == "read" || op == "close") {
					return 0
				}
				if hit++; hit < from || c.once && hit > from {
					return 0
				}
				return c.errno
			})
			what := fmt.Sprintf("%s from %d on: %v (once: %t)", c.op, from, c.errno, c.once)
			if c.errno == powertest.Short {
				what = "short writes"
			}
			err := f.on(at).packInChunks(t)
			d.Fail(nil)
			if err != nil && (c.errno == powertest.Short || !errors.Is(err, c.errno)) {
				t.Errorf("%s: %v", what, err)
			}
			if err != nil {
				stopped++
				if err := f.on(at).packInChunks(t); err != nil {
					t.Fatalf("%s, and again: %v", what, err)
				}
			}
			f.on(at).check(t)
		}
	}
	if stopped < 4*each {
		t.Errorf("only %d runs were stopped", stopped)
	}
}

// empty removes what is in directories.
func empty(t *testing.T, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		list, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if err := os.RemoveAll(dir + "/" + e.Name()); err != nil {
				t.Fatal(err)
			}
		}
	}
}
