package media

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func open(t testing.TB) (*Dir, string) {
	t.Helper()
	path := t.TempDir()
	d, err := OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, path
}

func names(t testing.TB, path string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// TestVisibility follows a file's names from its beginning to its end.
func TestVisibility(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(*Pending) error
		want []string
	}{
		"committed": {(*Pending).Commit, []string{"a"}},
		"given up":  {(*Pending).Abort, nil},
	} {
		d, path := open(t)
		if err := os.WriteFile(filepath.Join(path, "a.tmp"), []byte("a crash left this, and it is longer"), 0o644); err != nil {
			t.Fatal(err)
		}
		p, err := d.Create("a")
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, err := p.Write([]byte("bytes")); err != nil {
				t.Fatal(err)
			}
		}
		if got := names(t, path); !slices.Equal(got, []string{"a.tmp"}) || p.Size() != 15 {
			t.Errorf("%s: while it is written: %v, %d bytes", name, got, p.Size())
		}
		if _, err := d.Stat("a"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: while it is written: %v", name, err)
		}
		if err := c.end(p); err != nil {
			t.Fatal(err)
		}
		if got := names(t, path); !slices.Equal(got, c.want) {
			t.Errorf("%s: at the end: %v", name, got)
		}
		if body, err := d.ReadFile("a", 15); (err == nil) != (c.want != nil) || err == nil && string(body) != "bytesbytesbytes" {
			t.Errorf("%s: %q, %v", name, body, err)
		}
	}
}

// TestReplace leaves the old file until the new one is whole.
func TestReplace(t *testing.T) {
	d, path := open(t)
	if err := errors.Join(d.WriteFile("a", []byte("old")), d.WriteFile("a", []byte("newer"))); err != nil {
		t.Fatal(err)
	}
	p, err := d.Create("a")
	if err != nil {
		t.Fatal(err)
	}
	if body, err := d.ReadFile("a", 10); string(body) != "newer" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
	if err := p.Abort(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, path); !slices.Equal(got, []string{"a"}) {
		t.Errorf("%v", got)
	}
}

// TestShortFile has the file lose bytes behind the writer's back: it never gets its name.
func TestShortFile(t *testing.T) {
	d, path := open(t)
	p, err := d.Create("a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Write([]byte("twelve bytes")); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(path, "a.tmp"), 5); err != nil {
		t.Fatal(err)
	}
	var drive *Error
	if err := p.Commit(); !errors.As(err, &drive) || !strings.Contains(err.Error(), "12 bytes were written, the drive holds 5") {
		t.Errorf("%v", err)
	}
	if got := names(t, path); len(got) > 0 {
		t.Errorf("%v", got)
	}
}

// TestWriteFails once: nothing that comes later makes the file visible.
func TestWriteFails(t *testing.T) {
	d, path := open(t)
	p, err := d.Create("a")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.f.Close(); err != nil {
		t.Fatal(err)
	}
	_, first := p.Write([]byte("x"))
	_, second := p.Write([]byte("x"))
	var drive *Error
	if !errors.As(first, &drive) || second == nil {
		t.Errorf("%v, %v", first, second)
	}
	if err := p.Commit(); err == nil {
		t.Error("it is committed")
	}
	if got := names(t, path); len(got) > 0 {
		t.Errorf("%v", got)
	}
}

// TestNamesStayInside tries to leave the directory, by name and by link.
func TestNamesStayInside(t *testing.T) {
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, path := open(t)
	if err := errors.Join(os.Symlink(outside, filepath.Join(path, "out")), os.Symlink(filepath.Join(outside, "secret"), filepath.Join(path, "link"))); err != nil {
		t.Fatal(err)
	}
	rel, err := filepath.Rel(path, outside)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{filepath.Join(outside, "secret"), filepath.Join(rel, "secret"), "out/secret", "link", "../x", "out/new"} {
		if _, err := d.ReadFile(name, 100); err == nil {
			t.Errorf("%s is read", name)
		}
		if name != "link" {
			if err := d.WriteFile(name, []byte("x")); err == nil {
				t.Errorf("%s is written", name)
			}
			if err := d.Remove(name); err == nil {
				t.Errorf("%s is removed", name)
			}
			if err := d.Mkdir(name); err == nil && !strings.HasSuffix(name, "secret") {
				t.Errorf("%s is made", name)
			}
		}
	}
	if err := d.WriteFile("link", []byte("mine")); err != nil { // replaces the link, not what it names
		t.Error(err)
	}
	if got := names(t, outside); !slices.Equal(got, []string{"secret"}) {
		t.Errorf("outside there is now %v", got)
	}
	if body, err := os.ReadFile(filepath.Join(outside, "secret")); string(body) != "secret" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
}

