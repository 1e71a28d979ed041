package media

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxCluster is the largest cluster that any file system has: exFAT's.
const maxCluster = 32 << 20

// RoomOf gives the space below dir. The error wraps [ErrUnknownSpace] where the file system
// does not say, or says what cannot be.
func RoomOf(dir string) (Room, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ENOTCONN) || errors.Is(err, unix.EIO) {
			return Room{}, &Error{"ask for the free space of", dir, err}
		}
		return Room{}, fmt.Errorf("%w: %w", ErrUnknownSpace, err)
	}
	unit := int64(st.Frsize) // statvfs(3): f_bavail counts fragments
	if unit == 0 {
		unit = int64(st.Bsize)
	}
	if st.Blocks == 0 || unit <= 0 || unit > maxCluster || st.Bavail > st.Blocks || st.Blocks > math.MaxInt64/uint64(unit) {
		return Room{}, ErrUnknownSpace
	}
	r := Room{Free: int64(st.Bavail) * unit, Cluster: unit, Files: -1}
	if st.Files > 0 && st.Ffree <= st.Files {
		r.Files = int64(min(st.Ffree, math.MaxInt64))
	}
	return r, nil
}

// FileLimit gives the largest file that this process may write, in bytes; -1 for any.
func FileLimit() int64 {
	var lim unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_FSIZE, &lim) != nil || lim.Cur > math.MaxInt64 {
		return -1
	}
	return int64(lim.Cur)
}

// Session names the present mount of the drive that holds dir. Another answer,
// or an empty one, means that the drive may have been away in between.
func Session(dir string) string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	var st unix.Statx_t
	const mountUnique = 0x4000 // STATX_MNT_ID_UNIQUE, Linux 6.8
	if err := unix.Statx(unix.AT_FDCWD, dir, 0, unix.STATX_INO|mountUnique, &st); err != nil || st.Mask&mountUnique == 0 {
		return "" // an older kernel gives the next mount the number of the last one
	}
	return fmt.Sprintf("%s/%d:%d/%d", strings.TrimSpace(string(boot)), st.Dev_major, st.Dev_minor, st.Mnt_id)
}

// SyncAll makes everything that was written to the file system of dir durable.
func SyncAll(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return &Error{"sync", dir, err}
	}
	err = unix.Syncfs(int(f.Fd()))
	if err = errors.Join(err, f.Close()); err != nil {
		return &Error{"sync", dir, err}
	}
	return nil
}

func sameDevice(a, b fs.FileInfo) bool {
	x, okx := a.Sys().(*syscall.Stat_t)
	y, oky := b.Sys().(*syscall.Stat_t)
	return okx && oky && x.Dev == y.Dev
}

// DropCache asks the kernel to forget the file's pages, so that the next read
// comes from the drive. It is advice: a kernel that keeps them is no error.
func (f *File) DropCache() {
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}
