package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
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
		probe := filepath.Base(name) == "satchel-probe" // by which a run that was killed found out whether it can write
		if !strings.HasSuffix(name, ".tmp") && !probe && !bytes.Equal(body, before[name]) && !bytes.Equal(body, want[name]) {
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

// repairs are a bundle, and one on several drives below one directory, in the states between which parity and
// repair lead, and these commands.
type repairs struct {
	*world
	ways map[string]way
}

// way is a command, with what its directory has before it and after it. In its arguments DIR stands for that directory
// and INTO for one into which it writes; if it does, that is what want is of.
type way struct {
	args         []string
	before, want bodies
	into         bool
}

// in gives the arguments for directories.
func (w way) in(dir, into string) (args []string) {
	for _, arg := range w.args {
		args = append(args, strings.NewReplacer("DIR", dir, "INTO", into).Replace(arg))
	}
	return args
}

// without gives all files but those with these names.
func (f bodies) without(names ...string) bodies {
	left := maps.Clone(f)
	maps.DeleteFunc(left, func(name string, _ []byte) bool {
		return slices.ContainsFunc(names, func(n string) bool { return name == n || strings.HasPrefix(name, n+"/") })
	})
	return left
}

// below gives the files of a directory among them.
func (f bodies) below(dir string) bodies {
	list := bodies{}
	for name, body := range f {
		if rest, ok := strings.CutPrefix(name, dir+"/"); ok {
			list[rest] = body
		}
	}
	return list
}

func newRepairs(t *testing.T, seed uint64) *repairs {
	t.Helper()
	c := ocitest.New(seed)
	s := newShelf(c)
	host := s.listen(t)
	s.tag("team/app:v1", c.Image(false, c.Layer(2200<<10, ocitest.LayerGzip), c.Layer(2000<<10, ocitest.LayerGzip)))
	w := newWorld(t)
	w.images(host + "/team/app:v1")
	drive := w.drive
	packed := func(name string, flags ...string) (plain, protected bodies) {
		w.drive = filepath.Join(w.dir, name)
		w.run(w.pack(append(flags, "--segment-size", "1MiB")...)...).want(exitOK)
		plain = filesIn(t, w.drive)
		w.run("parity", "--parity", "2/2", w.drive).want(exitOK)
		return plain, filesIn(t, w.drive)
	}
	plain, protected := packed("staging", "--lanes", "2")
	damaged := protected.without("s-00-00001.age", "index.age")
	damaged["key-1.age"] = []byte("rubbish")
	damaged["p-001-01.par"] = damaged["p-001-01.par"][:5000]
	set, across := packed("set", "--lanes", "1", "--drive-size", "5MiB")
	hurt := across.without("drive-01/s-00-00001.age", "drive-01/drive.json", "drive-01/copy/drive.json", "drive-02/index.age", "drive-02/copy/index.age")
	if len(hurt) != len(across)-5 {
		t.Fatalf("%v", slices.Sorted(maps.Keys(across)))
	}
	w.drive = drive
	return &repairs{w, map[string]way{
		"parity":              {[]string{"parity", "--parity", "2/2", "DIR"}, plain, protected, false},
		"repair":              {[]string{"repair", "--yes", "DIR"}, damaged, protected, false},
		"repair to":           {[]string{"repair", "--to", "INTO", "DIR"}, damaged, protected, true},
		"parity across":       {[]string{"parity", "--parity", "2/2", "DIR"}, set, across, false},
		"repair of drives":    {[]string{"repair", "--yes", "DIR"}, hurt, across, false},
		"repair to new drive": {[]string{"repair", "--to", "INTO", "DIR"}, across.without("drive-01"), across.below("drive-01"), true},
	}}
}

// disturb runs a command under strace, which kills it at a system call or has that fail.
func (w *world) disturb(strace, call, how string, n int, args ...string) error {
	cmd, traced := w.command(args...), w.command()
	traced.Path, traced.Args = strace, append([]string{"strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null",
		"-e", "trace=" + call, "-e", fmt.Sprintf("inject=%s:%s:when=%d", call, how, n), cmd.Path}, cmd.Args[1:]...)
	return traced.Run()
}

// TestKillRepair kills parity and repair at system calls, of a bundle on one drive and across drives, or has
// the drive be full then: the bundle is no worse, and the same command then ends with a whole one.
func TestKillRepair(t *testing.T) {
	t.Parallel()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	r := newRepairs(t, 139)
	type fault struct {
		call, how string
		n         int
	}
	faults := []fault{{"renameat", "signal=KILL", 1}}
	if os.Getenv("SATCHEL_SOAK") != "" {
		for _, n := range []int{1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 30} { // each thread counts
			for _, call := range []string{"renameat", "fsync", "pwrite64,write", "unlinkat"} {
				faults = append(faults, fault{call, "signal=KILL", n})
			}
			faults = append(faults, fault{"pwrite64", "error=ENOSPC", n}, fault{"fsync", "error=EIO", n})
		}
	}
	stopped := 0
	for name, way := range r.ways {
		for _, f := range faults {
			dir, into := filepath.Join(t.TempDir(), "bundle"), filepath.Join(t.TempDir(), "into")
			way.before.put(t, dir)
			args := way.in(dir, into)
			if r.disturb(strace, f.call, f.how, f.n, args...) != nil {
				stopped++
			}
			if way.into {
				way.before.wants(t, dir)
			} else {
				noWorse(t, dir, way.before, way.want)
			}
			if again := r.run(args...); again.code != exitOK {
				t.Fatalf("%s, %+v: exit %d\n%s%s", name, f, again.code, again.stdout, again.stderr)
			}
			to := dir
			if way.into {
				to = into
			}
			way.want.wants(t, to)
			if t.Failed() {
				t.Fatalf("%s, %+v", name, f)
			}
		}
	}
	if stopped == 0 {
		t.Skip("strace cannot follow a program here")
	}
	t.Log("stopped", stopped)
}

// TestRepairPulled pulls the drive while parity and repair work on it, and plugs it in again.
func TestRepairPulled(t *testing.T) {
	t.Parallel()
	r := newRepairs(t, 149)
	drive := r.fuseDrive(syscall.EIO)
	behind := filepath.Join(r.dir, "behind")
	for name, way := range r.ways {
		into := filepath.Join(t.TempDir(), "into")
		args := way.in(filepath.Join(r.drive, "bundle"), into)
		way.before.put(t, filepath.Join(behind, "bundle"))
		pulls := 0
		for _, at := range []int64{1 << 20, 3 << 20} {
			drive.pullAfter(at)
			again := r.run(args...)
			pulled := drive.away.Load()
			drive.back()
			if pulled {
				pulls++
				again.want(exitDrive)
				noWorse(t, filepath.Join(behind, "bundle"), way.before, way.want)
			} else {
				again.want(exitOK)
			}
		}
		if pulls == 0 {
			t.Errorf("%s: the drive was never pulled", name)
		}
		r.run(args...).want(exitOK)
		to := filepath.Join(behind, "bundle")
		if way.into {
			way.before.wants(t, to)
			to = into
		}
		way.want.wants(t, to)
		if err := os.RemoveAll(filepath.Join(behind, "bundle")); err != nil {
			t.Fatal(err)
		}
	}
	r.readErrors(drive, behind)
}

// readErrors has the drive not give one seal, which is damage and not a drive that is away: verify takes the second copy,
// and repair writes the seal again.
func (r *repairs) readErrors(drive *pulled, behind string) {
	r.t.Helper()
	whole, dir := r.ways["repair of drives"].want, filepath.Join(r.drive, "bundle")
	whole.put(r.t, filepath.Join(behind, "bundle"))
	for _, name := range []string{"drive-01/drive.json", "drive-02/drive.json", "drive-02/bundle.json", "drive-01/extras.json"} {
		sub, file := filepath.Split(name)
		drive.spoil(r.t, filepath.Join(dir, name))
		for _, args := range [][]string{{"verify", dir}, {"verify", filepath.Join(dir, sub)}, {"repair", dir}} {
			if got := r.run(args...).want(exitDamaged); !strings.Contains(got.stdout, file+" cannot be read") || !strings.Contains(got.stdout, "repairable   ") {
				r.t.Errorf("%s, %v: %s%s", name, args, got.stdout, got.stderr)
			}
		}
		r.run("repair", "--yes", dir).want(exitOK)
		whole.wants(r.t, filepath.Join(behind, "bundle"))
	}
}

// TestKillSupplement kills repair --from-source once a segment is written: the same command resumes, and the
// supplement makes the damaged bundle whole.
func TestKillSupplement(t *testing.T) {
	t.Parallel()
	c := ocitest.New(151)
	s := newShelf(c)
	host := s.listen(t)
	root := c.Image(false, c.Layer(3<<20, ocitest.LayerGzip), c.Layer(1500<<10, ocitest.LayerGzip))
	s.tag("team/app:v1", root)
	w := newWorld(t)
	w.images(host + "/team/app:v1")
	w.run(w.pack("--segment-size", "1MiB", "--lanes", "1")...).want(exitOK)
	for _, name := range []string{"s-00-00002.age", "index.age", "copy/index.age"} {
		if err := os.Remove(filepath.Join(w.drive, name)); err != nil {
			t.Fatal(err)
		}
	}
	wait := []string{"s-00-00001.age"}
	if os.Getenv("SATCHEL_SOAK") != "" {
		wait = []string{"drive.json", "key-1.age", "s-00-00001.age", "s-00-00002.age", "s-00-00003.age", "index.age", "extras.json", "copy/bundle.json", "bundle.json"}
	}
	killed := 0
	for n, file := range wait {
		more := filepath.Join(w.dir, fmt.Sprintf("more-%d", n))
		args := []string{"repair", "--from-source", "--lost", w.drive, "-c", w.config, "-r", w.recipient, "--tls-verify=false", "--segment-size", "1MiB", "--lanes", "1", more}
		if w.killAt(filepath.Join(more, file), args...) {
			killed++
		}
		w.run(args...).want(exitOK)
		w.run("verify", more).want(exitOK)
		w.run("inspect", "-i", w.key, w.drive, more).want(exitOK)
	}
	if killed == 0 {
		t.Error("nothing was killed")
	}
	mirror := newMirror(t)
	w.run(append(w.unpack(mirror), filepath.Join(w.dir, "more-0"))...).want(exitOK)
	compareAll(t, c, map[string]oci.Descriptor{"team/app:v1": root}, mirror)
	t.Log("killed", killed)
}

// killAt kills a command once a file is there, and reports whether it had not ended by then.
func (w *world) killAt(file string, args ...string) bool {
	p := w.start(args...)
	ended := make(chan result, 1)
	go func() { ended <- p.wait() }()
	for !exists(file) {
		select {
		case r := <-ended:
			w.t.Logf("ended before %s: exit %d", file, r.code)
			return false
		case <-time.After(time.Millisecond):
		}
	}
	_ = p.cmd.Process.Kill() // it may have ended
	r := <-ended
	return r.code < 0
}