// TestOnlyRegularFiles are listed as files, looked at, and opened.
func TestOnlyRegularFiles(t *testing.T) {
	d, path := open(t)
	err := errors.Join(d.WriteFile("a", []byte("1234")), os.Symlink("a", filepath.Join(path, "b")),
		syscall.Mkfifo(filepath.Join(path, "c"), 0o600), d.Mkdir("d"), d.Mkdir("d"), d.WriteFile("d/e", nil))
	if err != nil {
		t.Fatal(err)
	}
	files, others, err := d.List(".")
	if err != nil || !slices.Equal(files, []Entry{{"a", 4}}) || !slices.Equal(others, []string{"b", "c", "d"}) {
		t.Errorf("%v, %v, %v", files, others, err)
	}
	if files, others, err := d.List("d"); err != nil || !slices.Equal(files, []Entry{{"e", 0}}) || others != nil {
		t.Errorf("%v, %v, %v", files, others, err)
	}
	if files, others, err := d.List("absent"); files != nil || others != nil || err != nil {
		t.Errorf("%v, %v, %v", files, others, err)
	}
	for _, name := range []string{"b", "c", "d", "absent"} {
		if _, err := d.Stat(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Stat %s: %v", name, err)
		}
		if _, err := d.Open(name); err == nil {
			t.Errorf("%s is opened", name)
		}
	}
}

func TestRead(t *testing.T) {
	d, _ := open(t)
	body := bytes.Repeat([]byte("x"), 100)
	if err := d.WriteFile("a", body); err != nil {
		t.Fatal(err)
	}
	if got, err := d.ReadFile("a", 100); !bytes.Equal(got, body) || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := d.ReadFile("a", 99); err == nil {
		t.Error("a file above the limit is read")
	}
	f, err := d.Open("a")
	if err != nil {
		t.Fatal(err)
	}
	f.DropCache()
	got, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); !bytes.Equal(got, body) || f.Size != 100 || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestRemove(t *testing.T) {
	d, path := open(t)
	if err := errors.Join(d.WriteFile("a", nil), d.WriteFile("b", nil), d.Remove("a", "absent")); err != nil {
		t.Fatal(err)
	}
	if got := names(t, path); !slices.Equal(got, []string{"b"}) {
		t.Errorf("%v", got)
	}
	if err := errors.Join(d.Mkdir("d"), d.WriteFile("d/e", nil)); err != nil {
		t.Fatal(err)
	}
	var drive *Error
	if err := d.Remove("d"); !errors.As(err, &drive) || drive.Path != filepath.Join(path, "d") {
		t.Errorf("a directory that is not empty: %v", err)
	}
}

func TestProbe(t *testing.T) {
	d, path := open(t)
	if err := d.Probe(); err != nil {
		t.Error(err)
	}
	if got := names(t, path); len(got) > 0 {
		t.Errorf("%v", got)
	}
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	var drive *Error
	if err := d.Probe(); !errors.As(err, &drive) {
		t.Errorf("the directory is gone: %v", err)
	}
}

