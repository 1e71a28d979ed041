package quirktest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// Server is one vendor's registry, with TLS, until the test ends.
type Server struct {
	Name    string
	Host    string // 127.0.0.1:port
	CA      string // PEM file with the certificate that signs its own
	Project string // exists; nothing else does

	store   *store
	storage string // where blobs are redirected to, host:port
	met     map[string]int
	tokens  map[string]int // how often each was used
	mu      sync.Mutex
}

// What logs in.
const (
	user     = "robot"
	password = "s3cret-word"
)

// vendor is what makes a registry that of one vendor.
type vendor struct {
	project string
	login   quirk
	quirks  []quirk // the first sees a request first
}

func vendors() map[string]vendor {
	return map[string]vendor{
		"quay": quay(), "harbor": harbor(), "artifactory": artifactory(), "nexus": nexus(), "gitlab": gitlab(), "ecr": ecr(), "ecr-public": ecrPublic(),
		"docker-hub": dockerHub(), "old": old(),
	}
}

// Names lists the vendors.
func Names() (list []string) {
	for name := range vendors() {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// Start runs a vendor's registry.
func Start(t testing.TB, name string) *Server {
	t.Helper()
	v, ok := vendors()[name]
	if !ok {
		t.Fatalf("no vendor %q", name)
	}
	s := &Server{Name: name, Project: v.project, store: newStore(), met: map[string]int{}, tokens: map[string]int{}}
	authority := registrytest.NewAuthority(t)
	s.CA = authority.File
	h := s.store.serve
	for _, q := range slices.Backward(v.quirks) {
		h = q(s, h)
	}
	h = v.login(s, h)
	serve := func(h http.HandlerFunc) string {
		srv := httptest.NewUnstartedServer(h)
		srv.Config.ErrorLog = log.New(io.Discard, "", 0)
		srv.TLS = authority.Server(t, "127.0.0.1", time.Now().Add(time.Hour))
		srv.StartTLS()
		t.Cleanup(func() {
			srv.CloseClientConnections()
			srv.Close()
		})
		return strings.TrimPrefix(srv.URL, "https://")
	}
	s.storage = serve(s.objects)
	s.Host = serve(func(w http.ResponseWriter, r *http.Request) {
		if q, err := read(r); err == nil {
			h(w, q)
		}
		_, _ = io.Copy(io.Discard, r.Body) // a refusal must not break the connection
	})
	return s
}

// Authfile writes the credential that is let in.
func (s *Server) Authfile(t testing.TB) string {
	t.Helper()
	login := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	body, err := json.Marshal(map[string]any{"auths": map[string]any{s.Host: map[string]string{"auth": login}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "auth.json")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// meet notes that a quirk stood in the way.
func (s *Server) meet(quirk string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.met[quirk]++
}

// first reports whether this is the first time, and notes it.
func (s *Server) first(quirk string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.met[quirk]++
	return s.met[quirk] == 1
}

// Met lists the quirks that requests have met, in order of their names.
func (s *Server) Met() (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for q := range s.met {
		list = append(list, q)
	}
	slices.Sort(list)
	return list
}

// Put has the registry hold an image, past its quirks.
func (s *Server) Put(t testing.TB, src oci.Source, root oci.Descriptor, name, tag string) {
	t.Helper()
	err := s.walk(t.Context(), src, root, func(d oci.Descriptor, body []byte, isManifest bool) error {
		if !isManifest {
			s.store.keep(name, d.Digest.String(), body)
			return nil
		}
		s.store.mu.Lock()
		defer s.store.mu.Unlock()
		s.store.repo(name).manifests[d.Digest.String()] = manifest{d.MediaType, body}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	s.store.repo(name).tags[tag] = root.Digest.String()
}

// Compare says what of an image the registry lacks or has otherwise.
func (s *Server) Compare(ctx context.Context, src oci.Source, root oci.Descriptor, name, tag string) error {
	if d, _, _ := s.store.find(name, tag); d != root.Digest.String() {
		return fmt.Errorf("%s:%s is %s, want %s", name, tag, d, root.Digest)
	}
	return s.walk(ctx, src, root, func(d oci.Descriptor, body []byte, isManifest bool) error {
		got, _ := s.store.blob(name, d.Digest.String())
		if isManifest {
			_, m, _ := s.store.find(name, d.Digest.String())
			if got = m.body; m.mediaType != d.MediaType {
				return fmt.Errorf("%s: %s is stored as %q, want %q", name, d.Digest, m.mediaType, d.MediaType)
			}
		}
		if !bytes.Equal(got, body) {
			return fmt.Errorf("%s: %s is not there", name, d.Digest)
		}
		return nil
	})
}

func (s *Server) walk(ctx context.Context, src oci.Source, root oci.Descriptor, visit func(d oci.Descriptor, body []byte, isManifest bool) error) error {
	return oci.Walk(ctx, src, root, func(d oci.Descriptor, body []byte) error {
		if body != nil {
			return visit(d, body, true)
		}
		rc, err := src.Open(ctx, d, 0)
		if err != nil {
			return err
		}
		body, err = io.ReadAll(rc)
		if cerr := rc.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return err
		}
		return visit(d, body, false)
	})
}
