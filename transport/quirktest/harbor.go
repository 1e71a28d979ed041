package quirktest

import (
	"net/http"
	"strings"
)

// harbor is goharbor.io.
//
//   - A project is not created by a push; the project in a mount's "from" must exist,
//     or the mount is answered 401 (google/go-containerregistry#1393).
//   - A project that is a proxy cache refuses pushes, 403 (goharbor/harbor#12731, #12792).
//   - A tag that is immutable is refused, 412, for the same manifest too (goharbor/harbor,
//     src/server/middleware/immutable).
//   - The address of an upload is a path without host (relativeurls: goharbor/harbor#20339).
func harbor() vendor {
	return vendor{project: "library",
		login: bearer(tokens{path: "/service/token", service: "harbor-registry", grant: func(s *Server, name string, actions []string) []string {
			if strings.HasPrefix(name, "cache/") {
				return actions // the right to push is there, and no use
			}
			return inProject(s, name, actions)
		}}),
		quirks: []quirk{
			when("a proxy cache", func(_ *Server, r *request) bool { return r.writes() && strings.HasPrefix(r.repo, "cache/") },
				http.StatusForbidden, "DENIED", "can not push artifact to a proxy project: cache"),
			created(http.StatusUnauthorized, "UNAUTHORIZED", "project not found"),
			fixed(http.StatusPreconditionFailed, "PRECONDITION", "configured as immutable"),
			childrenFirst(http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown"),
		}}
}
