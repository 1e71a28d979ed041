package transport

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/internal/retry"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// mirrored is what a client sees of registry.example/team/a, which is really at
// main and has mirrors. more goes into the rule.
func mirrored(t *testing.T, more, main string, mirrors ...string) (*Client, *Repository) {
	t.Helper()
	text := fmt.Sprintf("[[registry]]\nprefix = \"registry.example\"\nlocation = %q\ninsecure = true\n%s\n", main+"/mirror", more)
	for _, host := range mirrors {
		text += fmt.Sprintf("[[registry.mirror]]\nlocation = %q\ninsecure = true\n", host+"/mirror")
	}
	c := conf(t, text, false)
	r, err := c.Repository(oci.Ref{Registry: "registry.example", Repository: "team/a"})
	if err != nil {
		t.Fatal(err)
	}
	return c, r
}

// failing is a proxy that gives the first so many requests for blobs another answer.
func failing(t *testing.T, target string, times int32, status int, retryAfter string) (*registrytest.Proxy, *atomic.Int32) {
	t.Helper()
	p := registrytest.StartProxy(t, target)
	asked := &atomic.Int32{}
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/blobs/") || asked.Add(1) > times {
			return false
		}
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		w.WriteHeader(status)
		return true
	}
	return p, asked
}

func nowhere() oci.Descriptor {
	return oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: oci.Digest([]byte("nowhere")), Size: 7}
}

// TestAttachmentsOfTheRightPlace has a mirror without the image, and one with
// the image and without what is attached to it.
func TestAttachmentsOfTheRightPlace(t *testing.T) {
	main, empty, bare := registrytest.Start(t), registrytest.Start(t), registrytest.Start(t)
	c := ocitest.New(12)
	subject, referrer := attachedSet(t, c)
	inv := attachedImages(subject, referrer)
	mustFill(t, mirrorAt(insecure(t), main.Host, 1), c, inv)
	mustFill(t, mirrorAt(insecure(t), bare.Host, 1), c, &oci.Inventory{Images: inv.Images[:1]})
	for name, k := range map[string]struct {
		mirror string
		of     oci.Descriptor
		want   int
	}{
		"a mirror without the image":    {empty.Host, subject, 1},
		"the mirror's word is believed": {bare.Host, subject, 0},
		"an image that is nowhere":      {empty.Host, nowhere(), 0},
	} {
		_, r := mirrored(t, "", main.Host, k.mirror)
		list, err := r.Attachments(t.Context(), k.of)
		if err != nil || len(list.List) != k.want || k.want == 1 && list.List[0].Root.Digest != referrer.Digest {
			t.Errorf("%s: %v, %v", name, list, err)
		}
	}
	// Who may not look does not know that there is nothing.
	shy := fake(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusForbidden) })
	_, r := mirrored(t, "", main.Host, shy)
	if list, err := r.Attachments(t.Context(), nowhere()); err == nil {
		t.Errorf("a mirror that refuses, and an image that is not in the location: %v", list)
	}
}

// TestBusyMirror has the location answer while a mirror wants time.
func TestBusyMirror(t *testing.T) {
	reg := registrytest.Start(t)
	root, layer := carried(t, reg.Host)
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		busy := fake(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "100")
			w.WriteHeader(status)
		})
		c, r := mirrored(t, "", reg.Host, busy)
		begun := time.Now()
		for range 4 {
			if ok, err := r.Has(t.Context(), layer); !ok {
				t.Errorf("%d: %v", status, err)
			}
		}
		if err := read(t, c, oci.Ref{Registry: "registry.example", Repository: "team/a", Digest: root.Digest}, layer); err != nil {
			t.Errorf("%d: %v", status, err)
		}
		if took := time.Since(begun); took > 20*time.Second {
			t.Errorf("%d: all of it took %s", status, took)
		}
		if rest := time.Until(time.Unix(0, r.digests[0].rest.Load())); rest < 80*time.Second {
			t.Errorf("%d: the mirror rests for %s", status, rest)
		}
	}
}

// TestShutGateFailsAtOnce has the mirror's gate shut and its turn come first.
func TestShutGateFailsAtOnce(t *testing.T) {
	reg := registrytest.Start(t)
	_, layer := carried(t, reg.Host)
	mirror := registrytest.StartProxy(t, reg.Host)
	c, r := mirrored(t, "", reg.Host, mirror.Host)
	c.gate(mirror.Host).Shut(time.Minute, http.StatusTooManyRequests)
	begun := time.Now()
	if ok, err := r.Has(t.Context(), layer); !ok || time.Since(begun) > 20*time.Second {
		t.Errorf("%v, after %s", err, time.Since(begun))
	}
	c.retry = retry.Policy{}
	_, err := r.Has(t.Context(), nowhere())
	var first *RegistryError
	if !errors.As(err, &first) || first.Status != http.StatusTooManyRequests || strings.Contains(err.Error(), "://") {
		t.Errorf("what only the mirror may have: %v", err)
	}
	if n := mirror.Count("HEAD blob") + mirror.Count("HEAD manifest"); n != 0 {
		t.Errorf("the mirror was asked %d times", n)
	}
}

