package powertest

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Disk is a file system that can lose power.
type Disk struct {
	dir string

	mu    sync.Mutex
	log   []step
	tops  []string // directories in its root: durable from the start
	fault Fault
	tries int // writing operations that a fault was asked about
	last  uint64
	base  int // steps that are durable whether they were synced or not
}

// Fault answers an operation before it is done: with an error, or 0. op is write, fsync, close,
// read, create, mkdir, remove, rename, truncate or link; n counts the operations since
// [Disk.Fail], from 1. A write that gets [Short] is done by half.
type Fault func(op, name string, n int) syscall.Errno

// Short has a write take half of the bytes.
const Short = syscall.Errno(0xfffff)

// Mount mounts a disk with these directories in its root until the test ends. The test is skipped
// where FUSE cannot be used.
func Mount(t testing.TB, tops ...string) *Disk {
	t.Helper()
	d := &Disk{dir: t.TempDir(), tops: tops}
	root := d.node(true, 0o755)
	kept := time.Second // nobody but the kernel changes anything
	server, err := fs.Mount(d.dir, root, &fs.Options{EntryTimeout: &kept, AttrTimeout: &kept, MountOptions: fuse.MountOptions{DirectMount: true, FsName: "power", Name: "power"}})
	if err != nil {
		t.Skipf("a FUSE file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		d.Fail(nil)
		if err := server.Unmount(); err != nil {
			t.Error(err)
		}
	})
	for _, top := range tops {
		made := d.node(true, 0o755)
		root.AddChild(top, root.NewPersistentInode(context.Background(), made, fs.StableAttr{Mode: fuse.S_IFDIR, Ino: made.id}), false)
		d.log = append(d.log, step{kind: named, id: root.id, name: top, child: made.id, isDir: true, mode: 0o755, top: top},
			step{kind: synced, id: root.id, top: top}) // as if it had always been there
	}
	return d
}

// Path is where something on the disk is found, as long as power is on.
func (d *Disk) Path(name string) string { return filepath.Join(d.dir, name) }

// Steps is how many steps were recorded: writes, changes of names and syncs.
func (d *Disk) Steps() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.log)
}

// Durable makes all that is on the disk durable: what a command starts from.
func (d *Disk) Durable() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.base = len(d.log)
}

// Fail has operations fail from now on; nil ends that.
func (d *Disk) Fail(f Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault, d.tries = f, 0
}

// answer asks the fault. The lock is held.
func (d *Disk) answer(op, name string) syscall.Errno {
	if d.fault == nil {
		return 0
	}
	d.tries++
	return d.fault(op, name, d.tries)
}

// node is a file or a directory.
type node struct {
	fs.Inode
	disk  *Disk
	id    uint64
	isDir bool
	mode  uint32
	data  []byte
	links int
	time  uint64
}

func (d *Disk) node(isDir bool, mode uint32) *node {
	d.last++
	return &node{disk: d, id: d.last, isDir: isDir, mode: mode, links: 1}
}

// name is where the node is, from the root of the disk on.
func (n *node) name() string { return n.Path(nil) }

// add records a step of what is at a place. The lock is held.
func (n *node) add(s step, name string) {
	s.id = n.id
	s.top, _, _ = strings.Cut(strings.TrimPrefix(n.name()+"/"+name, "/"), "/")
	n.disk.log = append(n.disk.log, s)
	n.disk.last++ // times differ
	n.time = n.disk.last
}

func (n *node) attr(out *fuse.Attr) {
	out.Mode, out.Size, out.Ino, out.Nlink = n.mode, uint64(len(n.data)), n.id, uint32(n.links)
	out.Mtime, out.Ctime = n.time, n.time
	out.Blocks, out.Blksize = (out.Size+511)/512, 4096
	out.Mode |= fuse.S_IFREG
	if n.isDir {
		out.Mode = n.mode | fuse.S_IFDIR
	}
}

// Getattr implements fs.NodeGetattrer.
func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	n.attr(&out.Attr)
	return 0
}

// Setattr implements fs.NodeSetattrer: size and mode.
func (n *node) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if size, ok := in.GetSize(); ok {
		if e := n.disk.answer("truncate", n.name()); e != 0 {
			return e
		}
		n.data = resized(n.data, int64(size))
		n.add(step{kind: truncated, size: int64(size)}, "")
	}
	if mode, ok := in.GetMode(); ok {
		n.mode = mode & 0o7777
	}
	n.attr(&out.Attr)
	return 0
}

