package unpack_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// logged is what one run has logged.
func (s *site) logged(run func() error) (string, error) {
	before := len(s.Log.String())
	err := run()
	return s.Log.String()[before:], err
}

// TestReadBackParts says which part of what was read back an earlier run has read, reads all
// again when that is asked for, and after anything was wrong. A password that is refused says
// nothing of the blobs.
func TestReadBackParts(t *testing.T) {
	t.Parallel()
	s, mirror := newSite(t, 37), registrytest.Start(t)
	proxy := registrytest.StartProxy(t, mirror.Host)
	o := s.options(t, "")
	o.State, o.Parallel, o.Site.Mirror.Host = t.TempDir(), 1, proxy.Host
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
		t.Fatal(err)
	}
	o.Verify = transport.VerifyFull
	full := func() (string, error) {
		return s.logged(func() error { return unpack.Run(t.Context(), s.reader, jobtest.Client(), o) })
	}
	var blobs atomic.Int32
	interrupt := func(at int32) {
		t.Helper()
		blobs.Store(0)
		proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			if registrytest.Kind(r) != "GET blob" || r.Header.Get("Range") != "" || blobs.Add(1) <= at {
				return false
			}
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		if said, err := full(); err == nil {
			t.Fatalf("a refusal in the middle is no error\n%s", said)
		} else if !strings.Contains(said, "to read back from the mirror") {
			t.Fatalf("%v\n%s", err, said)
		}
		proxy.Answer = nil
		if noted := doubts(t, o.State); strings.Contains(noted, "wrong") {
			t.Errorf("a refusal is noted as wrong bytes: %s", noted)
		}
	}
	proxy.Answer = func(_ http.ResponseWriter, r *http.Request) bool {
		if registrytest.Kind(r) == "GET blob" && r.Header.Get("Range") == "" {
			blobs.Add(1)
		}
		return false
	}
	if said, err := full(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	third := blobs.Load() - 11 + 3 // the first ones are those that look at sizes
	interrupt(third)
	if said, err := full(); err != nil || !strings.Contains(said, "since 20") || !strings.Contains(said, "11 blobs, all whole: 8 in this run, 3 in an earlier one") {
		t.Errorf("resumed: %v\n%s", err, said)
	}
	interrupt(third)
	o.Restart = true
	if said, err := full(); err != nil || strings.Contains(said, "not read again") || !strings.Contains(said, "read back from the mirror: 11 blobs, all whole\"") {
		t.Errorf("restarted: %v\n%s", err, said)
	}
	o.Restart = false
	flip(t, registrytest.BlobFile(mirror.Dir, layerOf(t, s.reader).Digest))
	for range 2 {
		var wrong *transport.BlobError
		if said, err := full(); !errors.As(err, &wrong) || strings.Contains(said, "not read again") {
			t.Errorf("after something was wrong: %v\n%s", err, said)
		}
	}
}

// TestRenderAfterDamage has the mirror keep a blob cut short: render does not write YAML for
// what unpack has just refused.
func TestRenderAfterDamage(t *testing.T) {
	t.Parallel()
	s, mirror := newSite(t, 38), registrytest.Start(t)
	o := s.options(t, filepath.Join(t.TempDir(), "out"))
	o.State, o.Site.Mirror.Host = t.TempDir(), mirror.Host
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(registrytest.BlobFile(mirror.Dir, layerOf(t, s.reader).Digest), 1000); err != nil {
		t.Fatal(err)
	}
	var wrong *transport.BlobError
	o.Out = nil
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); !errors.As(err, &wrong) {
		t.Fatalf("unpack: %v", err)
	}
	if noted := doubts(t, o.State); !strings.Contains(noted, "wrong "+wrong.Blob.Digest.String()) {
		t.Errorf("noted: %q", noted)
	}
	render := func(what string) {
		t.Helper()
		o.Out = s.options(t, filepath.Join(t.TempDir(), "out")).Out
		said, err := s.logged(func() error { return unpack.Render(t.Context(), s.reader, jobtest.Client(), o) })
		if !errors.As(err, &wrong) || strings.Contains(said, "wrote ") {
			t.Errorf("render, %s: %v\n%s", what, err, said)
		}
	}
	render("noted as wrong")
	files, err := filepath.Glob(filepath.Join(o.State, "mirrors", "*", "doubts"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	line := "unproven " + wrong.Blob.Digest.String() + " " + wrong.Repo.Repository + "\n"
	if err := os.WriteFile(files[0], []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	render("noted as unproven")
}
