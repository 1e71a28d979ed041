package transport

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestHangingDelete has a registry answer no DELETE: it is asked once in a run.
func TestHangingDelete(t *testing.T) {
	t.Parallel()
	p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
	var asked atomic.Int32
	p.Answer = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodDelete {
			return false
		}
		asked.Add(1)
		<-r.Context().Done()
		return true
	}
	c := insecure(t)
	c.cancelling = 100 * time.Millisecond
	var repos []oci.Ref
	for _, name := range []string{"a/a", "a/b", "a/c"} {
		repos = append(repos, oci.Ref{Registry: p.Host, Repository: name})
	}
	if err := mirrorAt(c, p.Host, 1).Probe(t.Context(), repos, nil); err != nil {
		t.Fatal(err)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}
