package transport

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestGivenToOthers has a proxy in front of distribution that passes on the first line of Accept
// alone, or none: a node would not get an index that is there. Nothing is waited for.
func TestGivenToOthers(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t)
	c := ocitest.New(31)
	inv := images(map[string]oci.Descriptor{"a": c.Index(false, c.Image(false, c.Layer(1000, ocitest.LayerGzip)))})
	for _, keep := range []int{1, 0} {
		p := registrytest.StartProxy(t, reg.Host)
		p.Answer = func(_ http.ResponseWriter, r *http.Request) bool {
			if lines := r.Header["Accept"]; r.Method == http.MethodGet && len(lines) > keep {
				r.Header["Accept"] = lines[:keep]
			}
			return false
		}
		m := mirrorAt(insecure(t), p.Host, 1)
		m.client.lookFor = time.Minute
		mustFill(t, m, c, inv)
		began := time.Now()
		err := m.Confirm(t.Context(), c, inv.Images)
		var wrong *ManifestError
		if !errors.As(err, &wrong) || !wrong.Pushed || !strings.Contains(err.Error(), "does not give it to a node (it answered 404 ") ||
			!strings.Contains(err.Error(), "accept header") || !strings.Contains(wrong.Hint(), "Accept line") {
			t.Errorf("%d lines: %v", keep, err)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%d lines: after %v", keep, took)
		}
	}
}

// TestReasonOfAnAbsence has a mirror say why it does not give what it took.
func TestReasonOfAnAbsence(t *testing.T) {
	t.Parallel()
	p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
	c := ocitest.New(32)
	inv := images(map[string]oci.Descriptor{"a": c.Image(false, c.Layer(1000, ocitest.LayerGzip))})
	m := mirrorAt(insecure(t), p.Host, 1)
	mustFill(t, m, c, inv)
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if registrytest.Kind(r) != "GET manifest" {
			return false
		}
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"errors":[{"code":"MANIFEST_UNKNOWN","message":"held back until it is scanned"}]}`))
		return true
	}
	if err := m.Confirm(t.Context(), c, inv.Images); err == nil || !strings.Contains(err.Error(), "(it answered 404 held back until it is scanned)") {
		t.Errorf("%v", err)
	}
}

// TestOneOfThree has three servers take turns behind one name, the first of which does not have a
// manifest yet: that is not blamed on a proxy that cuts lines of Accept.
func TestOneOfThree(t *testing.T) {
	t.Parallel()
	p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
	c := ocitest.New(33)
	inv := images(map[string]oci.Descriptor{"a": c.Image(false, c.Layer(1000, ocitest.LayerGzip))})
	root := inv.Images[0].Root.Digest.String()
	m := mirrorAt(insecure(t), p.Host, 1)
	mustFill(t, m, c, inv)
	var asked atomic.Int32
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		return r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, root) && asked.Add(1)%3 == 1 &&
			refuse(w, r, http.StatusNotFound, "MANIFEST_UNKNOWN", "not there")
	}
	if err := m.Confirm(t.Context(), c, inv.Images); err != nil {
		t.Error(err)
	}
	if n := asked.Load(); n < 5 {
		t.Errorf("asked %d times", n)
	}
}
