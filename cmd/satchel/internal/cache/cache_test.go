package cache_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/cache"
	"github.com/satchel-airgap/satchel/oci"
)

// nothing is a source that has nothing.
func nothing(_ context.Context, d oci.Descriptor, _ int64) (io.ReadCloser, error) {
	return nil, fs.ErrNotExist
}

// TestPutFrom keeps content that is read at once and content that is streamed,
// reads it from several offsets, and gives neither once it is damaged.
func TestPutFrom(t *testing.T) {
	ctx := context.Background()
	for _, size := range []int{0, 1000, 5 << 20} {
		dir := t.TempDir()
		c := cache.New(dir)
		body := bytes.Repeat([]byte("0123456789abcde\n"), size/16+1)[:size]
		d, err := c.PutFrom("text/plain", func(w io.Writer) error {
			_, err := w.Write(body)
			return err
		})
		if err != nil || d.Digest != oci.Digest(body) || d.Size != int64(size) || !c.Has(d) {
			t.Fatalf("kept %d bytes as %v, %v", size, d, err)
		}
		src := c.Overlay(oci.SourceFunc(nothing))
		for _, off := range []int{0, size / 2, size} {
			rc, err := src.Open(ctx, d, int64(off))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(rc)
			if err := errors.Join(err, rc.Close()); err != nil || !bytes.Equal(got, body[off:]) {
				t.Errorf("%d bytes from %d: %d bytes, %v", size, off, len(got), err)
			}
		}
		if size == 0 {
			continue
		}
		file := filepath.Join(dir, "sha256", d.Digest.Encoded())
		body[size-1] ^= 1
		if err := os.WriteFile(file, body, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := src.Open(ctx, d, 0); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("damaged content of %d bytes: %v", size, err)
		}
	}
}

// TestPutFromFails leaves nothing behind.
func TestPutFromFails(t *testing.T) {
	dir := t.TempDir()
	bad := errors.New("no more")
	_, err := cache.New(dir).PutFrom("text/plain", func(w io.Writer) error {
		_, err := w.Write([]byte("begun"))
		return errors.Join(err, bad)
	})
	if !errors.Is(err, bad) {
		t.Errorf("got %v", err)
	}
	left, err := os.ReadDir(filepath.Join(dir, "sha256"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestAdopt keeps what another cache has, and takes it again where it was damaged.
func TestAdopt(t *testing.T) {
	dir := t.TempDir()
	from, to := cache.New(filepath.Join(dir, "from")), cache.New(filepath.Join(dir, "to"))
	body := bytes.Repeat([]byte("abc"), 3<<20)
	d, err := from.PutFrom("text/plain", func(w io.Writer) error {
		_, err := w.Write(body)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "to", "sha256", d.Digest.Encoded())
	damages := [][]byte{[]byte("cut"), append([]byte("x"), body[1:]...)} // by size, and by content alone
	for _, damage := range append(damages, nil) {
		if err := to.Adopt(t.Context(), from, d); err != nil {
			t.Fatal(err)
		}
		got, err := oci.ReadBlob(t.Context(), to.Overlay(oci.SourceFunc(nothing)), d, d.Size)
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("took %d bytes, %v", len(got), err)
		}
		if err := errors.Join(os.Remove(file), os.WriteFile(file, damage, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.Adopt(t.Context(), cache.New(filepath.Join(dir, "empty")), d); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("taken from nowhere: %v", err)
	}
}
