package main

import (
	"net/http"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// source is a read-only registry of made-up content. Every repository has all of it.
type source struct {
	content *ocitest.Content
	tags    map[string]digest.Digest // by REPO:TAG
	types   map[digest.Digest]string
}

func newSource(s *set) *source {
	src := &source{s.content, map[string]digest.Digest{}, map[digest.Digest]string{}}
	for _, i := range s.images {
		src.tags[i.repo+":"+i.tag] = i.root.Digest
	}
	for _, d := range s.content.All() {
		src.types[d.Digest] = d.MediaType
	}
	return src
}

func (s *source) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r, ok := parseRoute(req.URL.Path)
	switch {
	case req.Method != http.MethodGet && req.Method != http.MethodHead:
		refuse(w, http.StatusMethodNotAllowed, "UNSUPPORTED")
		return
	case !ok:
		refuse(w, http.StatusNotFound, "NOT_FOUND")
		return
	case r.kind == "":
		w.WriteHeader(http.StatusOK)
		return
	}
	d := digest.Digest(r.name)
	if tagged := s.tags[r.repo+":"+r.name]; tagged != "" && r.kind == "manifests" {
		d = tagged
	}
	body, err := s.content.Reader(d)
	if err != nil || oci.IsManifest(s.types[d]) != (r.kind == "manifests") {
		refuse(w, http.StatusNotFound, "NOT_FOUND")
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if r.kind == "manifests" {
		w.Header().Set("Content-Type", s.types[d])
	}
	w.Header().Set("Docker-Content-Digest", d.String())
	http.ServeContent(w, req, "", time.Time{}, body)
}
