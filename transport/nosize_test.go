package transport

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestListedWithoutSizeAndGone has a list of referrers name, without a size, what is not there any
// more: that is listed, as it is with a size.
func TestListedWithoutSizeAndGone(t *testing.T) {
	t.Parallel()
	c := ocitest.New(35)
	subject := c.Image(false, c.Layer(1000, ocitest.LayerGzip))
	gone := oci.Digest([]byte("gone"))
	p := registrytest.StartProxy(t, registrytest.Start(t).Host)
	mustFill(t, mirrorAt(insecure(t), p.Host, 1), c, images(map[string]oci.Descriptor{"a": subject}))
	for _, entry := range []string{fmt.Sprintf(`{"mediaType":%q,"digest":%q}`, oci.MediaTypeManifest, gone), fmt.Sprintf(`{"digest":%q}`, gone)} {
		p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			if registrytest.Kind(r) != "GET referrer" {
				return false
			}
			w.Header().Set("Content-Type", oci.MediaTypeIndex)
			_, _ = fmt.Fprintf(w, `{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, oci.MediaTypeIndex, entry)
			return true
		}
		r, err := insecure(t).Repository(oci.Ref{Registry: p.Host, Repository: "mirror/team/a"})
		if err != nil {
			t.Fatal(err)
		}
		all, err := r.Attachments(t.Context(), subject)
		if err != nil || len(all.List) != 1 || all.List[0].Root.Digest != gone {
			t.Errorf("%s: %+v, %v", entry, all, err)
		}
	}
}
