package unpack_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"

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
	if err := unpack.WithoutDrive(t.Context(), "", jobtest.Client(), o); !errors.As(err, &wrong) {
		t.Errorf("other bytes: %v", err)
	}
}
