package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// bodies are the files below a directory.
type bodies map[string][]byte

func filesIn(t testing.TB, dir string) bodies {
	t.Helper()
	list := bodies{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err == nil {
			list[name], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// put writes the files below a new directory.
func (f bodies) put(t testing.TB, dir string) {
	t.Helper()
	for name, body := range f {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, body, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// noWorse fails unless each file in dir is as it was before or as it is to be, none is gone, and
// what is half is called so.
func noWorse(t testing.TB, dir string, before, want bodies) {
	t.Helper()
	now := filesIn(t, dir)
	for name, body := range now {
		if !strings.HasSuffix(name, ".tmp") && !bytes.Equal(body, before[name]) && !bytes.Equal(body, want[name]) {
			t.Errorf("%s is neither as it was nor as it is to be", name)
		}
	}
	for name := range before {
		if _, ok := now[name]; !ok {
			t.Errorf("%s is gone", name)
		}
	}
}

// wants fails unless a directory has these files.
func (f bodies) wants(t testing.TB, dir string) {
	t.Helper()
	noWorse(t, dir, f, f)
	if now := filesIn(t, dir); len(now) != len(f) {
		t.Errorf("%s has %d files, want %d", dir, len(now), len(f))
	}
}

// repairs are a bundle in the states between which parity and repair lead, and these commands.
type repairs struct {
	*world
	plain, protected, damaged bodies
}

func newRepairs(t *testing.T, seed uint64) *repairs {
	t.Helper()
	c := ocitest.New(seed)
	s := newShelf(c)
	host := s.listen(t)
	s.tag("team/app:v1", c.Image(false, c.Layer(3<<20, ocitest.LayerGzip), c.Layer(1500<<10, ocitest.LayerGzip)))
	w := newWorld(t)
	w.images(host + "/team/app:v1")
	drive, staging := w.drive, filepath.Join(w.dir, "staging")
	w.drive = staging
	w.run(w.pack("--segment-size", "1MiB", "--lanes", "2")...).want(exitOK)
	w.drive = drive
	r := &repairs{world: w, plain: filesIn(t, staging)}
	w.run("parity", "--parity", "2/4", staging).want(exitOK)
	r.protected = filesIn(t, staging)
	r.damaged = bodies{}
	for name, body := range r.protected {
		r.damaged[name] = bytes.Clone(body)
	}
	delete(r.damaged, "s-00-00001.age")
	delete(r.damaged, "index.age")
	r.damaged["key-1.age"] = []byte("rubbish")
	r.damaged["p-001-01.par"] = r.damaged["p-001-01.par"][:5000]
	return r
}

// ways are the commands, each with what a directory has before it and after it; into is where a
// copy is made, "" where it works in place.
func (r *repairs) ways(dir, into string) map[string]struct {
	args         []string
	before, want bodies
	into         string
} {
	return map[string]struct {
		args         []string
		before, want bodies
		into         string
	}{
		"parity":    {[]string{"parity", "--parity", "2/4", dir}, r.plain, r.protected, ""},
		"repair":    {[]string{"repair", "--yes", dir}, r.damaged, r.protected, ""},
		"repair to": {[]string{"repair", "--to", into, dir}, r.damaged, r.protected, into},
	}
}

// TestKillRepair kills parity and repair at system calls: the bundle is no worse, and the same
// command then ends with a whole one.
func TestKillRepair(t *testing.T) {
	t.Parallel()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	r := newRepairs(t, 139)
	calls := map[string][]int{"renameat": {1}}
	if os.Getenv("SATCHEL_SOAK") != "" {
		for _, call := range []string{"renameat", "fsync", "pwrite64,write", "unlinkat"} {
			calls[call] = []int{1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 30} // each thread counts
		}
	}
	killed := 0
	for name := range r.ways("", "") {
		for call, list := range calls {
			for _, n := range list {
				at := fmt.Sprintf("%s %s %d", name, call, n)
				dir, into := filepath.Join(t.TempDir(), "bundle"), filepath.Join(t.TempDir(), "into")
				way := r.ways(dir, into)[name]
				way.before.put(t, dir)
				cmd := r.command(way.args...)
				traced := r.command()
				traced.Path, traced.Args = strace, append([]string{"strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null",
					"-e", "trace=" + call, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, n), cmd.Path}, cmd.Args[1:]...)
				if err := traced.Run(); err != nil {
					killed++
				}
				if way.into != "" {
					way.before.wants(t, dir)
				} else {
					noWorse(t, dir, way.before, way.want)
				}
				again := r.run(way.args...)
				if again.code != exitOK {
					t.Fatalf("%s: exit %d\n%s%s", at, again.code, again.stdout, again.stderr)
				}
				to := dir
				if way.into != "" {
					to = way.into
				}
				way.want.wants(t, to)
				if t.Failed() {
					t.Fatal(at)
				}
			}
		}
	}
	if killed == 0 {
		t.Skip("strace cannot follow a program here")
	}
	t.Log("killed", killed)
}

// TestRepairPulled pulls the drive while parity and repair work on it, and plugs it in again.
func TestRepairPulled(t *testing.T) {
	t.Parallel()
	r := newRepairs(t, 149)
	drive := r.fuseDrive(syscall.EIO)
	behind := filepath.Join(r.dir, "behind")
	for _, name := range []string{"parity", "repair", "repair to"} {
		into := filepath.Join(r.dir, "into")
		way := r.ways(filepath.Join(r.drive, "bundle"), into)[name]
		way.before.put(t, filepath.Join(behind, "bundle"))
		for _, at := range []int64{1 << 20, 6 << 20} {
			drive.pullAfter(at)
			again := r.run(way.args...)
			pulled := drive.away.Load()
			drive.back()
			if pulled {
				again.want(exitDrive)
				noWorse(t, filepath.Join(behind, "bundle"), way.before, way.want)
			} else {
				again.want(exitOK)
			}
		}
		r.run(way.args...).want(exitOK)
		to := filepath.Join(behind, "bundle")
		if way.into != "" {
			way.before.wants(t, to)
			to = way.into
		}
		way.want.wants(t, to)
		if err := os.RemoveAll(filepath.Join(behind, "bundle")); err != nil {
			t.Fatal(err)
		}
	}
}
