package transport

import (
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
