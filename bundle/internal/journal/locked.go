package journal

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// Locked reports whether a process has the journal at path, as far as the system tells: by
// looking, because trying the lock would be in another run's way.
func Locked(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	body, err := os.ReadFile("/proc/locks") // proc_locks(5)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(body)) {
		f := strings.Fields(line)
		if len(f) >= 6 && f[1] == "FLOCK" && f[3] == "WRITE" && strings.HasSuffix(f[5], fmt.Sprintf(":%d", st.Ino)) {
			return !isFree(path)
		}
	}
	return false
}

// isFree tries the lock, because the list does not always name the file system as others do:
// a file of another one may have the same number.
func isFree(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	return !errors.Is(err, syscall.EWOULDBLOCK)
}
