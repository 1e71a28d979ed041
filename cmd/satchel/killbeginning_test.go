package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestKillBeginning kills pack at system calls between the first directory that it makes and
// the first segment, in a directory and in the root of a drive; the same command then ends
// with a whole bundle, and nothing of the killed run is left.
func TestKillBeginning(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	c := ocitest.New(94)
	s := newShelf(c)
	host := s.listen(t)
	s.tags["team/app:v1"] = c.Image(false, c.Layer(64<<10, ocitest.LayerGzip))
	calls, most := []string{"mkdirat", "renameat", "fsync"}, 2
	if os.Getenv("SATCHEL_SOAK") != "" {
		calls, most = append(calls, "unlinkat", "flock", "openat"), 12
	}
	killed := 0
	for _, call := range calls {
		for n := 1; n <= most; n++ {
			t.Run(fmt.Sprint(call, " ", n), func(t *testing.T) {
				w := newWorld(t)
				if n%2 == 0 {
					w.smallDrive(32)
				}
				w.images(host + "/team/app:v1")
				cmd := w.command(w.pack()...)
				traced := w.command()
				traced.Path, traced.Args = strace, append([]string{"strace", "-f", "-qq", "-o", "/dev/null",
					"-e", "trace=" + call, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, n)}, cmd.Args...)
				traced.Args[len(traced.Args)-len(cmd.Args)] = cmd.Path
				if err := traced.Run(); err != nil {
					killed++
				}
				w.run(w.pack()...).want(exitOK)
				w.run("verify", w.drive).want(exitOK)
				journals, err := filepath.Glob(filepath.Join(w.dir, "*", "satchel", "bundles", "*"))
				if err != nil || len(journals) > 1 {
					t.Errorf("journals %v, %v", journals, err)
				}
			})
		}
	}
	if killed == 0 {
		t.Skip("strace cannot follow a program here")
	}
}
