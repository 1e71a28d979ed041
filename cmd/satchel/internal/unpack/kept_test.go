package unpack_test

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestWithoutDrive reads a mirror back by what this host has kept of a bundle, which only
// its user may read.
func TestWithoutDrive(t *testing.T) {
	t.Parallel()
	s := newSite(t, 34)
	o := s.options(t, "")
	o.State, o.Out = t.TempDir(), nil
	var none *unpack.NotKeptError
	if err := unpack.WithoutDrive(t.Context(), "", jobtest.Client(), o); !errors.As(err, &none) {
		t.Fatalf("before the first unpack: %v", err)
	}
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
		t.Fatal(err)
	}
	list, err := filepath.Glob(filepath.Join(o.State, "mirrors", "*", "set-*"))
	if err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	if info, err := os.Stat(list[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	s.mirror.Reset()
	for _, id := range []string{"", s.reader.ID(), "satchel-" + s.reader.ID()} {
		if err := unpack.WithoutDrive(t.Context(), id, jobtest.Client(), o); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
	if n := s.mirror.Count("GET blob"); n == 0 || s.mirror.Count("PUT manifest")+s.mirror.Count("POST upload") > 0 {
		t.Errorf("requests: %v", s.mirror.Counts())
	}
	if err := unpack.WithoutDrive(t.Context(), "another", jobtest.Client(), o); !errors.As(err, &none) || len(none.IDs) != 1 {
		t.Errorf("another bundle: %v", err)
	}
	s.mirror.Alter = func(resp *http.Response) error {
		if registrytest.Kind(resp.Request) == "GET blob" && resp.ContentLength > 1<<20 {
			resp.Body = flipped{resp.Body}
		}
		return nil
	}
	var wrong *transport.BlobError
	var drive *unpack.WrongError
	if err := unpack.WithoutDrive(t.Context(), "", jobtest.Client(), o); !errors.As(err, &wrong) || !errors.As(err, &drive) || !strings.Contains(drive.Hint(), s.reader.ID()) {
		t.Errorf("other bytes: %v", err)
	}
}

// TestTidy removes what an unpack finds of no use on this host, and nothing else.
func TestTidy(t *testing.T) {
	t.Parallel()
	s := newSite(t, 40)
	o := s.options(t, "")
	o.State, o.Out = t.TempDir(), nil
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
		t.Fatal(err)
	}
	list, err := filepath.Glob(filepath.Join(o.State, "mirrors", "*", "set-*"))
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	dir, own := filepath.Split(list[0])
	for name, days := range map[string]int{own: 200, "set-old": 181, "set-new": 100, "read-old": 2, ".satchel-tmp-123": 0, "notes": 999} {
		file, then := filepath.Join(dir, name), time.Now().AddDate(0, 0, -days)
		f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY, 0o600)
		if err := errors.Join(err, f.Close(), os.Chtimes(file, then, then)); err != nil {
			t.Fatal(err)
		}
	}
	for _, dry := range []bool{true, false} {
		o.DryRun = dry
		if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
			t.Fatal(err)
		}
		left, err := os.ReadDir(dir)
		left = slices.DeleteFunc(left, fs.DirEntry.IsDir) // receipts
		if dry && len(left) != 6 || !dry && len(left) != 3 || err != nil {
			t.Errorf("dry run %v: left: %v, %v", dry, left, err)
		}
	}
	if err := unpack.WithoutDrive(t.Context(), s.reader.ID(), jobtest.Client(), o); err != nil {
		t.Error(err)
	}
}
