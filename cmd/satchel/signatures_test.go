package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// signedReleases starts a store that signs every release by a key made for the
// test, and gives the environment that names both.
func signedReleases(t testing.TB) []string {
	t.Helper()
	signer, key := newSigner(t)
	return []string{manifests.EnvSignatureURL + "=" + serveHTTP(t, signer) + "/signatures", manifests.EnvSignatureKey + "=" + key}
}

func newSigner(t testing.TB) (signer *ocitest.Signer, keyFile string) {
	t.Helper()
	signer, err := ocitest.NewSigner("made for a test", time.Now().Add(-time.Hour), 0)
	if err != nil {
		t.Fatal(err)
	}
	key, err := signer.Key()
	if err != nil {
		t.Fatal(err)
	}
	keyFile = filepath.Join(t.TempDir(), "releases.asc")
	if err := os.WriteFile(keyFile, key, 0o600); err != nil {
		t.Fatal(err)
	}
	return signer, keyFile
}

func serveHTTP(t testing.TB, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// withReleases gives the world another store and key.
func (w *world) withReleases(t testing.TB, env ...string) *world {
	other := w.in(t)
	other.releases = env
	return other
}

// TestReleaseSigned carries a release's signature to the cluster.
func TestReleaseSigned(t *testing.T) {
	t.Parallel()
	s, mirror, w := newReleaseSet(t), newMirror(t), newWorld(t)
	w.imageset("  platform:\n    release: " + s.source.Host + "/ocp/rel:v\n")
	hex := s.want["openshift/release-images:4.12.0-x86_64"].Digest.Encoded()
	if plan := w.run("plan", "-c", w.config, "-r", w.recipient, "--tls-verify=false"); strings.Contains(plan.want(exitOK).stderr, "NOT VERIFIED") {
		t.Errorf("%s", plan.stderr)
	}
	w.run(w.pack()...).want(exitOK)
	carried := w.run("inspect", "-i", w.key, "--manifests", w.drive).want(exitOK).stdout
	out := filepath.Join(w.dir, "out")
	w.run(w.unpack(mirror, "--output-dir", out)...).want(exitOK)
	file := "release-signature-sha256-" + hex + ".yaml"
	body := string(readFile(t, filepath.Join(out, file)))
	for _, want := range []string{"name: sha256-" + hex + "\n", "sha256-" + hex + "-1: ", `release.openshift.io/verification-signatures: ""`, "namespace: openshift-config-managed"} {
		if !strings.Contains(body, want) {
			t.Errorf("%s lacks %q:\n%s", file, want, body)
		}
		if !strings.Contains(carried, want) {
			t.Errorf("the YAML in the bundle lacks %q", want)
		}
	}
	page := string(readFile(t, filepath.Join(out, "APPLY.md")))
	if put, update := strings.Index(page, "oc apply -f "+file), strings.Index(page, "oc adm upgrade"); put < 0 || update < put {
		t.Errorf("the signature is not put in place before the update:\n%s", page)
	}
	again := filepath.Join(w.dir, "again")
	w.run("render", "-i", w.key, "--to", mirror, "--tls-verify=false", "--output-dir", again, w.drive).want(exitOK)
	if string(readFile(t, filepath.Join(again, file))) != body {
		t.Error("render writes another signature than unpack")
	}
}

// TestReleaseNotSigned has what must keep a release out, with any flags.
func TestReleaseNotSigned(t *testing.T) {
	t.Parallel()
	s, w := newReleaseSet(t), newWorld(t)
	w.imageset("  platform:\n    release: " + s.source.Host + "/ocp/rel:v\n")
	signer, key := newSigner(t)
	_, other := newSigner(t)
	none := filepath.Join(w.dir, "none.asc")
	text := filepath.Join(w.dir, "text.asc")
	if err := os.WriteFile(text, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := serveHTTP(t, signer)
	url, pk := manifests.EnvSignatureURL+"=", manifests.EnvSignatureKey+"="
	for _, tc := range []struct {
		name string
		env  []string
		code int
		says string
	}{
		{"no signature", []string{url + serveHTTP(t, http.NotFoundHandler()), pk + key}, exitFailed, " has none"},
		{"unknown key", []string{url + good, pk + other}, exitFailed, "which is not trusted"},
		{"Red Hat's keys", []string{url + good}, exitFailed, "which is not trusted"},
		{"key that is not there", []string{url + good, pk + none}, exitUsage, manifests.EnvSignatureKey + ": read public key"},
		{"key that is none", []string{url + good, pk + text}, exitUsage, "it is not an OpenPGP public key"},
		{"no address", []string{url + "file:///tmp", pk + key}, exitUsage, "it is not an http or https address"},
		{"no server", []string{url + "http://127.0.0.1:1", pk + key}, exitRegistry, "verify the signature of release"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			more := []string{"--keep-going", "--retry-times", "0"}
			w.withReleases(t, tc.env...).run(w.pack(more...)...).want(tc.code).says(tc.says)
		})
	}
	for range 2 { // each time
		plan := []string{"plan", "-c", w.config, "-r", w.recipient, "--tls-verify=false", "--ignore-release-signature"}
		w.withReleases(t, pk+none).run(plan...).want(exitOK).says("RELEASE NOT VERIFIED", "was ignored, as requested")
	}
	if exists(filepath.Join(w.drive, "drive.json")) {
		t.Error("a bundle was begun")
	}
}

// TestReleaseTagMoved moves the release's tag when its signature is fetched: the
// mirror gets what was signed.
func TestReleaseTagMoved(t *testing.T) {
	t.Parallel()
	s, mirror, w := newReleaseSet(t), newMirror(t), newWorld(t)
	w.imageset("  platform:\n    release: " + s.source.Host + "/ocp/rel:v\n")
	evil, err := s.c.Payload("4.12.0", "amd64", map[string]string{"cli": s.source.Host + "/ocp/art@" + s.want["openshift/release:4.12.0-x86_64-etcd"].Digest.String()})
	if err != nil {
		t.Fatal(err)
	}
	signer, key := newSigner(t)
	var moved atomic.Int32
	store := serveHTTP(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if err := ocitest.Push(r.Context(), s.c, evil, "http://"+s.source.Host, "ocp/rel", "v"); err != nil {
			t.Error(err)
		}
		moved.Add(1)
		signer.ServeHTTP(rw, r)
	}))
	signed := w.withReleases(t, manifests.EnvSignatureURL+"="+store, manifests.EnvSignatureKey+"="+key)
	signed.run(w.pack()...).want(exitOK)
	signed.run(w.unpack(mirror)...).want(exitOK)
	if moved.Load() == 0 {
		t.Fatal("the tag did not move")
	}
	delete(s.want, "team/app:v1")
	for place, d := range s.want {
		repo, tag, _ := strings.Cut(place, ":")
		if err := ocitest.Compare(t.Context(), s.c, d, "http://"+mirror, repo, tag); err != nil {
			t.Error(err)
		}
	}
	if err := ocitest.Compare(t.Context(), s.c, evil, "http://"+s.source.Host, "ocp/rel", "v"); err != nil {
		t.Errorf("the source: %v", err)
	}
}

