package quirktest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

// store is an honest registry in memory, by the OCI distribution specification 1.1.
type store struct {
	mu      sync.Mutex
	repos   map[string]*repo
	uploads map[string]*bytes.Buffer
	count   int
}

// repo is what one repository has.
type repo struct {
	blobs     map[string][]byte
	manifests map[string]manifest // by digest
	tags      map[string]string
}

type manifest struct {
	mediaType string
	body      []byte
}

func newStore() *store {
	return &store{repos: map[string]*repo{}, uploads: map[string]*bytes.Buffer{}}
}

// repo gives a repository, new if need be. The caller holds s.mu.
func (s *store) repo(name string) *repo {
	r := s.repos[name]
	if r == nil {
		r = &repo{map[string][]byte{}, map[string]manifest{}, map[string]string{}}
		s.repos[name] = r
	}
	return r
}

// find gives a manifest by tag or digest.
func (s *store) find(name, ref string) (digest string, m manifest, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.repo(name)
	if d, tagged := r.tags[ref]; tagged {
		ref = d
	}
	m, ok = r.manifests[ref]
	return ref, m, ok
}

func (s *store) blob(name, digest string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, ok := s.repo(name).blobs[digest]
	return body, ok
}

// serve is the honest registry.
func (s *store) serve(w http.ResponseWriter, r *request) {
	switch r.kind {
	case "GET base", "HEAD base":
		w.WriteHeader(http.StatusOK)
	case "GET blob", "HEAD blob":
		body, ok := s.blob(r.repo, r.ref)
		if !ok {
			refuse(w, http.StatusNotFound, "BLOB_UNKNOWN", "blob unknown to registry")
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Docker-Content-Digest", r.ref)
		http.ServeContent(w, r.Request, "", time.Time{}, bytes.NewReader(body))
	case "GET manifest", "HEAD manifest":
		s.getManifest(w, r)
	case "PUT manifest":
		s.putManifest(w, r)
	case "DELETE manifest", "DELETE blob":
		s.remove(w, r)
	case "POST mount":
		s.mount(w, r)
	case "POST upload", "PATCH upload", "PUT upload", "DELETE upload":
		s.upload(w, r)
	case "GET tag":
		s.listTags(w, r)
	case "GET referrer":
		s.listReferrers(w, r)
	default:
		refuse(w, http.StatusNotFound, "UNSUPPORTED", r.kind)
	}
}

func (s *store) getManifest(w http.ResponseWriter, r *request) {
	d, m, ok := s.find(r.repo, r.ref)
	if !ok {
		refuse(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown")
		return
	}
	w.Header().Set("Content-Type", m.mediaType)
	w.Header().Set("Docker-Content-Digest", d)
	w.Header().Set("Content-Length", strconv.Itoa(len(m.body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(m.body) // the client may go away
	}
}

// putManifest takes a manifest whose blobs are there.
func (s *store) putManifest(w http.ResponseWriter, r *request) {
	d := digest.FromBytes(r.body).String()
	byDigest := strings.Contains(r.ref, ":")
	if byDigest && r.ref != d {
		refuse(w, http.StatusBadRequest, "DIGEST_INVALID", "provided digest did not match uploaded content")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.repo(r.repo)
	for _, b := range r.named().blobs() {
		if _, ok := at.blobs[b.Digest.String()]; !ok && !oci.IsForeign(b.MediaType) {
			refuse(w, http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry: "+b.Digest.String())
			return
		}
	}
	at.manifests[d] = manifest{r.Header.Get("Content-Type"), r.body}
	if !byDigest {
		at.tags[r.ref] = d
	}
	w.Header().Set("Docker-Content-Digest", d)
	w.Header().Set("Location", "/v2/"+r.repo+"/manifests/"+d)
	w.WriteHeader(http.StatusCreated)
}

func (s *store) remove(w http.ResponseWriter, r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.repo(r.repo)
	delete(at.tags, r.ref)
	if strings.HasPrefix(r.kind, "DELETE blob") {
		delete(at.blobs, r.ref)
	} else if _, ok := at.manifests[r.ref]; ok {
		delete(at.manifests, r.ref)
		for tag, d := range at.tags {
			if d == r.ref {
				delete(at.tags, tag)
			}
		}
	}
	w.WriteHeader(http.StatusAccepted)
}

func (s *store) mount(w http.ResponseWriter, r *request) {
	q := r.URL.Query()
	d := q.Get("mount")
	body, ok := s.blob(q.Get("from"), d)
	if !ok {
		s.begin(w, r)
		return
	}
	s.keep(r.repo, d, body)
	w.Header().Set("Location", "/v2/"+r.repo+"/blobs/"+d)
	w.Header().Set("Docker-Content-Digest", d)
	w.WriteHeader(http.StatusCreated)
}

func (s *store) keep(name, digest string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.repo(name).blobs[digest] = body
}

// begin starts an upload.
func (s *store) begin(w http.ResponseWriter, r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	id := strconv.Itoa(s.count)
	s.uploads[r.repo+" "+id] = &bytes.Buffer{}
	w.Header().Set("Location", "/v2/"+r.repo+"/blobs/uploads/"+id)
	w.Header().Set("Range", "0-0")
	w.WriteHeader(http.StatusAccepted)
}

func (s *store) upload(w http.ResponseWriter, r *request) {
	if r.Method == http.MethodPost {
		s.begin(w, r)
		return
	}
	id := r.repo + " " + strings.TrimPrefix(r.ref, "uploads/")
	s.mu.Lock()
	got := s.uploads[id]
	if r.Method != http.MethodPatch {
		delete(s.uploads, id)
	}
	s.mu.Unlock()
	if got == nil {
		refuse(w, http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
		return
	}
	if r.Method == http.MethodDelete {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if _, err := io.Copy(got, r.Body); err != nil {
		return // the client is gone
	}
	if r.Method == http.MethodPatch {
		w.Header().Set("Location", r.URL.Path)
		w.Header().Set("Range", fmt.Sprintf("0-%d", got.Len()-1))
		w.WriteHeader(http.StatusAccepted)
		return
	}
	d := r.URL.Query().Get("digest")
	if digest.FromBytes(got.Bytes()).String() != d {
		refuse(w, http.StatusBadRequest, "DIGEST_INVALID", "provided digest did not match uploaded content")
		return
	}
	s.keep(r.repo, d, got.Bytes())
	w.Header().Set("Location", "/v2/"+r.repo+"/blobs/"+d)
	w.Header().Set("Docker-Content-Digest", d)
	w.WriteHeader(http.StatusCreated)
}

func (s *store) listTags(w http.ResponseWriter, r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tags := []string{}
	for tag := range s.repo(r.repo).tags {
		tags = append(tags, tag)
	}
	slices.Sort(tags)
	q := r.URL.Query()
	if last := q.Get("last"); last != "" {
		i, _ := slices.BinarySearch(tags, last)
		tags = tags[min(i+1, len(tags)):]
	}
	if n, err := strconv.Atoi(q.Get("n")); err == nil && n < len(tags) {
		tags = tags[:n]
		w.Header().Set("Link", fmt.Sprintf("</v2/%s/tags/list?n=%d&last=%s>; rel=\"next\"", r.repo, n, tags[n-1]))
	}
	answer(w, "application/json", map[string]any{"name": r.repo, "tags": tags})
}

func (s *store) listReferrers(w http.ResponseWriter, r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []oci.Descriptor{}
	for d, m := range s.repo(r.repo).manifests {
		if n := parse(m.body); n.Subject != nil && n.Subject.Digest.String() == r.ref {
			kind := n.ArtifactType
			if kind == "" && n.Config != nil {
				kind = n.Config.MediaType
			}
			list = append(list, oci.Descriptor{MediaType: m.mediaType, Digest: digest.Digest(d), Size: int64(len(m.body)), ArtifactType: kind})
		}
	}
	answer(w, oci.MediaTypeIndex, map[string]any{"schemaVersion": 2, "mediaType": oci.MediaTypeIndex, "manifests": list})
}

func answer(w http.ResponseWriter, mediaType string, v any) {
	w.Header().Set("Content-Type", mediaType)
	_ = json.NewEncoder(w).Encode(v) // the client may go away
}
