package main

import (
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
