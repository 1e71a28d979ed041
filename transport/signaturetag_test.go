package transport

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestMirrorHidesSignatures has a mirror refuse a signature that is not there: nodes that
// look for one would not pull the image.
func TestMirrorHidesSignatures(t *testing.T) {
	t.Parallel()
	c := ocitest.New(16)
	inv := images(map[string]oci.Descriptor{
		"a": c.Image(false, c.Layer(1000, ocitest.LayerGzip)),
		"b": c.Index(false, c.Image(false, c.Layer(1000, ocitest.LayerGzip))),
	})
	inv.Images = append(inv.Images, oci.Image{Origin: "additional", Source: inv.Images[0].Source.WithTag("2"), Root: c.Image(false, c.Layer(1000, ocitest.LayerGzip)), Tags: []string{"2"}})
	reg := registrytest.Start(t)
	mustFill(t, mirrorAt(insecure(t), reg.Host, 1), c, inv)
	for status, refused := range map[int]int{401: 2, 403: 2, 405: 2, 415: 2, 400: 2, 500: 2, 404: 0, 200: 0} {
		p := registrytest.StartProxy(t, reg.Host)
		p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			return strings.HasSuffix(r.URL.Path, ".sig") && refuse(w, r, status, "DENIED", "")
		}
		m := mirrorAt(insecure(t), p.Host, 1)
		err := m.Confirm(t.Context(), c, inv.Images)
		var unsaid *SignatureError
		var answer *RegistryError
		if n := strings.Count(errorText(err), "refuses to say"); n != refused || refused > 0 && (!errors.As(err, &unsaid) || unsaid.Hint() == "" || !errors.As(err, &answer)) {
			t.Errorf("%d: %v", status, err)
		}
		if _, err := m.Lacks(t.Context(), c, inv); (err != nil) != (refused > 0) {
			t.Errorf("%d: asked once: %v", status, err)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
