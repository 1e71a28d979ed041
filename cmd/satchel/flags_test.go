package main

import (
	"bytes"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// sided gives a side's client as the command line makes it, and what it says.
func sided(t *testing.T, side string, args ...string) (*transport.Client, *bytes.Buffer, error) {
	t.Helper()
	var r registryFlags
	f := pflag.NewFlagSet("test", pflag.ContinueOnError)
	f.SetOutput(io.Discard)
	addRegistryFlags(f, &r, side)
	auth := filepath.Join(t.TempDir(), "auth.json")
	if err := os.WriteFile(auth, []byte(`{"auths":{}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.Parse(append([]string{"--authfile", auth}, args...)); err != nil {
		return nil, nil, err
	}
	var output bytes.Buffer
	c := r.client(&app{stderr: &output})
	t.Cleanup(c.Close)
	return c, &output, nil
}

// asked looks for a blob of size bytes and reads it.
func asked(t *testing.T, c *transport.Client, host string, body []byte) error {
	t.Helper()
	r, err := c.Repository(oci.Ref{Registry: host, Repository: "a"})
	if err != nil {
		return err
	}
	rc, err := r.Open(t.Context(), oci.Descriptor{Digest: oci.Digest(body), Size: int64(len(body))}, 0)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, rc)
	return errors.Join(err, rc.Close())
}

func TestRetryFlags(t *testing.T) {
	var n atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/blobs/") {
			n.Add(1)
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	t.Cleanup(srv.Close)
	host := strings.TrimPrefix(srv.URL, "http://")
	for times, want := range map[string]int32{"0": 1, "3": 4} {
		n.Store(0)
		c, output, err := sided(t, "src", "--tls-verify=false", "--retry-times", times, "--retry-delay=10ms")
		if err != nil {
			t.Fatal(err)
		}
		err = asked(t, c, host, []byte("x"))
		if exitCode(err) != exitRegistry || n.Load() != want {
			t.Errorf("--retry-times %s: %d requests, %v", times, n.Load(), err)
		}
		if retried := strings.Contains(output.String(), host+": it answered 502 bad gateway; trying again in 0s"); retried != (want > 1) {
			t.Errorf("--retry-times %s says %q", times, output)
		}
	}
}

func TestLimitRateFlag(t *testing.T) {
	body := make([]byte, 256<<10)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/blobs/") {
			w.Write(body)
		}
	}))
	t.Cleanup(srv.Close)
	c, _, err := sided(t, "dest", "--dest-tls-verify=false", "--limit-rate=256KiB")
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if err := asked(t, c, strings.TrimPrefix(srv.URL, "http://"), body); err != nil || time.Since(begun) < 800*time.Millisecond {
		t.Errorf("256 KiB in %v, %v", time.Since(begun), err)
	}
}

func TestCertificateFlags(t *testing.T) {
	ca := registrytest.NewAuthority(t)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "x") }))
	srv.TLS, srv.Config.ErrorLog = ca.Server(t, "127.0.0.1", time.Now().Add(time.Hour)), log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	host := strings.TrimPrefix(srv.URL, "https://")
	for _, c := range []struct{ side, flag, value string }{
		{"src", "--ca-file", ca.File}, {"dest", "--ca-file", ca.File},
		{"src", "--cert-dir", filepath.Dir(ca.File)}, {"src", "--src-cert-dir", filepath.Dir(ca.File)}, {"dest", "--dest-cert-dir", filepath.Dir(ca.File)},
	} {
		with, _, err := sided(t, c.side, c.flag, c.value)
		if err != nil {
			t.Fatal(err)
		}
		if err := asked(t, with, host, []byte("x")); err != nil {
			t.Errorf("%s: %v", c.flag, err)
		}
		absent, _, err := sided(t, c.side, c.flag, "/does/not/exist")
		if err != nil {
			t.Fatal(err)
		}
		if err := asked(t, absent, host, []byte("x")); exitCode(err) != exitUsage {
			t.Errorf("%s of nothing: %v", c.flag, err)
		}
	}
	without, _, err := sided(t, "src")
	if err != nil {
		t.Fatal(err)
	}
	err = asked(t, without, host, []byte("x"))
	if lines, hints := explain(err); exitCode(err) != exitRegistry || len(lines) != 1 || len(hints) != 1 || !strings.Contains(hints[0], "--ca-file") {
		t.Errorf("without: %q", lines)
	}
}

func TestRegistriesConfFlag(t *testing.T) {
	file := filepath.Join(t.TempDir(), "registries.conf")
	if err := os.WriteFile(file, []byte("[[registry]]\nlocation = \"registry.example\"\nblocked = true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, side := range []string{"src", "dest"} {
		c, _, err := sided(t, side, "--registries-conf", file)
		if err != nil {
			t.Fatal(err)
		}
		err = asked(t, c, "registry.example", []byte("x"))
		if lines, hints := explain(err); exitCode(err) != exitRegistry || !strings.Contains(lines[0], file) || !strings.Contains(strings.Join(hints, "\n"), "--registries-conf") {
			t.Errorf("%s: %q", side, lines)
		}
	}
}

func TestRegistryFlagsRefuse(t *testing.T) {
	for _, args := range [][]string{
		{"--retry-times", "-1"}, {"--retry-delay", "-1s"}, {"--retry-delay", "soon"}, {"--limit-rate", "10"}, {"--limit-rate", "fast"},
	} {
		if _, _, err := sided(t, "src", args...); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
	if _, _, err := sided(t, "src", "--limit-rate", "0"); err != nil {
		t.Error(err)
	}
}

func TestTroubleHints(t *testing.T) {
	for status, want := range map[int]string{401: "--authfile", 403: "--authfile", 404: "check the name", 429: "--parallel-layers", 502: "run the same command again"} {
		err := &transport.RegistryError{Op: "push", Ref: "h/a:1", Status: status}
		if lines, hints := explain(err); len(lines) != 1 || len(hints) != 1 || !strings.Contains(hints[0], want) || exitCode(err) != exitRegistry {
			t.Errorf("%d: %q", status, lines)
		}
	}
}