func TestDrive(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]bool{"/": true, "/proc": true, dir: false} {
		if got, err := IsMountRoot(path); got != want || err != nil {
			t.Errorf("%s is a mount's root: %v, %v", path, got, err)
		}
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("/proc", link); err != nil {
		t.Fatal(err)
	}
	if got, err := IsMountRoot(link); !got || err != nil {
		t.Errorf("a link to a mount's root: %v, %v", got, err)
	}
	var drive *Error
	if _, err := IsMountRoot(filepath.Join(dir, "absent")); !errors.As(err, &drive) {
		t.Errorf("%v", err)
	}
	if r, err := RoomOf(dir); r.Free <= 0 || r.Cluster <= 0 || err != nil {
		t.Errorf("%+v free, %v", r, err)
	}
	if r, err := RoomOf("/proc"); !errors.Is(err, ErrUnknownSpace) {
		t.Errorf("a file system of no blocks: %+v, %v", r, err)
	}
	if _, err := RoomOf(filepath.Join(dir, "absent")); !errors.As(err, &drive) {
		t.Errorf("%v", err)
	}
	here, again, elsewhere := Session(dir), Session(dir), Session("/proc")
	if here == "" || here != again || here == elsewhere {
		t.Errorf("sessions %q, %q, %q", here, again, elsewhere)
	}
	if s := Session(filepath.Join(dir, "absent")); s != "" {
		t.Errorf("the session of nothing is %q", s)
	}
	if _, err := OpenDir(filepath.Join(dir, "absent")); !errors.As(err, &drive) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// TestRefused has no file at fault where nothing can be written.
func TestRefused(t *testing.T) {
	d, path := open(t)
	if err := d.refused("remove", "x.tmp", &fs.PathError{Op: "unlinkat", Path: "x.tmp", Err: syscall.EROFS}); err.Error() != "write to "+path+": read-only file system" {
		t.Error(err)
	}
	if err := d.refused("remove", "x.tmp", fs.ErrPermission); err.Error() != "remove "+filepath.Join(path, "x.tmp")+": permission denied" {
		t.Error(err)
	}
}

// TestOther compares names of one kind alone.
func TestOther(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		here, there string
		want        bool
	}{
		{"uuid:1", "uuid:2", true}, {"uuid:1", "uuid:1", false}, {"uuid:1", "fsid:1", false},
		{"", "uuid:1", false}, {"uuid:1", "", false}, {"", "", false},
	} {
		if got := (Mount{FS: c.here}).Other(c.there); got != c.want {
			t.Errorf("%q and %q: %v", c.here, c.there, got)
		}
	}
}

// TestReplaced finds the disk that fstab means by its label, as udev writes that.
func TestReplaced(t *testing.T) {
	t.Parallel()
	disks := t.TempDir()
	if err := os.Mkdir(filepath.Join(disks, "by-label"), 0o755); err != nil {
		t.Fatal(err)
	}
	for label, device := range map[string]string{`my\x20drive`: "/dev/null", "other": "/dev/zero"} {
		if err := os.Symlink(device, filepath.Join(disks, "by-label", label)); err != nil {
			t.Fatal(err)
		}
	}
	for spec, want := range map[string]bool{`LABEL=my drive`: false, `LABEL="my drive"`: false, "LABEL=other": true, "LABEL=away": true, "UUID=1": false, "host:/x": false} {
		if got := (Tables{Disks: disks}).Replaced(FstabPoint{"/mnt/x", spec}, Mount{Source: "/dev/null"}); got != want {
			t.Errorf("%s: %v, want %v", spec, got, want)
		}
	}
}

// TestMemory tells file systems in memory from those on disks.
func TestMemory(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{"tmpfs", "none", "tmpfs"}, {"ramfs", "x", "ramfs"}, {"ext4", "/dev/ram0", "/dev/ram0"}, {"ext4", "/dev/zram12", "/dev/zram12"},
		{"ext4", "/dev/sda1", ""}, {"ext4", "/dev/ram", ""}, {"ext4", "/dev/5", ""}, {"vfat", "ram0", ""}, {"overlay", "overlay", ""},
	} {
		if got := memory(c[0], c[1]); got != c[2] {
			t.Errorf("%s on %s: %q, want %q", c[0], c[1], got, c[2])
		}
	}
}

// TestGone: a drive that gives anything has not gone away, also where it has lost the file that it is asked for.
func TestGone(t *testing.T) {
	t.Parallel()
	d, path := open(t)
	for name, body := range map[string]string{"a": "a", "empty": ""} {
		if err := os.WriteFile(filepath.Join(path, name), []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a", "empty", "none"} {
		if err := d.Gone(name, syscall.EIO); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := d.Gone("none", errors.New("of another kind")); err != nil {
		t.Error(err)
	}
	if err := os.Remove(filepath.Join(path, "a")); err != nil {
		t.Fatal(err)
	}
	var gone *Error
	if err := d.Gone("none", syscall.EIO); !errors.As(err, &gone) || !errors.Is(err, syscall.EIO) {
		t.Errorf("nothing gives a byte: %v", err)
	}
}
