package quirktest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
)

// quay is Red Hat's registry, and quay.io.
//
//   - Organizations are not created by a push; what may not be pushed to is answered 401.
//   - An image's config must be of a known type (oras-project/oras#738, deckhouse/deckhouse#10672).
//   - An OCI index must not name Docker manifests (openshift/oc-mirror#253).
//   - What was pushed by digest is not served until a tag leads to it (regclient/regclient#433).
//   - A client that does not accept what an image is gets schema 1 (eclipse-che/che-plugin-registry#2082).
//   - GET of a blob leads to object storage, HEAD does not; quay.io answers 429 without Retry-After.
func quay() vendor {
	return vendor{project: "org",
		login: bearer(tokens{path: "/v2/auth", service: "quay", grant: inProject}),
		quirks: []quirk{
			once("GET manifest", http.StatusTooManyRequests, "", "TOOMANYREQUESTS", "too many requests"),
			when("config of an unknown type", func(_ *Server, r *request) bool {
				known := []string{"application/vnd.docker.container.image.v1+json", "application/vnd.oci.image.config.v1+json", "application/vnd.cncf.helm.config.v1+json", "application/vnd.oci.empty.v1+json"}
				n := r.named()
				return n.Config != nil && !slices.Contains(known, n.Config.MediaType)
			}, http.StatusBadRequest, "MANIFEST_INVALID", "manifest invalid"),
			when("Docker manifests in an OCI index", func(_ *Server, r *request) bool {
				return r.Header.Get("Content-Type") == oci.MediaTypeIndex && slices.ContainsFunc(r.named().Manifests, func(d oci.Descriptor) bool { return strings.Contains(d.MediaType, "docker") })
			}, http.StatusBadRequest, "MANIFEST_INVALID", "failed to parse manifest: manifest data does not match schema"),
			childrenFirst(http.StatusBadRequest, "MANIFEST_INVALID", "manifest not found"),
			hidden,
			schema1,
			toStorage("GET blob"),
		}}
}

// hidden serves a manifest once a tag, or an index that one leads to, names it.
func hidden(s *Server, next handler) handler {
	return func(w http.ResponseWriter, r *request) {
		if (r.kind == "GET manifest" || r.kind == "HEAD manifest") && !s.reached(r.repo, r.ref) {
			s.meet("not yet tagged")
			refuse(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown")
			return
		}
		next(w, r)
	}
}

// reached reports whether a tag leads to a manifest.
func (s *Server) reached(name, ref string) bool {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	at := s.store.repo(name)
	var reach func(digest string) bool
	reach = func(digest string) bool {
		return digest == ref || slices.ContainsFunc(parse(at.manifests[digest].body).Manifests, func(d oci.Descriptor) bool { return reach(d.Digest.String()) })
	}
	for tag, digest := range at.tags {
		if tag == ref || reach(digest) {
			return true
		}
	}
	return parse(at.manifests[ref].body).Subject != nil
}

// schema1 gives clients that do not accept what is there what clients of old understand.
func schema1(s *Server, next handler) handler {
	return func(w http.ResponseWriter, r *request) {
		accept := strings.Join(r.Header.Values("Accept"), ",")
		if _, m, ok := s.store.find(r.repo, r.ref); ok && r.kind == "GET manifest" && !strings.Contains(accept, m.mediaType) {
			s.meet("schema 1")
			answer(w, "application/vnd.docker.distribution.manifest.v1+prettyjws", map[string]any{"schemaVersion": 1})
			return
		}
		next(w, r)
	}
}
