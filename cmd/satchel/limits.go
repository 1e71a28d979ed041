package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/satchel-airgap/satchel/bundle"
)

// limitHint says which limit of the system stopped a run, whatever it was doing then.
func limitHint(err error) string {
	switch {
	case errors.Is(err, syscall.EMFILE):
		return "this process may not open more files: raise the limit (ulimit -n 4096), then run the same command again"
	case errors.Is(err, syscall.ENFILE):
		return "this host may not open more files: end other programs, or raise fs.file-max, then run the same command again"
	case errors.Is(err, syscall.ENOMEM):
		return "there is not enough memory: raise the limit (ulimit -v unlimited, or that of the container), then run the same command again"
	}
	return ""
}

const (
	wantSpace  = 1 << 30   // of addresses, most of which are never used
	needSpace  = 900 << 20 // of addresses: with less, the run may end in a crash of Go's runtime
	wantMemory = 256 << 20
	needFiles  = 32      // open at once, for two lanes and a few connections
	wantFiles  = 256     // for the usual lanes and connections
	needFile   = 1 << 20 // bytes that journals, lists and cached manifests need in one file
)

// limitError says that a limit of this process is below what it needs.
type limitError struct {
	what, limit, need string
	raise             string // the command of the shell
}

func (e *limitError) Error() string {
	return fmt.Sprintf("%s is limited to %s, and at least %s is needed", e.what, e.limit, e.need)
}

// Hint says what to do now.
func (e *limitError) Hint() string {
	return "raise the limit (" + e.raise + "), then run the same command again"
}

// checkLimits refuses limits under which a run cannot end well, and warns of those under
// which it may not. writes says that the command writes files.
func (a *app) checkLimits(limit func(resource int) uint64, writes bool) error {
	space := min(limit(syscall.RLIMIT_AS), limit(syscall.RLIMIT_DATA))
	files, file := limit(syscall.RLIMIT_NOFILE), limit(syscall.RLIMIT_FSIZE)
	size := func(n uint64) string { return bundle.FormatSize(int64(n)) }
	switch {
	case space < needSpace:
		return &limitError{"the memory of this process (ulimit -v)", size(space), size(needSpace), "ulimit -v unlimited"}
	case files < needFiles:
		return &limitError{"the number of files that this process may open (ulimit -n)", strconv.FormatUint(files, 10), strconv.Itoa(needFiles), "ulimit -n 4096"}
	case writes && file < needFile:
		return &limitError{"the size of a file that this process may write (ulimit -f)", size(file), size(needFile), "ulimit -f unlimited"}
	}
	if space < wantSpace {
		a.warn("the memory of this process is limited to %s (ulimit -v): below %s it may be stopped", size(space), size(wantSpace))
	}
	if files < wantFiles {
		a.warn("this process may open %d files at once (ulimit -n): below %d it may be stopped", files, wantFiles)
	}
	if n := groupLimit("/proc/self/cgroup", "/sys/fs/cgroup"); n < wantMemory {
		a.warn("the memory of this control group is limited to %s: below %s the run may be stopped", size(n), size(wantMemory))
	}
	return nil
}

// processLimit is a limit of this process, as it is now.
func processLimit(resource int) uint64 {
	var lim syscall.Rlimit
	if syscall.Getrlimit(resource, &lim) != nil {
		return noLimit
	}
	return min(lim.Cur, noLimit)
}

// noLimit is more than any host has.
const noLimit = 1 << 62

// groupLimit is the memory limit of the control group (version 2) of this process and
// those above it, in bytes.
func groupLimit(self, root string) uint64 {
	least := uint64(noLimit)
	body, err := os.ReadFile(self)
	if err != nil {
		return least
	}
	for line := range strings.Lines(string(body)) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		for ok && path != "" {
			if body, err := os.ReadFile(root + path + "/memory.max"); err == nil {
				if n, err := strconv.ParseUint(strings.TrimSpace(string(body)), 10, 64); err == nil {
					least = min(least, n)
				}
			}
			path = path[:max(strings.LastIndex(path, "/"), 0)]
		}
	}
	return least
}

// diskTrouble reports whether a disk, and not what was typed, is at fault.
func diskTrouble(err error) bool {
	for _, errno := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO, syscall.EFBIG} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