// TestSignatureStores are stores as they are on the internet: behind redirects,
// slow, failing for a while.
func TestSignatureStores(t *testing.T) {
	t.Parallel()
	s, w := newReleaseSet(t), newWorld(t)
	w.imageset("  platform:\n    release: " + s.source.Host + "/ocp/rel:v\n")
	signer, key := newSigner(t)
	good := serveHTTP(t, signer)
	var failed atomic.Int32
	for _, tc := range []struct {
		name string
		h    http.HandlerFunc
		code int
		says string
	}{
		{"redirect", func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, good+r.URL.Path, http.StatusFound) }, exitOK, ""},
		{"slow", func(rw http.ResponseWriter, r *http.Request) { time.Sleep(time.Second); signer.ServeHTTP(rw, r) }, exitOK, ""},
		{"fails once", func(rw http.ResponseWriter, r *http.Request) {
			if failed.Add(1) == 1 {
				http.Error(rw, "later", http.StatusServiceUnavailable)
				return
			}
			signer.ServeHTTP(rw, r)
		}, exitOK, ""},
		{"fails", func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, "no", http.StatusForbidden) }, exitRegistry, "403"},
		{"bad one first", func(rw http.ResponseWriter, r *http.Request) {
			switch dir, n, _ := strings.Cut(r.URL.Path, "signature-"); n {
			case "1":
				_, _ = rw.Write([]byte("no signature"))
			case "2":
				r.URL.Path = dir + "signature-1"
				signer.ServeHTTP(rw, r)
			default:
				http.NotFound(rw, r)
			}
		}, exitOK, "another one verifies it: signature-1: it is not an OpenPGP message"},
		{"too large", func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(make([]byte, 1<<20)) }, exitFailed, "more than 51200 bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			plan := []string{"plan", "-c", w.config, "-r", w.recipient, "--tls-verify=false", "--retry-times", "2", "--retry-delay", "10ms"}
			r := w.withReleases(t, manifests.EnvSignatureURL+"="+serveHTTP(t, tc.h), manifests.EnvSignatureKey+"="+key).run(plan...).want(tc.code)
			r.says(tc.says)
			if tc.code == exitOK && tc.says == "" && strings.Contains(r.stderr, "signature") && strings.Contains(r.stderr, "warning") {
				t.Errorf("it warns:\n%s", r.stderr)
			}
		})
	}
}
