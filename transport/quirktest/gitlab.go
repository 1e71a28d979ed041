package quirktest

import (
	"net/http"
	"strings"
)

// gitlab is the registry of GitLab.
//
//   - Of two scopes for one repository in a request for a token, the second counts
//     (GoogleContainerTools/kaniko#181); where nothing is granted, the answer is 403
//     and no token (mayflower/docker-ls#36).
//   - A token ends soon, after five minutes by default, here after twelve requests: between
//     layers and manifests too (docker/buildx#324).
//   - A repository is two levels below its project at most; what is deeper is denied
//     (containers/skopeo#2484).
//   - A mount from what the token may not pull is answered 401 (estesp/manifest-tool#53).
//   - Artifacts are taken of known types alone (ocx-sh/ocx#480).
//   - Where blobs are in object storage, GET and HEAD lead there, by an address that is
//     signed for GET. Lists of tags have pages.
func gitlab() vendor {
	return vendor{project: "group",
		login: bearer(tokens{path: "/jwt/auth", service: "container_registry", grant: inProject, last: true, none: http.StatusForbidden, uses: 12}),
		quirks: []quirk{
			shallow(4, http.StatusForbidden, "DENIED", "requested access to the resource is denied"),
			when("no mounts across projects", func(_ *Server, r *request) bool { return r.kind == "POST mount" }, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required"),
			when("an artifact of an unknown type", func(_ *Server, r *request) bool {
				of := r.named().ArtifactType
				return of != "" && !strings.HasPrefix(of, "application/vnd.cncf.helm.") && !strings.HasPrefix(of, "application/vnd.dev.cosign.")
			}, http.StatusBadRequest, "MANIFEST_INVALID", "unknown media type"),
			pages(2),
			toStorage("GET blob", "HEAD blob"),
			absolute,
		}}
}
