package unpack_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestReadBack reads each blob once, goes on after an interruption, and names a blob with
// other bytes of the same length.
func TestReadBack(t *testing.T) {
	t.Parallel()
	s := newSite(t, 33)
	o := s.options(t, "")
	o.State, o.Parallel, o.Verify = t.TempDir(), 1, transport.VerifyFull
	var images, blobs atomic.Int32
	s.mirror.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if registrytest.Kind(r) == "PUT manifest" && strings.HasSuffix(r.URL.Path, "/manifests/v1") {
			images.Add(1)
		}
		if registrytest.Kind(r) != "GET blob" || images.Load() < 2 {
			return false
		}
		if blobs.Add(1) > 3 { // in the middle
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	}
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err == nil {
		t.Fatal("a refusal in the middle is no error")
	}
	if noted := doubts(t, o.State); !strings.Contains(noted, "unproven sha256:") {
		t.Errorf("begun: %q", noted)
	}
	trusting := o
	trusting.Verify, trusting.DryRun = transport.VerifyManifests, true
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), trusting); err == nil || !strings.Contains(s.Log.String(), "did not end: every blob is looked at") {
		t.Errorf("after an interruption: %v\n%s", err, s.Log.String())
	}
	noted, err := filepath.Glob(filepath.Join(o.State, "mirrors", "*", "read-*"))
	if err != nil || len(noted) != 1 {
		t.Fatalf("noted: %v, %v", noted, err)
	}
	s.mirror.Answer = nil
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil || !strings.Contains(s.Log.String(), "by an earlier run that did not end") {
		t.Fatalf("%v\n%s", err, s.Log.String())
	}
	if _, err := os.Stat(noted[0]); err == nil {
		t.Error("what was noted is still there")
	}
	if noted := doubts(t, o.State); noted != "" {
		t.Errorf("after the end: %q", noted)
	}
	s.mirror.Alter = func(resp *http.Response) error {
		if registrytest.Kind(resp.Request) == "GET blob" && resp.ContentLength > 1<<20 {
			resp.Body = flipped{resp.Body}
		}
		return nil
	}
	var wrong *transport.BlobError
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); !errors.As(err, &wrong) || wrong.Repo.Repository != "in/team/app" {
		t.Errorf("other bytes: %v", err)
	}
}

// flipped has other bytes, as many.
type flipped struct{ io.ReadCloser }

func (f flipped) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	for i := range p[:n] {
		p[i] ^= 1
	}
	return n, err
}
