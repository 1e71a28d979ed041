package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// pulled is a file system that can be pulled out: from then on everything that
// the kernel asks of it fails.
type pulled struct {
	fuse.RawFileSystem
	errno fuse.Status
	away  atomic.Bool
	left  atomic.Int64 // bytes that may still be read or written; 0 is no limit

	catch atomic.Bool   // the next file that is read is bad
	bad   atomic.Uint64 // the node of a file that cannot be read, though the drive is there
}

// spoil has reads of a file fail from now on, until another one takes its place.
func (p *pulled) spoil(t testing.TB, file string) {
	t.Helper()
	p.catch.Store(true)
	if _, err := os.ReadFile(file); err == nil || p.catch.Load() {
		t.Fatalf("%s can be read still", file)
	}
}

// fuseDrive mounts the world's drive as such a file system.
func (w *world) fuseDrive(errno syscall.Errno) *pulled {
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
	p := &pulled{RawFileSystem: fs.NewNodeFS(root, &fs.Options{}), errno: fuse.Status(errno)}
	server, err := fuse.NewServer(p, w.drive, &fuse.MountOptions{DirectMount: true, FsName: "pulled", Name: "pulled"})
	if err != nil {
		w.t.Skipf("a FUSE file system cannot be mounted here: %v", err)
	}
	go server.Serve()
	if err := server.WaitMount(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		p.back()
		if err := server.Unmount(); err != nil {
			w.t.Error(err)
		}
	})
	return p
}

// pullAfter has the drive go away after so many bytes more.
func (p *pulled) pullAfter(bytes int64) { p.left.Store(bytes) }

func (p *pulled) back() {
	p.left.Store(0)
	p.away.Store(false)
}

// ok says how a request is answered that moves n bytes.
func (p *pulled) ok(n int) fuse.Status {
	if n > 0 && p.left.Load() > 0 && p.left.Add(int64(-n)) <= 0 {
		p.away.Store(true)
	}
	if p.away.Load() {
		return p.errno
	}
	return fuse.OK
}

// Init tells the file system nothing of its server: it would let the kernel go
// past it, to the files behind.
func (p *pulled) Init(*fuse.Server) {}

func (p *pulled) Lookup(c <-chan struct{}, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	if s := p.ok(0); !s.Ok() {
		return s
	}
	return p.RawFileSystem.Lookup(c, h, name, out)
}

func (p *pulled) GetAttr(c <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	if s := p.ok(0); !s.Ok() {
		return s
	}
	return p.RawFileSystem.GetAttr(c, in, out)
}

func (p *pulled) Open(c <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if s := p.ok(0); !s.Ok() {
		return s
	}
	return p.RawFileSystem.Open(c, in, out)
}

func (p *pulled) Create(c <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	if s := p.ok(0); !s.Ok() {
		return s
	}
	return p.RawFileSystem.Create(c, in, name, out)
}

func (p *pulled) Read(c <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	if s := p.ok(len(buf)); !s.Ok() {
		return nil, s
	}
	if p.catch.CompareAndSwap(true, false) {
		p.bad.Store(in.NodeId)
	}
	if in.NodeId == p.bad.Load() {
		return nil, fuse.EIO
	}
	return p.RawFileSystem.Read(c, in, buf)
}

func (p *pulled) Write(c <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	if s := p.ok(len(data)); !s.Ok() {
		return 0, s
	}
	return p.RawFileSystem.Write(c, in, data)
}

// Writev leaves it to Write.
func (p *pulled) Writev(<-chan struct{}, *fuse.WriteIn, [][]byte) (uint32, fuse.Status) {
	return 0, fuse.ENOSYS
}

func (p *pulled) Fsync(c <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	if s := p.ok(0); !s.Ok() {
		return s
	}
	return p.RawFileSystem.Fsync(c, in)
}

func (p *pulled) OpenDir(c <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if s := p.ok(0); !s.Ok() {
		return s
	}
	return p.RawFileSystem.OpenDir(c, in, out)
}

func (p *pulled) Rename(c <-chan struct{}, in *fuse.RenameIn, from, to string) fuse.Status {
	if s := p.ok(0); !s.Ok() {
		return s
	}
	return p.RawFileSystem.Rename(c, in, from, to)
}

func (p *pulled) Unlink(c <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	if s := p.ok(0); !s.Ok() {
		return s
	}
	return p.RawFileSystem.Unlink(c, h, name)
}

// TestDriveIsPulled pulls the drive while each command works on it, and plugs it
// in again.
func TestDriveIsPulled(t *testing.T) {
	c := ocitest.New(91)
	s := newShelf(c)
	host := s.listen(t)
	root := c.Image(false, c.Layer(14<<20, ocitest.LayerGzip), c.Layer(6<<20, ocitest.LayerGzip), c.Layer(1<<20, ocitest.LayerTar))
	s.tags["team/app:v1"] = root
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.ENOTCONN, syscall.ENODEV} {
		t.Run(errno.Error(), func(t *testing.T) {
			w := newWorld(t)
			drive := w.fuseDrive(errno)
			w.images(host + "/team/app:v1")
			pack := w.pack("--segment-size", "2MiB")
			gone := []string{"satchel: ", "hint: check that the drive is still plugged in"}

			drive.pullAfter(12 << 20)
			w.run(pack...).want(exitDrive).says(gone...)
			w.run(pack...).want(exitDrive)
			drive.back()
			drive.pullAfter(5 << 20) // while it looks at what is there already, or soon after
			w.run(pack...).want(exitDrive).says(gone...)
			drive.back()
			asked := len(s.asked())
			done := w.run(pack...).want(exitOK).says("resuming")
			var from int64
			for _, h := range s.asked()[asked:] {
				var at int64
				if _, err := fmt.Sscanf(h, "bytes=%d-", &at); err == nil {
					from = max(from, at)
				}
			}
			if from < 2<<20 {
				t.Error("nothing that was written before the drive was pulled was of use")
			}

			for _, at := range []int64{4 << 10, 3 << 20, 20 << 20} {
				drive.pullAfter(at)
				w.run("verify", w.drive).want(exitDrive)
				drive.back()
			}
			w.run("verify", "--expect", strings.TrimSpace(done.stdout), w.drive).want(exitOK)
			mirror := newMirror(t)
			for _, at := range []int64{4 << 10, 3 << 20, 9 << 20} {
				drive.pullAfter(at)
				w.run(w.unpack(mirror)...).want(exitDrive)
				drive.back()
			}
			w.run(w.unpack(mirror)...).want(exitOK)
			compareAll(t, c, map[string]oci.Descriptor{"team/app:v1": root}, mirror)
		})
	}
}
