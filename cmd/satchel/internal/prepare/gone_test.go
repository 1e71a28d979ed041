package prepare_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prepare"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestGoneReferrer has a registry list an attachment that it no longer has: the image is carried,
// with a warning. Where it refuses to give it, that is an error.
func TestGoneReferrer(t *testing.T) {
	t.Parallel()
	for status, gone := range map[int]bool{http.StatusNotFound: true, http.StatusForbidden: false} {
		b := jobtest.New(t, 54)
		root := b.Content.Image(false, b.Content.Layer(1000, ocitest.LayerTar))
		ref := b.Push(root, "team/a", "v1")
		lost := oci.Digest([]byte("lost"))
		b.Proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			switch {
			case strings.HasSuffix(r.URL.Path, "/referrers/"+root.Digest.String()):
				w.Header().Set("Content-Type", oci.MediaTypeIndex)
				fmt.Fprintf(w, `{"schemaVersion":2,"manifests":[{"mediaType":%q,"digest":%q,"size":4}]}`, oci.MediaTypeManifest, lost)
			case strings.HasSuffix(r.URL.Path, "/manifests/"+lost.String()):
				w.WriteHeader(status)
			default:
				return false
			}
			return true
		}
		s := prepare.New(b.Prepare(jobtest.Images(ref)))
		t.Cleanup(s.Close)
		err := s.Prepare(t.Context())
		switch warned := strings.Contains(b.Log.String(), lost.String()+" is listed as attached to "+root.Digest.String()+", and the registry does not have it"); {
		case gone && (err != nil || !warned || len(s.Inventory().Images) != 1):
			t.Errorf("%d: %v\n%s", status, err, b.Log)
		case !gone && (err == nil || warned):
			t.Errorf("%d: %v\n%s", status, err, b.Log)
		}
	}
}
