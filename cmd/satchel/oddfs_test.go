package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// odd is a file system that refuses one thing.
type odd struct {
	fuse.RawFileSystem
	statfs, fsync, create fuse.Status // fsync is also where drives report what they could not write
}

func (o *odd) StatFs(c <-chan struct{}, in *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	if !o.statfs.Ok() {
		return o.statfs
	}
	return o.RawFileSystem.StatFs(c, in, out)
}

func (o *odd) Fsync(c <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	if !o.fsync.Ok() {
		return o.fsync
	}
	return o.RawFileSystem.Fsync(c, in)
}

func (o *odd) Create(c <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	if !o.create.Ok() {
		return o.create
	}
	return o.RawFileSystem.Create(c, in, name, out)
}

// oddDrive mounts the world's drive as such a file system.
func (w *world) oddDrive(o *odd) {
	w.t.Helper()
	behind := filepath.Join(w.dir, "behind")
	for _, dir := range []string{behind, w.drive} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			w.t.Fatal(err)
		}
	}
	root, err := fs.NewLoopbackRoot(behind)
	if err != nil {
		w.t.Fatal(err)
	}
	o.RawFileSystem = fs.NewNodeFS(root, &fs.Options{})
	server, err := fuse.NewServer(o, w.drive, &fuse.MountOptions{DirectMount: true, FsName: "odd", Name: "odd"})
	if err != nil {
		w.t.Skipf("a FUSE file system cannot be mounted here: %v", err)
	}
	go server.Serve()
	if err := server.WaitMount(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := server.Unmount(); err != nil {
			w.t.Error(err)
		}
	})
}

// TestOddFileSystems names what a file system really refuses, and goes on without what is
// not needed.
func TestOddFileSystems(t *testing.T) {
	c := ocitest.New(92)
	s := newShelf(c)
	host := s.listen(t)
	s.tags["team/app:v1"] = c.Image(false, c.Layer(64<<10, ocitest.LayerGzip))
	for name, tt := range map[string]struct {
		fs   odd
		exit int
		says []string
	}{
		"no statfs":    {odd{statfs: fuse.ENOSYS}, exitOK, []string{"does not report how much space", "safe to remove"}},
		"no fsync":     {odd{fsync: fuse.Status(syscall.EOPNOTSUPP)}, exitDrive, []string{"operation not supported", "cannot make files durable"}},
		"quota":        {odd{fsync: fuse.Status(syscall.EDQUOT)}, exitDrive, []string{"quota"}},
		"large files":  {odd{fsync: fuse.Status(syscall.EFBIG)}, exitDrive, []string{"file too large", "ulimit -f"}},
		"long names":   {odd{create: fuse.Status(syscall.ENAMETOOLONG)}, exitDrive, []string{"file name too long", "shorter path"}},
		"many files":   {odd{create: fuse.Status(syscall.EMFILE)}, exitDrive, []string{"ulimit -n"}},
		"an I/O error": {odd{fsync: fuse.EIO}, exitDrive, []string{"failing"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.oddDrive(&tt.fs)
			w.images(host + "/team/app:v1")
			r := w.run(w.pack()...).want(tt.exit).says(tt.says...)
			if tt.exit != exitOK && name != "an I/O error" && strings.Contains(r.stderr, "plugged in") {
				t.Errorf("the plug is blamed:\n%s", r.stderr)
			}
		})
	}
}

// TestFileLimit names a limit of the shell before the first byte.
func TestFileLimit(t *testing.T) {
	c := ocitest.New(93)
	s := newShelf(c)
	s.tags["team/app:v1"] = c.Image(false, c.Layer(1<<20, ocitest.LayerGzip))
	w := newWorld(t)
	w.images(s.listen(t) + "/team/app:v1")
	cmd := w.command(w.pack()...)
	out := &strings.Builder{}
	sh := w.command()
	sh.Path, sh.Args = "/bin/sh", []string{"sh", "-c", fmt.Sprintf("ulimit -f 1000; exec %s", shellWords(cmd.Args))}
	sh.Stderr = out
	err := sh.Run()
	if err == nil || sh.ProcessState.ExitCode() != exitDrive || !strings.Contains(out.String(), "ulimit -f") || strings.Contains(out.String(), "goroutine") {
		t.Errorf("%v\n%s", err, out)
	}
	if left, _ := filepath.Glob(filepath.Join(w.drive, "*.age")); len(left) > 0 {
		t.Errorf("there is %v", left)
	}
}
