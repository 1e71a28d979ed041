package transport

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
)

// TestProduct tells registries apart by what they say of themselves, and no more than that.
func TestProduct(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		header map[string]string
		status int
		want   Product
	}{
		"distribution": {map[string]string{"Docker-Distribution-Api-Version": "registry/2.0"}, 200, ProductUnknown},
		"token":        {map[string]string{"Www-Authenticate": `Bearer realm="https://r.example/token",service="registry"`}, 401, ProductUnknown},
		"Quay":         {map[string]string{"Www-Authenticate": `Bearer realm="https://quay.example/v2/auth",service="quay.example"`, "Server": "nginx/1.20"}, 401, ProductQuay},
		"Harbor":       {map[string]string{"Www-Authenticate": `Bearer realm="https://harbor.example/service/token",service="harbor-registry"`}, 401, ProductHarbor},
		"Nexus":        {map[string]string{"Www-Authenticate": `BASIC realm="Sonatype Nexus Repository Manager"`, "Server": "Nexus/3.87.1-01 (PRO)"}, 401, ProductNexus},
		"Artifactory":  {map[string]string{"X-Jfrog-Version": "Artifactory/7.98.9 79809900"}, 200, ProductArtifactory},
		"broken":       {nil, 502, ProductUnknown},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v2/" {
				t.Errorf("%s: %s was asked for", name, r.URL.Path)
			}
			for k, v := range tc.header {
				w.Header().Set(k, v)
			}
			w.WriteHeader(tc.status)
		}))
		defer srv.Close()
		c := quick(t, Config{})
		m := NewMirror(c, oci.Mirror{Host: strings.TrimPrefix(srv.URL, "http://")}, 1)
		if got := m.Product(t.Context()); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}
