package quirktest

import (
	"net/http"
	"strings"
)

// dockerHub is Docker's registry: a manifest with a subject is refused while its
// subject is not there (oras-project/oras#666, docker/hub-feedback#2372).
func dockerHub() vendor {
	return vendor{project: "user",
		login: bearer(tokens{path: "/token", service: "registry.docker.io", grant: inProject}),
		quirks: []quirk{
			when("subject first", func(s *Server, r *request) bool {
				to := r.named().Subject
				if to == nil {
					return false
				}
				_, _, there := s.store.find(r.repo, to.Digest.String())
				return !there
			}, http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry"),
			toStorage("GET blob"),
		}}
}

// old is a registry of before OCI, as inside some companies still: it takes Docker's
// manifests alone (regclient/regclient#1034), and has no list of referrers.
func old() vendor {
	return vendor{project: "dept",
		login: basic(`Basic realm="registry"`),
		quirks: []quirk{
			when("OCI manifest", func(_ *Server, r *request) bool {
				return r.kind == "PUT manifest" && strings.Contains(r.Header.Get("Content-Type"), "oci")
			}, http.StatusBadRequest, "MANIFEST_INVALID", "manifest invalid"),
			noReferrers(http.StatusNotFound),
			noMount,
		}}
}
