package unpack_test

import (
	"net/http"
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

// TestLeftOutLeavesNoDoubt has a mirror refuse a referrer that its probe did not show: nothing is
// in doubt of what was left out.
func TestLeftOutLeavesNoDoubt(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 36)
	c := b.Content
	root := c.Image(true, c.Layer(1000, ocitest.LayerGzip))
	alone := c.Blob([]byte(`{"of":"the sbom alone"}`), "application/vnd.oci.empty.v1+json")
	sbom := c.Blob([]byte(`{"schemaVersion":2,"mediaType":"`+oci.MediaTypeManifest+`","artifactType":"application/spdx+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"`+
		alone.Digest.String()+`","size":23},"layers":[],"subject":{"mediaType":"`+root.MediaType+`","digest":"`+root.Digest.String()+`","size":1}}`), oci.MediaTypeManifest)
	b.Push(sbom, "team/app", "sbom")
	done, err := pack.Run(t.Context(), b.Pack(b.Prepare(jobtest.Images(b.Push(root, "team/app", "v1"))), "drive"))
	if err != nil {
		t.Fatal(err)
	}
	mirror := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
	mirror.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/manifests/"+sbom.Digest.String()) {
			return false
		}
		w.WriteHeader(http.StatusForbidden)
		return true
	}
	o := unpack.Options{To: b.To(), Parallel: 2, Site: manifests.Site{Mirror: oci.Mirror{Host: mirror.Host}}, State: t.TempDir()}
	if err := unpack.Run(t.Context(), b.Open(done.Dir), jobtest.Client(), o); err != nil || !strings.Contains(b.Log.String(), "not pushed: ") {
		t.Fatalf("%v\n%s", err, b.Log.String())
	}
	if noted := doubts(t, o.State); noted != "" {
		t.Errorf("in doubt: %q", noted)
	}
}
