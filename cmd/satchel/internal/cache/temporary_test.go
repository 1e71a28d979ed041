package cache_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/cache"
	"github.com/satchel-airgap/satchel/oci"
)

// blocked creates a directory in which nothing can be stored under these names.
func blocked(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestOptional uses a cache whose directory takes nothing: one warning, everything is
// stored elsewhere, and is gone at the end.
func TestOptional(t *testing.T) {
	t.Parallel()
	hello := func(w io.Writer) error { _, err := io.WriteString(w, "hello"); return err }
	for name, dir := range map[string]string{
		"below a file":  filepath.Join(blocked(t, "file"), "file", "cache"),
		"full of files": blocked(t, "sha256", "parsed"),
		"none":          "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			warnings, temp := 0, t.TempDir()
			c := cache.Optional(dir, temp, func(error) { warnings++ })
			read := func(d oci.Descriptor) {
				t.Helper()
				body, err := oci.ReadBlob(t.Context(), c.Overlay(oci.SourceFunc(nothing)), d, d.Size)
				if err != nil || oci.Digest(body) != d.Digest || !c.Has(d) {
					t.Errorf("read %q, %v", body, err)
				}
			}
			put, err := c.Put("text/plain", []byte("put"))
			if err != nil {
				t.Fatal(err)
			}
			read(put)
			from, err := c.PutFrom("text/plain", hello)
			if err != nil {
				t.Fatal(err)
			}
			read(from)
			for range 2 {
				rc, err := c.Derived(t.Context(), "key", hello)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(rc)
				if err := errors.Join(err, rc.Close()); err != nil || string(body) != "hello" {
					t.Errorf("derived %q, %v", body, err)
				}
			}
			built := cache.New(t.TempDir())
			if err := built.Adopt(t.Context(), c, from); err != nil || !built.Has(from) {
				t.Errorf("adopt: %v", err)
			}
			if want := min(len(dir), 1); warnings != want {
				t.Errorf("%d warnings, want %d", warnings, want)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			if _, err := c.Put("text/plain", []byte("late")); !errors.Is(err, fs.ErrClosed) {
				t.Errorf("stored after the end: %v", err)
			}
			if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// TestOptionalIsRead reads what a cache has that takes no more.
func TestOptionalIsRead(t *testing.T) {
	t.Parallel()
	dir := blocked(t, "parsed")
	had, err := cache.New(dir).Put("text/plain", []byte("had"))
	if err != nil {
		t.Fatal(err)
	}
	c := cache.Optional(dir, t.TempDir(), func(error) {})
	if rc, err := c.Derived(t.Context(), "key", func(io.Writer) error { return nil }); err != nil || rc.Close() != nil {
		t.Fatal(err)
	}
	if body, err := oci.ReadBlob(t.Context(), c.Overlay(oci.SourceFunc(nothing)), had, had.Size); err != nil || string(body) != "had" {
		t.Errorf("read %q, %v", body, err)
	}
}

// TestNowhere has no directory at all: what comes from a source is still given, what must
// be stored is an error.
func TestNowhere(t *testing.T) {
	t.Parallel()
	c := cache.Optional("", filepath.Join(t.TempDir(), "missing"), func(error) {})
	body := []byte("body")
	var m oci.Memory
	d := m.Add("text/plain", body)
	if got, err := oci.ReadBlob(t.Context(), c.ReadThrough(&m), d, d.Size); err != nil || string(got) != "body" {
		t.Errorf("read %q, %v", got, err)
	}
	if _, err := c.Put("text/plain", body); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("put: %v", err)
	}
}
