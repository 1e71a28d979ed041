package quirktest

import (
	"net/http"
	"strings"
)

// artifactory is JFrog's registry.
//
//   - HEAD of a blob that is not there may be answered 200, and GET 404 (gardener/cc-utils#1752).
//   - With several nodes, an upload may be unknown to the node that its last request
//     reaches, 404 (GoogleContainerTools/jib#3399).
//   - A push with an Accept header that does not name JSON fails (dotnet/sdk-container-builds#383).
//   - Blobs are not mounted: an upload begins. The address of an upload is absolute.
//   - It has no list of referrers, 404, as registries before OCI 1.1.
func artifactory() vendor {
	return vendor{project: "docker-local",
		login: bearer(tokens{path: "/artifactory/api/docker/docker-local/v2/token", service: "artifactory", grant: inProject}),
		quirks: []quirk{
			once("PUT upload", http.StatusNotFound, "", "BLOB_UPLOAD_UNKNOWN", "upload unknown to this node"),
			heads,
			when("Accept without JSON", func(_ *Server, r *request) bool {
				accept := r.Header.Get("Accept")
				return r.writes() && accept != "" && !strings.Contains(accept, "json") && !strings.Contains(accept, "*/*")
			}, http.StatusNotAcceptable, "UNSUPPORTED", "not acceptable"),
			noReferrers(http.StatusNotFound),
			created(http.StatusForbidden, "DENIED", "the repository does not exist"),
			childrenFirst(http.StatusBadRequest, "MANIFEST_INVALID", "manifest invalid"),
			noMount,
			absolute,
		}}
}

// heads answers HEAD of any blob with 200.
func heads(s *Server, next handler) handler {
	return func(w http.ResponseWriter, r *request) {
		if _, ok := s.store.blob(r.repo, r.ref); !ok && r.kind == "HEAD blob" {
			s.meet("HEAD of what is not there")
			w.WriteHeader(http.StatusOK)
			return
		}
		next(w, r)
	}
}
