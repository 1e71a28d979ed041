package main

import (
	"errors"
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
	needSpace  = 1 << 30 // of addresses, most of which are never used
	needMemory = 256 << 20
)

// warnOfLimits names limits on memory under which the system may stop the run.
func (a *app) warnOfLimits() {
	if n := addressLimit(); n < needSpace {
		a.warn("the memory of this process is limited to %s (ulimit -v): below %s it may be stopped", bundle.FormatSize(int64(n)), bundle.FormatSize(needSpace))
	}
	if n := groupLimit("/proc/self/cgroup", "/sys/fs/cgroup"); n < needMemory {
		a.warn("the memory of this control group is limited to %s: below %s the run may be stopped", bundle.FormatSize(int64(n)), bundle.FormatSize(needMemory))
	}
}

// noLimit is more than any host has.
const noLimit = 1 << 62

// addressLimit is the least limit on the addresses of this process, in bytes.
func addressLimit() uint64 {
	least := uint64(noLimit)
	for _, resource := range []int{syscall.RLIMIT_AS, syscall.RLIMIT_DATA} {
		var lim syscall.Rlimit
		if syscall.Getrlimit(resource, &lim) == nil {
			least = min(least, lim.Cur)
		}
	}
	return least
}

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
