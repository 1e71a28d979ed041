package transport

import (
	"context"
	"net/http"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
)

// Product is a program that serves a registry.
type Product string

// Products that can be told from others by their answer to GET /v2/.
const (
	ProductUnknown     Product = ""
	ProductQuay        Product = "Quay"
	ProductHarbor      Product = "Harbor"
	ProductNexus       Product = "Nexus"
	ProductArtifactory Product = "Artifactory"
)

// Product finds out which program serves the mirror. It never fails: where there is no
// answer, or it is as that of others, the product is not known.
func (m *Mirror) Product(ctx context.Context) Product {
	r, err := m.client.Repository(oci.Ref{Registry: m.target.Host, Repository: "satchel", Tag: "x"})
	if err != nil || r.sender.blocked != nil {
		return ProductUnknown
	}
	return r.sender.endpoint.rootAnswer(ctx, r.location.Host()).product
}

// productOf reads the header of an answer to GET /v2/. Quay and Harbor name their token
// services there, Nexus and Artifactory themselves.
func productOf(h http.Header) Product {
	server, challenge := h.Get("Server"), strings.Join(h.Values("Www-Authenticate"), ", ")
	switch {
	case h.Get("X-Jfrog-Version") != "" || h.Get("X-Artifactory-Id") != "" || strings.HasPrefix(server, "Artifactory/"):
		return ProductArtifactory
	case strings.HasPrefix(server, "Nexus/"):
		return ProductNexus
	case strings.Contains(challenge, `service="harbor-registry"`):
		return ProductHarbor
	case strings.Contains(challenge, `/v2/auth"`):
		return ProductQuay
	}
	return ProductUnknown
}
