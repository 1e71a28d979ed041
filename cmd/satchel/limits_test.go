package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestLimitHint names the limit, whatever the run was doing when it met it.
func TestLimitHint(t *testing.T) {
	t.Parallel()
	for errno, want := range map[error]string{syscall.EMFILE: "ulimit -n", syscall.ENFILE: "fs.file-max", syscall.ENOMEM: "ulimit -v"} {
		list := hints(fmt.Errorf("pull registry.example/a: %w", &os.SyscallError{Syscall: "socket", Err: errno}))
		if len(list) != 1 || !strings.Contains(list[0], want) {
			t.Errorf("%v: %q", errno, list)
		}
	}
}

// TestGroupLimit takes the least of the control groups above a process.
func TestGroupLimit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	err := errors.Join(
		os.MkdirAll(filepath.Join(dir, "a", "b"), 0o755),
		os.WriteFile(filepath.Join(dir, "self"), []byte("1:cpu:/x\n0::/a/b\n"), 0o644),
		os.WriteFile(filepath.Join(dir, "a", "memory.max"), []byte("134217728\n"), 0o644),
		os.WriteFile(filepath.Join(dir, "a", "b", "memory.max"), []byte("max\n"), 0o644),
	)
	if err != nil {
		t.Fatal(err)
	}
	if n := groupLimit(filepath.Join(dir, "self"), dir); n != 128<<20 {
		t.Errorf("%d bytes", n)
	}
	if n := groupLimit(filepath.Join(dir, "absent"), dir); n != noLimit {
		t.Errorf("without control groups: %d bytes", n)
	}
}

// TestAnswers takes the number, the word or its first letter.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]bool{"1": true, "yes": true, "Y": true, " y ": true, "2": false, "no": false, "": false, "yesterday": false} {
		if answers(typed, "1", "yes") != want {
			t.Errorf("%q: %v", typed, !want)
		}
	}
}

// TestCheckLimits refuses what cannot end well by name, and warns of what may not.
func TestCheckLimits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		resource int
		limit    uint64
		writes   bool
		refused  string
		warned   string
	}{
		"none":               {-1, 0, true, "", ""},
		"little memory":      {syscall.RLIMIT_AS, 800 << 20, false, "ulimit -v", ""},
		"scarce memory":      {syscall.RLIMIT_DATA, 950 << 20, false, "", "ulimit -v"},
		"few files":          {syscall.RLIMIT_NOFILE, 16, false, "ulimit -n", ""},
		"scarce files":       {syscall.RLIMIT_NOFILE, 64, false, "", "ulimit -n"},
		"small files":        {syscall.RLIMIT_FSIZE, 1024, true, "ulimit -f", ""},
		"small files unused": {syscall.RLIMIT_FSIZE, 1024, false, "", ""},
	} {
		var said bytes.Buffer
		err := (&app{stderr: &said}).checkLimits(func(resource int) uint64 {
			if resource == c.resource {
				return c.limit
			}
			return noLimit
		}, c.writes)
		if (err != nil) != (c.refused != "") || err != nil && (!strings.Contains(err.Error(), c.refused) || exitCode(err) != exitDrive) {
			t.Errorf("%s: %v", name, err)
		}
		if warned := strings.Contains(said.String(), "(ulimit"); warned != (c.warned != "") || !strings.Contains(said.String(), c.warned) {
			t.Errorf("%s: %s", name, &said)
		}
	}
}
