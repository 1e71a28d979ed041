package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/satchel-airgap/satchel/oci"
)

// statsPath gives the number of upload bytes that the mirror has taken.
const statsPath = "/bench/taken"

// mirror is a registry that hashes uploads, forgets most of their bytes, and
// remembers which repository has which digest. Manifests it keeps.
type mirror struct {
	mu        sync.Mutex
	blobs     map[string]bool        // by REPO@DIGEST
	manifests map[string]stored      // by REPO@DIGEST and REPO:TAG
	kept      map[string]*remembered // by digest
	uploads   map[string]*upload
	started   int
	taken     int64
}

type stored struct {
	desc oci.Descriptor
	body []byte
}

// upload is one upload session; requests of a session come one after the other.
type upload struct {
	hash hash.Hash
	remembered
}

func newMirror() *mirror {
	return &mirror{blobs: map[string]bool{}, manifests: map[string]stored{}, kept: map[string]*remembered{}, uploads: map[string]*upload{}}
}

func (m *mirror) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path == statsPath {
		m.mu.Lock()
		defer m.mu.Unlock()
		_, _ = w.Write([]byte(strconv.FormatInt(m.taken, 10)))
		return
	}
	r, ok := parseRoute(req.URL.Path)
	switch {
	case !ok:
		refuse(w, http.StatusNotFound, "NOT_FOUND")
	case r.kind == "":
		w.WriteHeader(http.StatusOK)
	case r.kind == "uploads" && r.name == "":
		m.start(w, req, r)
	case r.kind == "uploads":
		m.upload(w, req, r)
	case r.kind == "blobs":
		m.blob(w, req, r)
	case req.Method == http.MethodPut:
		m.putManifest(w, req, r)
	default:
		m.getManifest(w, req, r)
	}
}

// blob answers whether a blob is there, and gives its bytes, as far as they are kept.
func (m *mirror) blob(w http.ResponseWriter, req *http.Request, r route) {
	m.mu.Lock()
	kept := m.kept[r.name]
	m.mu.Unlock()
	if !m.has(r.repo, r.name) || kept == nil || req.Method != http.MethodHead && req.Method != http.MethodGet {
		refuse(w, http.StatusNotFound, "BLOB_UNKNOWN")
		return
	}
	w.Header().Set("Docker-Content-Digest", r.name)
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, req, "", time.Time{}, io.NewSectionReader(kept, 0, kept.size))
}

func (m *mirror) has(repo, digest string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.blobs[repo+"@"+digest]
}

// start mounts a blob or begins an upload session.
func (m *mirror) start(w http.ResponseWriter, req *http.Request, r route) {
	if req.Method != http.MethodPost {
		refuse(w, http.StatusMethodNotAllowed, "UNSUPPORTED")
		return
	}
	q := req.URL.Query()
	if d := q.Get("mount"); d != "" && m.has(q.Get("from"), d) {
		m.commit(w, r.repo, d)
		return
	}
	m.mu.Lock()
	m.started++
	id := strconv.Itoa(m.started)
	m.uploads[id] = &upload{hash: sha256.New()}
	m.mu.Unlock()
	w.Header().Set("Location", req.URL.Path+id)
	w.WriteHeader(http.StatusAccepted)
}

func (m *mirror) commit(w http.ResponseWriter, repo, d string) {
	m.mu.Lock()
	m.blobs[repo+"@"+d] = true
	m.mu.Unlock()
	w.Header().Set("Location", "/v2/"+repo+"/blobs/"+d)
	w.Header().Set("Docker-Content-Digest", d)
	w.WriteHeader(http.StatusCreated)
}