// TestAllGatesShut waits for the first gate that opens.
func TestAllGatesShut(t *testing.T) {
	reg := registrytest.Start(t)
	_, layer := carried(t, reg.Host)
	mirror := registrytest.StartProxy(t, reg.Host)
	c, r := mirrored(t, "", reg.Host, mirror.Host)
	c.retry = retry.Policy{} // waiting is not trying again
	c.gate(mirror.Host).Shut(time.Minute, http.StatusTooManyRequests)
	c.gate(reg.Host).Shut(time.Second, http.StatusTooManyRequests)
	begun := time.Now()
	ok, err := r.Has(t.Context(), layer)
	if took := time.Since(begun); !ok || took < 900*time.Millisecond || took > 30*time.Second {
		t.Errorf("%v, after %s", err, took)
	}
}

// TestTokenServiceWantsTime has a mirror's token service shut its own gate.
func TestTokenServiceWantsTime(t *testing.T) {
	reg := registrytest.Start(t)
	_, layer := carried(t, reg.Host)
	tokens := fake(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "100")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	realm := "http://" + tokens + "/token"
	c, r := mirrored(t, "", reg.Host, fake(t, challenged(&realm)))
	begun := time.Now()
	for range 2 {
		if ok, err := r.Has(t.Context(), layer); !ok {
			t.Error(err)
		}
		r.digests[0].rest.Store(0) // so that it is asked first once more
	}
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("all of it took %s", took)
	}
	if left := c.gate(tokens).Left(); left < 60*time.Second {
		t.Errorf("the token service's gate is shut for %s", left)
	}
}

