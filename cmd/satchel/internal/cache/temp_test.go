package cache

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
	"github.com/satchel-airgap/satchel/oci"
)

// TestSweep removes what a crash left, and nothing that another run is writing.
func TestSweep(t *testing.T) {
	t.Parallel()
	dir, parent := t.TempDir(), t.TempDir()
	for _, sub := range []string{"sha256", "parsed"} {
		if err := errors.Join(os.MkdirAll(filepath.Join(dir, sub), 0o700), os.WriteFile(filepath.Join(dir, sub, ".tmp-123"), []byte("half"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	left := filepath.Join(parent, "satchel-cache-1")
	if err := os.MkdirAll(filepath.Join(left, "sha256"), 0o700); err != nil {
		t.Fatal(err)
	}
	other, err := create(filepath.Join(dir, "sha256"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(dir).Put("text/plain", []byte("new")); err != nil {
		t.Fatal(err)
	}
	without := Optional("", parent, func(error) {})
	if _, err := without.Put("text/plain", []byte("new")); err != nil {
		t.Fatal(err)
	}
	second := Optional("", parent, func(error) {})
	if _, err := second.Put("text/plain", []byte("new")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{filepath.Join(dir, "sha256", ".tmp-123"), filepath.Join(dir, "parsed", ".tmp-123"), left} {
		if _, err := os.Lstat(name); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s stays: %v", name, err)
		}
	}
	if _, err := os.Lstat(other.Name()); err != nil {
		t.Errorf("what another run writes: %v", err)
	}
	if !without.Has(mustPut(t, second)) {
		t.Error("a directory that another run uses is gone")
	}
	if err := errors.Join(other.Close(), without.Close(), second.Close()); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(parent); err != nil || len(entries) > 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

func mustPut(t *testing.T, c *Cache) oci.Descriptor {
	t.Helper()
	d, err := c.Put("text/plain", []byte("new"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestSweepAtOnce has many runs write and sweep at the same time: each gets what it stores.
func TestSweepAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := range 20 {
				_, err := New(dir).PutFrom("text/plain", func(w io.Writer) error {
					_, err := fmt.Fprintf(w, "%d of %d", i, n)
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	left, err := filepath.Glob(filepath.Join(dir, "sha256", ".tmp-*"))
	if all, _ := os.ReadDir(filepath.Join(dir, "sha256")); err != nil || len(left) > 0 || len(all) != 160 {
		t.Errorf("%d stored, left over %v, %v", len(all), left, err)
	}
}

// TestFullDisk has its own hint for a disk that is full, and for one that is read-only.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	hints := map[string]bool{}
	for _, errno := range []error{syscall.ENOSPC, syscall.EROFS, syscall.EIO} {
		err := &Error{&os.PathError{Op: "write", Path: "/cache/x", Err: errno}}
		if err.Permanent() || err.Hint() == "" || hints[err.Hint()] {
			t.Errorf("%v: %q", err, err.Hint())
		}
		hints[err.Hint()] = true
	}
}

// TestSweepLeavesOthers removes what satchel made in the directory for temporary files, and
// no directory that only begins with the same name.
func TestSweepLeavesOthers(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	for _, name := range []string{tempDir + "123", tempDir + "backup", tempDir + "2026-01", tempDir} {
		if err := os.MkdirAll(filepath.Join(parent, name, "x"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	durable.Sweep(parent, tempDir)
	entries, err := os.ReadDir(parent)
	if err != nil || len(entries) != 3 {
		t.Errorf("%v, %v", entries, err)
	}
	if _, err := os.Stat(filepath.Join(parent, tempDir+"123")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what a crash left: %v", err)
	}
}
