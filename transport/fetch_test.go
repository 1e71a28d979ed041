package transport

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestFetch(t *testing.T) {
	var broken atomic.Int32
	mux := http.NewServeMux()
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("a credential was sent")
		}
		w.Write([]byte("0123456789"))
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/file", http.StatusFound) })
	mux.HandleFunc("/busy", func(w http.ResponseWriter, r *http.Request) {
		if broken.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Write([]byte("at last"))
	})
	mux.HandleFunc("/cut", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.Write([]byte("short"))
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	c := NewClient(Config{TLSVerify: true, RetryTimes: 3, RetryDelay: time.Millisecond})
	defer c.Close()
	for path, want := range map[string]string{"/file": "0123456789", "/moved": "0123456789", "/busy": "at last"} {
		got, err := c.Fetch(t.Context(), server.URL+path, 10)
		if err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v", path, got, err)
		}
	}
	var status *StatusError
	if _, err := c.Fetch(t.Context(), server.URL+"/none?token=secret", 10); !errors.As(err, &status) || status.Status != 404 || strings.Contains(err.Error(), "secret") {
		t.Errorf("absent: %v", err)
	}
	var large *SizeError
	if _, err := c.Fetch(t.Context(), server.URL+"/file", 9); !errors.As(err, &large) || !strings.Contains(err.Error(), "more than 9 bytes") {
		t.Errorf("too large: %v", err)
	}
	var failed *RegistryError
	if got, err := c.Fetch(t.Context(), server.URL+"/cut", 1000); !errors.As(err, &failed) {
		t.Errorf("cut off: %q, %v", got, err)
	}
	for _, bad := range []string{"ftp://a/b", "/file", "http://", "::"} {
		if _, err := c.Fetch(t.Context(), bad, 10); err == nil {
			t.Errorf("%s was fetched", bad)
		}
	}
}

// TestFetchReasons shows what servers give as the reason, in the forms that they have.
func TestFetchReasons(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte("<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"))
	}))
	defer other.Close()
	name := strings.TrimPrefix(other.URL, "http://")
	for body, want := range map[string]string{
		`{"kind":"invalid_params","value":"the parameter channel is missing"}`:                   ": the parameter channel is missing",
		`{"type":"about:blank","title":"Bad Request","status":400,"detail":"unknown channel x"}`: ": unknown channel x",
		`{"error":"invalid_request","error_description":"no such\u001b[31m channel"}`:            ": no such [31m channel",
		`{"errors":[{"code":"X","message":"not like that"}]}`:                                    ": not like that",
		`{"message":"see https://user:secret@graph.example/?token=secret"}`:                      ": see https://graph.example/",
		`bad request`: "400 Bad Request",
		`{}`:          "400 Bad Request",
		`redirect`:    ": from " + name + ", where it redirects to: Request has expired",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if body == "redirect" {
				http.Redirect(w, r, other.URL, http.StatusFound)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(body))
		}))
		c := NewClient(Config{TLSVerify: true})
		_, err := c.Fetch(t.Context(), server.URL+"/graph?arch=x", 100)
		var status *StatusError
		if !errors.As(err, &status) || !status.Permanent() || !strings.HasSuffix(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", body, err)
		}
		c.Close()
		server.Close()
	}
}

// TestFetchCompressed gets files that are compressed on their way, and archives of which that
// is only said.
func TestFetchCompressed(t *testing.T) {
	t.Parallel()
	zip := func(b []byte) []byte {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		_, _ = z.Write(b)
		_ = z.Close()
		return out.Bytes()
	}
	var archive bytes.Buffer
	tw := tar.NewWriter(&archive)
	_ = tw.WriteHeader(&tar.Header{Name: "a", Size: 1, Mode: 0o644})
	_, _ = tw.Write([]byte("a"))
	_ = tw.Close()
	text, tgz := []byte(`{"nodes":[]}`), zip(archive.Bytes())
	for name, k := range map[string]struct{ sent, want []byte }{
		"text":                        {zip(text), text},
		"an archive":                  {zip(tgz), tgz},
		"an archive, only said so":    {tgz, tgz},
		"plain text, only said so":    {text, text},
		"larger than the limit, then": {zip(make([]byte, 20<<10)), nil},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if got := r.Header.Get("Accept-Encoding"); got != "identity" {
				t.Errorf("Accept-Encoding %q", got)
			}
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(k.sent)
		}))
		c := NewClient(Config{TLSVerify: true})
		got, err := c.Fetch(t.Context(), server.URL, 10<<10)
		var large *SizeError
		if k.want == nil && !errors.As(err, &large) || k.want != nil && (err != nil || !bytes.Equal(got, k.want)) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		c.Close()
		server.Close()
	}
}
