package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestUnpackProbesFirst has a mirror refuse several repositories, each in its
// own way: all are reported, with what to do, before any layer.
func TestUnpackProbesFirst(t *testing.T) {
	t.Parallel()
	c := ocitest.New(98)
	s := newShelf(c)
	host := s.listen(t)
	w := newWorld(t)
	var refs []string
	for _, name := range []string{"absent/app", "flat/app", "flat/so/very/deep", "tagged/app", "weak/app", "full/app", "good/app"} {
		s.tags[name+":v1"] = c.Image(false, c.Layer(3000, ocitest.LayerGzip))
		refs = append(refs, host+"/"+name+":v1")
	}
	w.images(refs...)
	w.run(w.pack()...).want(exitOK)
	proxy := registrytest.StartProxy(t, registrytest.Start(t).Host)
	healthy := false
	proxy.Answer = func(rw http.ResponseWriter, r *http.Request) bool {
		kind, path := registrytest.Kind(r), r.URL.Path
		status, code := 0, ""
		switch push := kind == "POST upload" || kind == "POST mount"; {
		case healthy:
		case strings.HasPrefix(path, "/v2/absent/") && push:
			status, code = 404, "NAME_UNKNOWN"
		case strings.HasPrefix(path, "/v2/flat/so/"): // even to look is refused
			status, code = 401, "UNAUTHORIZED"
		case strings.HasPrefix(path, "/v2/tagged/") && kind == "PUT manifest" && strings.Contains(path, "/sha256:"):
			status, code = 400, "MANIFEST_INVALID"
		case strings.HasPrefix(path, "/v2/weak/") && push:
			status, code = 403, "DENIED"
		case strings.HasPrefix(path, "/v2/full/") && push:
			status, code = 507, "UNKNOWN"
		}
		if status == 0 {
			return false
		}
		_, _ = io.Copy(io.Discard, r.Body) // the answer does not depend on what it sends
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(status)
		fmt.Fprintf(rw, `{"errors":[{"code":%q,"message":""}]}`, code)
		return true
	}
	for _, more := range [][]string{nil, {"--dry-run"}} {
		r := w.run(w.unpack(proxy.Host, append(more, promptly...)...)...).want(exitRegistry)
		for name, problem := range map[string]transport.Problem{"absent/app": transport.ProblemProject, "flat/so/very/deep": transport.ProblemDepth,
			"tagged/app": transport.ProblemUntagged, "weak/app": transport.ProblemDenied, "full/app": transport.ProblemFull} {
			hint := problem.Hint()
			if problem == transport.ProblemDenied { // of someone whom nobody asked who it is
				hint = "check that there are credentials"
			}
			r.says("satchel: "+proxy.Host+"/"+name+": "+string(problem)+": ", "hint: "+hint)
		}
		if strings.Contains(r.stderr, "satchel: "+proxy.Host+"/good/app") || strings.Contains(r.stderr, "satchel: "+proxy.Host+"/flat/app") {
			t.Error(r.stderr)
		}
	}
	checkOnlyProbed(t, proxy)

	healthy = true
	w.run(w.unpack(proxy.Host, "--dry-run")...).want(exitOK).says("the mirror accepts everything")
	checkOnlyProbed(t, proxy)
	w.run(w.unpack(proxy.Host)...).want(exitOK)
	w.run(w.unpack(proxy.Host, "--dry-run")...).want(exitOK).says("nothing to do")

	segments, err := filepath.Glob(filepath.Join(w.drive, "s-*.age"))
	if err != nil || len(segments) == 0 {
		t.Fatal(segments, err)
	}
	for _, f := range segments {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	w.run(w.unpack(proxy.Host, "--verify", "full")...).want(exitOK).says("without the drive: ", ", all whole", "the bundle itself was not read: ")
	w.run("unpack", "--to", proxy.Host, "--tls-verify=false", "--verify", "full").want(exitOK).says("without the drive: ", ", all whole")
	w.run("unpack", "--to", proxy.Host, "--tls-verify=false", "--verify", "full", "--bundle", "aaaabbbbccccdddd").want(exitUsage)
	w.run("unpack", "--to", proxy.Host, "--tls-verify=false").want(exitUsage)
}

// checkOnlyProbed wants no blobs pushed but the probes', which are few, small and the same in
// every run, and no tag but theirs.
func checkOnlyProbed(t *testing.T, proxy *registrytest.Proxy) {
	t.Helper()
	blobs, pushes := map[string]bool{}, int64(0)
	for _, r := range proxy.Requests() {
		switch {
		case strings.HasPrefix(r, "PUT ") && strings.Contains(r, "/blobs/uploads/"):
			_, digest, _ := strings.Cut(r, "digest=")
			blobs[digest], pushes = true, pushes+1
		case strings.HasPrefix(r, "PUT ") && !strings.Contains(r, "/manifests/sha256:") && !strings.HasSuffix(r, "/manifests/"+transport.ProbeTag):
			t.Errorf("pushed: %s", r)
		}
	}
	if sent := proxy.SentBytes(); len(blobs) < 1 || len(blobs) > 5 || sent > 2000*pushes {
		t.Errorf("%d different blobs were pushed by probes, %d bytes by %d requests", len(blobs), sent, pushes)
	}
}
