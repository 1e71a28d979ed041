package unpack_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestWithoutDriveInEveryRepository has a mirror that lost a blob in the second of the
// repositories that need it: that is seen without the drive too, and known to later runs.
func TestWithoutDriveInEveryRepository(t *testing.T) {
	t.Parallel()
	s := newSite(t, 41)
	done, err := pack.Run(t.Context(), s.Pack(s.Prepare(jobtest.Images(s.Push(s.roots["team/app"], "team/app", "v1"), s.Push(s.roots["team/app"], "team/copy", "v1"))), "drive2"))
	if err != nil {
		t.Fatal(err)
	}
	r, o := s.Open(done.Dir), s.options(t, "")
	o.State = t.TempDir()
	if err := unpack.Run(t.Context(), r, jobtest.Client(), o); err != nil {
		t.Fatal(err)
	}
	lost := layerOf(t, r).Digest.String()
	s.mirror.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		gone := registrytest.Kind(r) == "GET blob" && strings.HasSuffix(r.URL.Path, "/in/team/copy/blobs/"+lost)
		if gone {
			w.WriteHeader(http.StatusNotFound)
		}
		return gone
	}
	for range 2 { // it is noted too
		var wrong *transport.BlobError
		if err := unpack.WithoutDrive(t.Context(), "", jobtest.Client(), o); !errors.As(err, &wrong) || wrong.Repo.Repository != "in/team/copy" {
			t.Errorf("a blob that one repository lost: %v", err)
		}
	}
	s.mirror.Answer = nil
	if err := unpack.WithoutDrive(t.Context(), "", jobtest.Client(), o); err != nil || doubts(t, o.State) != "" {
		t.Errorf("all is there again: %v, noted: %q", err, doubts(t, o.State))
	}
}
