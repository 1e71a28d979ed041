package check_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/check"
	"github.com/satchel-airgap/satchel/manifests"
)

// TestWithoutRule: what a catalog in the mirror names on a host that no rule and no receipt knows is not
// asked for there, and found.
func TestWithoutRule(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 241, kind{})
	for _, offline := range []bool{false, true} {
		o := w.options()
		if offline { // the catalogs are not read then: receipts name the images
			o.Offline = true
		} else {
			o.Receipts = nil
		}
		o.Handover.Rules = nil
		r, err := w.run(o)
		if fails := (*check.FailsError)(nil); !errors.As(err, &fails) {
			t.Fatalf("offline %t: %v", offline, err)
		}
		n := 0
		for _, f := range r.Findings {
			if f.Kind == check.NoRule && f.Fails && strings.HasPrefix(f.Image, w.Proxy.Host+"/op") && len(f.Why) > 0 && (offline || strings.Contains(f.Do, "--inside "+w.Proxy.Host)) {
				n++
			}
		}
		if n != 4 {
			t.Errorf("offline %t: %d images of operators without a rule: %+v", offline, n, r.Findings)
		}
	}
}

// TestSentOn: a mirror that sends nodes to the source is found to do so, whether it redirects or has its
// tokens from there. No rule is said to be missing.
func TestSentOn(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v2/" {
				http.Redirect(w, r, "https://source.example"+r.URL.Path, http.StatusTemporaryRedirect)
			}
		},
		"token": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="https://auth.source.example/token",service="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		},
	} {
		mirror := httptest.NewServer(answer)
		t.Cleanup(mirror.Close)
		host := strings.TrimPrefix(mirror.URL, "http://")
		o := check.Options{Depth: check.Configs, Parallel: 1, Tries: 1, Temp: t.TempDir()}
		o.Cluster = clusterWith(t, fmt.Sprintf(deployments, "a", "source.example/team/app@"+digest.FromString("x").String()))
		var err error
		if o.Handover, err = manifests.ReadHandover(fstest.MapFS{
			"registries.conf":   {Data: []byte("[[registry]]\nprefix = ''\nlocation = 'source.example/team'\n[[registry]]\nprefix = ''\nlocation = '" + host + "'\ninsecure = true\n"), Mode: 0o600},
			"icsp-generic.yaml": {Data: []byte("apiVersion: operator.openshift.io/v1alpha1\nkind: ImageContentSourcePolicy\nmetadata: {name: satchel-generic}\nspec:\n  repositoryDigestMirrors:\n  - {source: source.example/team, mirrors: ['" + host + "/in']}\n"), Mode: 0o600},
		}); err != nil {
			t.Fatal(err)
		}
		r, err := check.Run(t.Context(), o)
		if fails := (*check.FailsError)(nil); !errors.As(err, &fails) {
			t.Fatalf("%s: %v", name, err)
		}
		if !slices.ContainsFunc(r.Findings, func(f check.Finding) bool {
			return f.Kind == check.Elsewhere && f.Object == "shop/deployment/a c" && f.Fails && strings.Contains(f.Wrong, host+"/in/app: it sends nodes on to ") && strings.Contains(f.Wrong, "source.example, which they do not reach")
		}) {
			t.Errorf("%s: %+v", name, r.Findings)
		}
	}
}
