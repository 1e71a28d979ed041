package unpack_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestSuspectIsLeftOut has a mirror refuse the blob of an attachment that may be left out, and
// that was wrong when it was last read: it is not said to have been pushed.
func TestSuspectIsLeftOut(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 43)
	c := b.Content
	root, layer := c.Image(true, c.Layer(1<<20, ocitest.LayerGzip)), c.Layer(1000, ocitest.LayerGzip)
	b.Push(c.Image(false, layer), "team/app", "sha256-"+root.Digest.Encoded()+".sbom")
	done, err := pack.Run(t.Context(), b.Pack(b.Prepare(jobtest.Images(b.Push(root, "team/app", "v1"))), "drive"))
	if err != nil {
		t.Fatal(err)
	}
	mirror := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
	mirror.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		refused := r.Method == http.MethodPut && r.URL.Query().Get("digest") == layer.Digest.String()
		if refused {
			w.WriteHeader(http.StatusForbidden)
		}
		return refused
	}
	o := unpack.Options{To: b.To(), Parallel: 2, Site: manifests.Site{Mirror: oci.Mirror{Host: mirror.Host}}, Attachments: unpack.AttachmentsOptional, State: t.TempDir()}
	noted := filepath.Join(o.State, "mirrors", oci.Digest([]byte(mirror.Host)).Encoded()[:16], "doubts")
	err = os.MkdirAll(filepath.Dir(noted), 0o700)
	if err == nil {
		err = os.WriteFile(noted, []byte("wrong "+layer.Digest.String()+" team/app\n"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := unpack.Run(t.Context(), b.Open(done.Dir), jobtest.Client(), o); err != nil || !strings.Contains(b.Log.String(), "not pushed: ") {
		t.Errorf("%v\n%s", err, b.Log.String())
	}
	if left := doubts(t, o.State); !strings.Contains(left, "wrong "+layer.Digest.String()) {
		t.Errorf("noted: %q", left)
	}
}
