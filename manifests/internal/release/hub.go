package release

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/oci"
)

// hubSignatures gives the signatures that a hub got with its releases. They are verified as
// those of any store.
type hubSignatures struct {
	ask.Images
	hub   *imageset.Hub
	other bool // a store was named: it is asked for what the hub lacks
}

// Fetch answers for the address of a signature.
func (s *hubSignatures) Fetch(ctx context.Context, link string, limit int64) ([]byte, error) {
	var hex string
	var n int
	if _, rest, ok := strings.Cut(link, "/sha256="); ok {
		hex, rest, _ = strings.Cut(rest, "/signature-")
		_, _ = fmt.Sscanf(rest, "%d", &n) // our own address
	}
	if body, ok := s.hub.File(documents.DocumentSignatures, fmt.Sprintf("sha256-%s-%d", hex, n)); ok {
		return base64.StdEncoding.DecodeString(strings.TrimSuffix(string(body), "\n"))
	}
	if s.other {
		return s.Images.Fetch(ctx, link, limit)
	}
	return nil, &ask.FetchError{URL: link, Status: http.StatusNotFound}
}

// graphOfHub asks for the graph image that the hub has, as it is.
func graphOfHub(h *imageset.Hub, w *ask.Image) error {
	img, ok := h.Built(w.Origin, w.Ref)
	if !ok {
		return fmt.Errorf("the bundle that filled %s brought no graph image", h.Mirror)
	}
	w.Built, w.Base, w.Platforms = img.Root, img.Base, img.Platforms
	return nil
}

// isGraphOfHub reports whether the graph image comes from a hub: other data was not named.
func isGraphOfHub(c *imageset.Config) bool {
	x := c.Extra
	return x.Hub != nil && x.GraphData == (imageset.GraphData{}) && x.GraphBase == (oci.Ref{})
}
