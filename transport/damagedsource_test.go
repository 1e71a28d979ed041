package transport

import (
	"context"
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

// TestDamagedSource has a source fail at one manifest or blob alone: that is found out soon,
// named, and stays so. A source that fails at everything is waited for.
func TestDamagedSource(t *testing.T) {
	t.Parallel()
	content := ocitest.New(34)
	layer := content.Layer(1000, ocitest.LayerGzip)
	root := content.Image(false, layer)
	p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
	mustFill(t, mirrorAt(insecure(t), p.Host, 1), content, images(map[string]oci.Descriptor{"a": root}))
	ref := oci.Ref{Registry: p.Host, Repository: "mirror/team/a"}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	for d, what := range map[*oci.Descriptor]string{&root: "manifest", &layer: "blob"} {
		p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			return strings.HasSuffix(r.URL.Path, d.Digest.String()) && refuse(w, r, 500, "UNKNOWN", "unknown error")
		}
		c := patient(t)
		r, err := c.Repository(ref)
		if err != nil {
			t.Fatal(err)
		}
		_, hasErr := r.Has(ctx, *d)
		_, openErr := r.Open(ctx, *d, 0)
		errs := []error{hasErr, openErr}
		if what == "manifest" {
			_, _, err := c.Resolve(ctx, ref.WithDigest(d.Digest))
			errs = append(errs, err)
		}
		for i, err := range errs {
			answer, ok := errors.AsType[*RegistryError](err)
			if !ok || !answer.Permanent() || answer.Away() || answer.Trouble() != TroubleDamaged || answer.Hint() == "" ||
				!strings.Contains(err.Error(), d.Digest.String()) || !strings.Contains(err.Error(), "stored of this "+what+" is damaged") {
				t.Errorf("%s, %d: %v", what, i, err)
			}
		}
	}
	var failed atomic.Int32
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		return registrytest.Kind(r) != "GET base" && failed.Add(1) < 40 && refuse(w, r, 500, "UNKNOWN", "unknown error")
	}
	c := patient(t)
	c.retry.Delay = time.Millisecond
	if _, _, err := c.Resolve(ctx, ref.WithDigest(root.Digest)); err != nil || failed.Load() < 40 {
		t.Errorf("an outage: %d failed, %v", failed.Load(), err)
	}
}

// TestUnreadableReferrers has a source give an image and no list of what is attached to it that can be
// read, for ever: that is not known. Entries that name nothing are left out, and said.
func TestUnreadableReferrers(t *testing.T) {
	t.Parallel()
	content := ocitest.New(35)
	root := content.Image(false, content.Layer(1000, ocitest.LayerGzip))
	upstream := registrytest.StartOlareg(t).Host
	mustFill(t, mirrorAt(insecure(t), upstream, 1), content, images(map[string]oci.Descriptor{"a": root}))
	for name, c := range map[string]struct {
		of         string // end of the path, or part of it
		status     int
		kind, body string
		unknown    string
		skipped    int
		asks       int32 // at most
	}{
		"500 referrers": {"/referrers/", 500, "text/plain", "boom", oci.UnknownReferrers, 0, 4},
		"500 sig":       {".sig", 500, "text/plain", "boom", "sig", 0, 5},
		"page":          {"/referrers/", 200, "text/html", "<html>hello</html>", oci.UnknownReferrers, 0, 1},
		"page for sig":  {".sig", 200, "text/html", "<html>hello</html>", "sig", 0, 3},
		"not JSON":      {"/referrers/", 200, oci.MediaTypeIndex, "{", oci.UnknownReferrers, 0, 1},
		"bad digest":    {"/referrers/", 200, oci.MediaTypeIndex, `{"manifests":[{"digest":"sha256:zz"},{"digest":7},{}]}`, "", 2, 1},
	} {
		p := registrytest.StartProxy(t, upstream)
		var asked atomic.Int32
		p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, c.of) {
				return false
			}
			asked.Add(1)
			w.Header().Set("Content-Type", c.kind)
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
			return true
		}
		r, err := patient(t).Repository(oci.Ref{Registry: p.Host, Repository: "mirror/team/a"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
		all, err := r.Attachments(ctx, root)
		stop()
		switch {
		case err != nil || len(all.List) > 0 || len(all.Skipped) != c.skipped:
			t.Errorf("%s: %+v, %v", name, all, err)
		case c.unknown == "" && len(all.Unknown) > 0, c.unknown != "" && (len(all.Unknown) != 1 || all.Unknown[0].Sort != c.unknown || all.Unknown[0].Hint() == ""):
			t.Errorf("%s: unknown %v", name, all.Unknown)
		case asked.Load() > c.asks:
			t.Errorf("%s: asked %d times", name, asked.Load())
		}
	}
	p := registrytest.StartProxy(t, upstream) // and what may pass is an error
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		return strings.HasSuffix(r.URL.Path, ".sig") && refuse(w, r, 503, "UNAVAILABLE", "busy")
	}
	r, err := insecure(t).Repository(oci.Ref{Registry: p.Host, Repository: "mirror/team/a"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Attachments(t.Context(), root); statusIn(err) != 503 {
		t.Errorf("503: %v", err)
	}
}
