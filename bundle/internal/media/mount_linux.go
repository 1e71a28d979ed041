package media

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// mountLine is a line of mountinfo, see proc_pid_mountinfo(5).
type mountLine struct {
	id           uint64
	device       string // MAJOR:MINOR
	point        string
	kind, source string
}

func (t Tables) lines() (list []mountLine) {
	body, err := os.ReadFile(t.Mounts)
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(body)) {
		head, tail, ok := strings.Cut(line, " - ")
		f, g := strings.Fields(head), strings.Fields(tail)
		if !ok || len(f) < 6 || len(g) < 2 {
			continue
		}
		m := mountLine{device: f[2], point: unescape(f[4]), kind: g[0], source: unescape(g[1])}
		m.id, _ = strconv.ParseUint(f[0], 10, 64) // 0 is nobody's
		list = append(list, m)
	}
	return list
}

// Of gives the mount that dir is on, or would be if it were made; the zero value where the
// system does not say.
func (t Tables) Of(dir string) Mount {
	path, err := Real(dir)
	if err != nil {
		return Mount{}
	}
	path = Existing(path)
	at := -1
	var st unix.Statx_t
	known := unix.Statx(unix.AT_FDCWD, path, unix.AT_STATX_DONT_SYNC, unix.STATX_MNT_ID, &st) == nil && st.Mask&unix.STATX_MNT_ID != 0
	lines := t.lines() // after the look at it, which may have mounted it (autofs)
	for i, l := range lines {
		switch {
		case known && l.id == st.Mnt_id:
			at = i
		case known:
		case Within(path, l.point) && (at < 0 || len(l.point) >= len(lines[at].point)):
			at = i // a later mount hides an earlier one
		}
	}
	if at < 0 {
		return Mount{}
	}
	l := lines[at]
	m := Mount{Point: l.point, Source: l.source, Type: l.kind, FS: t.name(path, l), Memory: memory(l.kind, l.source)}
	for _, other := range lines {
		if other.device == l.device && IsSystemPoint(other.point) {
			m.System = true
			m.Root = m.Root || other.point == "/"
		}
	}
	return m
}

// name gives what names the file system of a mount wherever, and under whichever device's
// name, it is mounted.
func (t Tables) name(dir string, l mountLine) string {
	if id := t.linked(l); id != "" {
		return "uuid:" + id
	}
	switch l.kind { // those whose ID is made of the device's number
	case "vfat", "msdos", "exfat", "ntfs", "ntfs3", "xfs", "f2fs", "iso9660", "udf", "hfs", "hfsplus", "squashfs", "fuse", "fuseblk", "overlay":
		return ""
	}
	var fs unix.Statfs_t
	if strings.HasPrefix(l.kind, "fuse.") || unix.Statfs(dir, &fs) != nil || fs.Fsid.Val == [2]int32{} {
		return ""
	}
	return fmt.Sprintf("fsid:%08x%08x", uint32(fs.Fsid.Val[0]), uint32(fs.Fsid.Val[1]))
}

// linked gives the UUID under which udev knows the device.
func (t Tables) linked(l mountLine) string {
	dir := filepath.Join(t.Disks, specs["UUID"])
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	want := l.device
	if info, err := os.Stat(l.source); err == nil && info.Mode()&fs.ModeDevice != 0 {
		want = numbers(rawDevice(info)) // of FUSE file systems the mount has a device of its own
	}
	for _, e := range entries {
		if info, err := os.Stat(filepath.Join(dir, e.Name())); err == nil && numbers(rawDevice(info)) == want {
			return e.Name()
		}
	}
	return ""
}

func numbers(device uint64) string {
	return fmt.Sprintf("%d:%d", unix.Major(device), unix.Minor(device))
}

// rawDevice is the number of the device that a file is.
func rawDevice(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Rdev
	}
	return 0
}
