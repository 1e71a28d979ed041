package tempfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFile keeps bytes under no name.
func TestFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	f, err := New("a test")
	if err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v is there, %v", left, err)
	}
	if _, err := f.Write([]byte("abc")); err != nil {
		t.Error(err)
	}
	if _, err := f.WriteAt([]byte("de"), 3); err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(io.NewSectionReader(f, 1, 10)); string(got) != "bcde" || err != nil {
		t.Errorf("%q %v", got, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	_, err = f.Write([]byte("x"))
	if e, ok := errors.AsType[*Error](err); !ok || e.Dir != dir || !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v", err)
	}
}

// TestNoDirectory names the directory and what was to be kept.
func TestNoDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	t.Setenv("TMPDIR", dir)
	_, err := New("a test")
	e, ok := errors.AsType[*Error](err)
	if !ok || !strings.Contains(err.Error(), "keep a test in the directory for temporary files, "+dir) || !strings.Contains(e.Hint(), "TMPDIR") {
		t.Errorf("%v", err)
	}
}
