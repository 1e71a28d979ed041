package transport

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/proctest"
	"github.com/satchel-airgap/satchel/transport/internal/retry"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestEverywhere has what is wrong with a registry as a whole said in the same words of each
// repository, without what the probe pushed, so that it becomes one message; and at once.
func TestEverywhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	hosts := map[string]string{"no credentials are configured": registrytest.StartAuth(t, "u", "p").Host}
	if out, err := proctest.Command(t, "mount", "-t", "tmpfs", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Logf("mounting is not permitted here: %s", out)
	} else {
		t.Cleanup(func() { proctest.Command(t, "umount", "-l", dir).Run() })
		hosts["storage read-only"] = registrytest.StartOn(t, dir).Host
		if out, err := proctest.Command(t, "mount", "-o", "remount,ro", dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	full := registrytest.StartProxy(t, hosts["no credentials are configured"])
	full.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			w.WriteHeader(http.StatusNotFound)
			return true
		}
		return refuse(w, r, 507, "UNKNOWN", "")
	}
	hosts["no space left"] = full.Host
	for want, host := range hosts {
		err := mirrorAt(patient(t), host, 2).Probe(t.Context(), repos(host, "a", "b/c"), nil)
		joined, ok := err.(interface{ Unwrap() []error })
		if !ok || len(joined.Unwrap()) != 2 || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sha256:") {
			t.Errorf("%s: %v", want, err)
			continue
		}
		said := map[string]bool{}
		for _, e := range joined.Unwrap() {
			var answer *RegistryError
			var problem *ProbeError
			if !errors.As(e, &problem) || !errors.As(e, &answer) || !answer.Everywhere() {
				t.Errorf("%s: %v", want, e)
				continue
			}
			said[answer.Cause()+problem.Hint()] = true
		}
		if len(said) != 1 {
			t.Errorf("%s: %v", want, said)
		}
	}
}

// TestRangeFails resumes from a server that answers 500 to every range, without waiting for it
// as if it were away, and looks at a blob there.
func TestRangeFails(t *testing.T) {
	t.Parallel()
	d, whole := noise(200<<10, "")
	var ranges atomic.Int32
	r := blobServer(t, func(w http.ResponseWriter, r *http.Request, n int) {
		switch {
		case r.Header.Get("Range") != "":
			ranges.Add(1)
			w.WriteHeader(http.StatusInternalServerError)
		case n == 0:
			cutOff(w, whole, 100<<10)
		default:
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(whole))
		}
	})
	r.sender.client.retry = retry.Policy{Times: 5, First: time.Millisecond, Patience: time.Hour}
	if got, err := readFrom(t, r, d, 0); err != nil || !bytes.Equal(got, whole) || ranges.Load() != 6 {
		t.Errorf("%d of %d bytes after %d ranges, %v", len(got), len(whole), ranges.Load(), err)
	}
	if f, err := r.look(t.Context(), d); err != nil || !f.whole() {
		t.Errorf("found %+v, %v", f, err)
	}
}

// TestSilentAbsent has a registry that asks for no credentials answer 404 in one repository: it
// is still offered them in the next.
func TestSilentAbsent(t *testing.T) {
	t.Parallel()
	for status, offers := range map[int]int32{404: 2, 401: 1, 403: 1} {
		var offered atomic.Int32
		srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case registrytest.Kind(r) == "GET base":
			case r.Header.Get("Authorization") != "":
				offered.Add(1)
				w.WriteHeader(status)
			default:
				w.WriteHeader(http.StatusNotFound)
			}
		}))
		t.Cleanup(srv.Close)
		host := strings.TrimPrefix(srv.URL, "https://")
		c := withPassword(t, host, "geheim", Config{TLSVerify: true, CAFile: certFile(t, srv)})
		for _, name := range []string{"a", "b"} {
			if _, _, err := c.Resolve(t.Context(), oci.Ref{Registry: host, Repository: name, Tag: "1"}); err == nil {
				t.Errorf("%d: no error", status)
			}
		}
		if offered.Load() != offers {
			t.Errorf("%d: credentials were offered %d times, want %d", status, offered.Load(), offers)
		}
	}
}
