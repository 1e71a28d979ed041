package unpack_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestCountsWhatWasSent: an image that another run pushes meanwhile, where tags are immutable,
// is not counted as pushed.
func TestCountsWhatWasSent(t *testing.T) {
	t.Parallel()
	s, served := newSite(t, 39), registrytest.StartV3(t, false, "", "")
	mirror := registrytest.StartProxy(t, served.Host)
	o, other := s.options(t, ""), s.options(t, "")
	o.Site.Mirror.Host, other.Site.Mirror.Host, o.Parallel = mirror.Host, served.Host, 1
	var once sync.Once
	mirror.Answer = func(w http.ResponseWriter, r *http.Request) (refused bool) {
		if registrytest.Kind(r) == "PUT manifest" && strings.Contains(r.URL.Path, "in/team/app/manifests/satchel-") && !strings.Contains(r.URL.Path, transport.ProbeTag) {
			once.Do(func() {
				if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), other); err != nil {
					t.Error(err)
				}
				w.WriteHeader(http.StatusForbidden)
				refused = true
			})
		}
		return refused
	}
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
		t.Fatal(err)
	}
	if log := s.Log.String(); !strings.Contains(log, "pushed 2 images; 0 were in") || !strings.Contains(log, "pushed 1 image; 1 was in") {
		t.Errorf("told:\n%s", log)
	}
}