// Statfs implements fs.NodeStatfser: there is room.
func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	out.Bsize, out.Frsize, out.NameLen = 4096, 4096, 255
	out.Blocks, out.Bfree, out.Bavail, out.Files, out.Ffree = 1<<24, 1<<23, 1<<23, 1<<20, 1<<20
	return 0
}

// Open implements fs.NodeOpener.
func (n *node) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) { return nil, 0, 0 }

// Read implements fs.NodeReader.
func (n *node) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if e := n.disk.answer("read", n.name()); e != 0 {
		return nil, e
	}
	from := min(off, int64(len(n.data)))
	return fuse.ReadResultData(bytes.Clone(n.data[from:min(from+int64(len(dest)), int64(len(n.data)))])), 0
}

// Write implements fs.NodeWriter.
func (n *node) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	switch e := n.disk.answer("write", n.name()); {
	case e == Short && len(data) > 1:
		data = data[:len(data)/2]
	case e != 0 && e != Short:
		return 0, e
	}
	n.data = written(n.data, off, data)
	n.add(step{kind: wrote, off: off, data: bytes.Clone(data)}, "")
	return uint32(len(data)), 0
}

// Fsync implements fs.NodeFsyncer, for directories too.
func (n *node) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if e := n.disk.answer("fsync", n.name()); e != 0 {
		return e
	}
	n.add(step{kind: synced}, "")
	return 0
}

// Flush implements fs.NodeFlusher: close.
func (n *node) Flush(context.Context, fs.FileHandle) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	return n.disk.answer("close", n.name())
}

// make makes a file or a directory. The lock is held.
func (n *node) make(ctx context.Context, name string, isDir bool, mode uint32, out *fuse.EntryOut) *fs.Inode {
	made := n.disk.node(isDir, mode&0o7777)
	kind := uint32(fuse.S_IFREG)
	if isDir {
		kind = fuse.S_IFDIR
	}
	n.add(step{kind: named, name: name, child: made.id, isDir: isDir, mode: made.mode}, name)
	made.attr(&out.Attr)
	return n.NewPersistentInode(ctx, made, fs.StableAttr{Mode: kind, Ino: made.id})
}

// Create implements fs.NodeCreater.
func (n *node) Create(ctx context.Context, name string, _, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if e := n.disk.answer("create", filepath.Join(n.name(), name)); e != 0 {
		return nil, nil, 0, e
	}
	return n.make(ctx, name, false, mode, out), nil, 0, 0
}

// Mkdir implements fs.NodeMkdirer.
func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if e := n.disk.answer("mkdir", filepath.Join(n.name(), name)); e != 0 {
		return nil, e
	}
	return n.make(ctx, name, true, mode, out), 0
}

// Unlink implements fs.NodeUnlinker.
func (n *node) Unlink(_ context.Context, name string) syscall.Errno { return n.remove(name) }

// Rmdir implements fs.NodeRmdirer.
func (n *node) Rmdir(_ context.Context, name string) syscall.Errno {
	if child := n.GetChild(name); child != nil && len(child.Children()) > 0 {
		return syscall.ENOTEMPTY
	}
	return n.remove(name)
}

func (n *node) remove(name string) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if e := n.disk.answer("remove", filepath.Join(n.name(), name)); e != 0 {
		return e
	}
	if gone, ok := n.GetChild(name).Operations().(*node); ok {
		gone.links--
	}
	n.add(step{kind: removed, name: name}, name)
	return 0
}

// Rename implements fs.NodeRenamer.
func (n *node) Rename(_ context.Context, name string, to fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if e := n.disk.answer("rename", filepath.Join(n.name(), name)); e != 0 {
		return e
	}
	into, moved := to.(*node), n.GetChild(name).Operations().(*node)
	there := into.GetChild(newName)
	switch {
	case flags&^unix.RENAME_NOREPLACE != 0:
		return syscall.EINVAL
	case flags != 0 && there != nil:
		return syscall.EEXIST
	case there != nil && moved.isDir && len(there.Children()) > 0:
		return syscall.ENOTEMPTY
	}
	if there != nil {
		there.Operations().(*node).links--
	}
	n.add(step{kind: renamed, name: name, child: moved.id, isDir: moved.isDir, mode: moved.mode, into: into.id, newName: newName}, name)
	return 0
}

// Link implements fs.NodeLinker.
func (n *node) Link(_ context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if e := n.disk.answer("link", filepath.Join(n.name(), name)); e != 0 {
		return nil, e
	}
	other := target.(*node)
	other.links++
	n.add(step{kind: named, name: name, child: other.id, mode: other.mode}, name)
	other.attr(&out.Attr)
	return &other.Inode, 0
}