// upload takes bytes into a session, and ends it at PUT or DELETE.
func (m *mirror) upload(w http.ResponseWriter, req *http.Request, r route) {
	m.mu.Lock()
	u := m.uploads[r.name]
	if req.Method != http.MethodPatch {
		delete(m.uploads, r.name)
	}
	m.mu.Unlock()
	switch {
	case u == nil:
		refuse(w, http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
		return
	case req.Method == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
		return
	case req.Method != http.MethodPatch && req.Method != http.MethodPut:
		refuse(w, http.StatusMethodNotAllowed, "UNSUPPORTED")
		return
	}
	n, err := io.CopyBuffer(io.MultiWriter(u.hash, u), req.Body, make([]byte, 256*kib))
	m.mu.Lock()
	m.taken += n
	m.mu.Unlock()
	if err != nil {
		refuse(w, http.StatusBadRequest, "BLOB_UPLOAD_INVALID")
		return
	}
	if req.Method == http.MethodPatch {
		w.Header().Set("Location", req.URL.Path)
		w.Header().Set("Range", fmt.Sprintf("0-%d", u.size-1))
		w.WriteHeader(http.StatusAccepted)
		return
	}
	want := req.URL.Query().Get("digest")
	if digest.NewDigest(digest.SHA256, u.hash).String() != want {
		refuse(w, http.StatusBadRequest, "DIGEST_INVALID")
		return
	}
	m.mu.Lock()
	m.kept[want] = &u.remembered
	m.mu.Unlock()
	m.commit(w, r.repo, want)
}

// maxKept is how many bytes of the beginning of a blob are kept.
const maxKept = 64 * kib

// remembered is what the mirror keeps of a blob: the beginning and the last byte, which unpack
// asks for after a push. The rest reads as zeros.
type remembered struct {
	size  int64
	first []byte
	last  byte
}

func (b *remembered) Write(p []byte) (int, error) {
	b.first = append(b.first, p[:min(len(p), maxKept-len(b.first))]...)
	if b.size += int64(len(p)); len(p) > 0 {
		b.last = p[len(p)-1]
	}
	return len(p), nil
}

func (b *remembered) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	if off < int64(len(b.first)) {
		copy(p, b.first[off:])
	}
	if end := b.size - 1 - off; end >= 0 && end < int64(len(p)) {
		p[end] = b.last
	}
	return len(p), nil
}

// putManifest keeps a manifest whose children the repository has.
func (m *mirror) putManifest(w http.ResponseWriter, req *http.Request, r route) {
	body, err := io.ReadAll(io.LimitReader(req.Body, oci.MaxManifestSize+1))
	d := oci.Descriptor{MediaType: req.Header.Get("Content-Type"), Digest: oci.Digest(body), Size: int64(len(body))}
	key := r.repo + ":" + r.name
	if _, perr := digest.Parse(r.name); perr == nil {
		key = r.repo + "@" + r.name
		if r.name != d.Digest.String() {
			refuse(w, http.StatusBadRequest, "DIGEST_INVALID")
			return
		}
	}
	children, cerr := oci.Children(d, body)
	if err != nil || cerr != nil {
		refuse(w, http.StatusBadRequest, "MANIFEST_INVALID")
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range children {
		if _, ok := m.manifests[r.repo+"@"+c.Digest.String()]; !ok && !m.blobs[r.repo+"@"+c.Digest.String()] {
			refuse(w, http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN")
			return
		}
	}
	m.manifests[key] = stored{d, body}
	m.manifests[r.repo+"@"+d.Digest.String()] = stored{d, body}
	w.Header().Set("Docker-Content-Digest", d.Digest.String())
	w.WriteHeader(http.StatusCreated)
}

func (m *mirror) getManifest(w http.ResponseWriter, req *http.Request, r route) {
	m.mu.Lock()
	s, ok := m.manifests[r.repo+":"+r.name]
	if !ok {
		s, ok = m.manifests[r.repo+"@"+r.name]
	}
	m.mu.Unlock()
	if !ok || req.Method != http.MethodGet && req.Method != http.MethodHead {
		refuse(w, http.StatusNotFound, "MANIFEST_UNKNOWN")
		return
	}
	w.Header().Set("Content-Type", s.desc.MediaType)
	w.Header().Set("Docker-Content-Digest", s.desc.Digest.String())
	w.Header().Set("Content-Length", strconv.FormatInt(s.desc.Size, 10))
	_, _ = io.Copy(w, bytes.NewReader(s.body))
}