// TestBlockedLocation leaves the answer to the mirrors.
func TestBlockedLocation(t *testing.T) {
	mirror := registrytest.Start(t)
	_, layer := carried(t, mirror.Host)
	_, r := mirrored(t, "blocked = true", "registry.example", mirror.Host)
	if ok, err := r.Has(t.Context(), layer); !ok {
		t.Error(err)
	}
	if ok, err := r.Has(t.Context(), nowhere()); ok || err != nil {
		t.Errorf("a missing one: %v, %v", ok, err)
	}
	_, r = mirrored(t, "blocked = true", "registry.example", fake(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	_, err := r.Has(t.Context(), nowhere())
	var first *RegistryError
	if !errors.As(err, &first) || first.Status != http.StatusForbidden {
		t.Errorf("a mirror that refuses is not what is reported: %v", err)
	}
}

// TestMirrorHiccup has the only place with the blob fail at first.
func TestMirrorHiccup(t *testing.T) {
	main, reg := registrytest.Start(t), registrytest.Start(t)
	_, layer := carried(t, reg.Host)
	p, asked := failing(t, reg.Host, 1, http.StatusBadGateway, "")
	_, r := mirrored(t, "", main.Host, p.Host)
	if ok, err := r.Has(t.Context(), layer); !ok || asked.Load() != 2 {
		t.Errorf("%v, asked %d times", err, asked.Load())
	}
	// It continues like that, so nobody knows.
	p, asked = failing(t, reg.Host, 100, http.StatusBadGateway, "")
	_, r = mirrored(t, "", main.Host, p.Host)
	ok, err := r.Has(t.Context(), layer)
	var first *RegistryError
	if ok || !errors.As(err, &first) || first.Status != http.StatusBadGateway || asked.Load() != 6 { // by HEAD and by GET each time
		t.Errorf("%v, asked %d times", err, asked.Load())
	}
}

// TestReadySoonest has two locations that fail, one of which wants a long time.
func TestReadySoonest(t *testing.T) {
	reg := registrytest.Start(t)
	_, layer := carried(t, reg.Host)
	slow, _ := failing(t, reg.Host, 100, http.StatusServiceUnavailable, "100")
	short, asked := failing(t, reg.Host, 1, http.StatusBadGateway, "")
	_, r := mirrored(t, "", short.Host, slow.Host)
	begun := time.Now()
	if ok, err := r.Has(t.Context(), layer); !ok || asked.Load() != 2 || time.Since(begun) > 20*time.Second {
		t.Errorf("%v, asked %d times, after %s", err, asked.Load(), time.Since(begun))
	}
}

// cut answers as JSON, but the first time only half of it before the connection ends.
func cut(w http.ResponseWriter, times *atomic.Int32, mediaType, body string) {
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	if times.Add(1) > 1 {
		io.WriteString(w, body)
		return
	}
	io.WriteString(w, body[:len(body)/2])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

// TestBrokenReferrers breaks what the library reads itself: the API's list and
// the fallback index, when it is read and when it is about to be added to.
func TestBrokenReferrers(t *testing.T) {
	c := ocitest.New(12)
	subject, referrer := attachedSet(t, c)
	inv := attachedImages(subject, referrer)
	index := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":%d}]}`, oci.MediaTypeIndex, referrer.MediaType, referrer.Digest, referrer.Size)
	reg := registrytest.Start(t)
	mustFill(t, mirrorAt(insecure(t), reg.Host, 1), c, inv)
	for _, kind := range []string{"GET referrer", "GET manifest"} {
		p := registrytest.StartProxy(t, reg.Host)
		var times atomic.Int32
		p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			broken := registrytest.Kind(r) == kind && (kind == "GET referrer" || strings.HasSuffix(r.URL.Path, "/"+fallbackTag(subject)))
			if broken {
				cut(w, &times, oci.MediaTypeIndex, index)
			}
			return broken
		}
		r, err := insecure(t).Repository(oci.Ref{Registry: p.Host, Repository: "mirror/team/a"})
		if err != nil {
			t.Fatal(err)
		}
		list, err := r.Attachments(t.Context(), subject)
		if err != nil || len(list.List) != 1 || times.Load() != 2 {
			t.Errorf("%s: %v, %v, asked %d times", kind, list, err, times.Load())
		}
		if times.Store(0); kind == "GET referrer" {
			continue
		}
		body, err := readFrom(t, c, referrer, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.putManifest(t.Context(), referrer, body, referrer.Digest.String()); err != nil || times.Load() != 2 {
			t.Errorf("push: %v, the index was asked for %d times", err, times.Load())
		}
	}
}

// TestBrokenToken breaks the answer of a token service.
func TestBrokenToken(t *testing.T) {
	var times atomic.Int32
	tokens := fake(t, func(w http.ResponseWriter, r *http.Request) {
		cut(w, &times, "application/json", `{"token":"good","expires_in":3600}`)
	})
	realm := "http://" + tokens + "/token"
	host := fake(t, challenged(&realm))
	if !has(t, insecure(t), oci.Ref{Registry: host, Repository: "a"}, nowhere()) || times.Load() != 2 {
		t.Errorf("the token service was asked %d times", times.Load())
	}
}

// TestFailingMountIsUploaded has a registry that fails at every mount.
func TestFailingMountIsUploaded(t *testing.T) {
	p, c := proxied(t)
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Has("mount") {
			w.WriteHeader(http.StatusInternalServerError)
			return true
		}
		return false
	}
	content, d := oneBlob(p.Host, 1000)
	d.Repos = append(d.Repos, oci.Ref{Registry: p.Host, Repository: "mirror/two"})
	if err := NewMirror(c, oci.Mirror{Host: p.Host}, 1).Blobs(t.Context(), content, func(yield func(Delivery) bool) { yield(d) }); err != nil {
		t.Fatal(err)
	}
	for _, ref := range d.Repos {
		if !has(t, c, ref, d.Blob) {
			t.Errorf("%s lacks the blob", ref.Name())
		}
	}
}

// TestProbesOfTwoRuns has one run remove its probe while another is at work.
func TestProbesOfTwoRuns(t *testing.T) {
	p, c := proxied(t)
	one, two := NewMirror(c, oci.Mirror{Host: p.Host}, 1), NewMirror(c, oci.Mirror{Host: p.Host}, 1)
	list := repos(p.Host, "a/b")
	var met atomic.Bool
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if registrytest.Kind(r) == "PUT manifest" && met.CompareAndSwap(false, true) {
			if err := two.Probe(t.Context(), list, nil); err != nil {
				t.Errorf("the second run: %v", err)
			}
		}
		return false
	}
	if err := one.Probe(t.Context(), list, nil); err != nil {
		t.Errorf("the first run: %v", err)
	}
}

// TestStalledReferrers has a list stand still instead.
func TestStalledReferrers(t *testing.T) {
	var times atomic.Int32
	host := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if registrytest.Kind(r) != "GET referrer" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", oci.MediaTypeIndex)
		io.WriteString(w, `{"schemaVersion":2,`)
		if times.Add(1) == 1 {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		io.WriteString(w, `"manifests":[]}`)
	})
	c := insecure(t)
	c.stall = 300 * time.Millisecond
	r, err := c.Repository(oci.Ref{Registry: host, Repository: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if list, err := r.Attachments(t.Context(), nowhere()); err != nil || len(list.List) != 0 || times.Load() != 2 {
		t.Errorf("%v, %v, asked %d times", list, err, times.Load())
	}
}
