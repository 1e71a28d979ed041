package transport

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestProbeTagIsRefused has a registry's rule for tags refuse the probe's.
func TestProbeTagIsRefused(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 403, 422} {
		p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
		p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			return r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/"+ProbeTag) && refuse(w, r, status, "DENIED", "tags must match ^v[0-9]")
		}
		err := mirrorAt(insecure(t), p.Host, 1).Probe(t.Context(), []oci.Ref{{Registry: p.Host, Repository: "a/b"}}, nil)
		probe, ok := errors.AsType[*ProbeError](err)
		if !ok || probe.Problem != ProblemTag || !strings.Contains(probe.Hint(), ProbeTag) || !strings.Contains(err.Error(), "tags must match") {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// TestProbeMayNotBeSeen has a registry take every push and want a login, which nobody has
// configured, to read: that is no rule for tags.
func TestProbeMayNotBeSeen(t *testing.T) {
	t.Parallel()
	p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		return registrytest.Kind(r) == "GET manifest" && refuse(w, r, http.StatusUnauthorized, "UNAUTHORIZED", "log in to read")
	}
	err := mirrorAt(insecure(t), p.Host, 1).Probe(t.Context(), []oci.Ref{{Registry: p.Host, Repository: "a/b"}}, nil)
	probe, ok := errors.AsType[*ProbeError](err)
	if !ok || probe.Problem == ProblemTag || !strings.Contains(err.Error(), "log in to read") {
		t.Errorf("%v", err)
	}
}
