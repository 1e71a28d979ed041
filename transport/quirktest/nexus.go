package quirktest

import (
	"net/http"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
)

// nexus is Sonatype's registry.
//
//   - The challenge has its scheme in capitals (dotnet/sdk-container-builds#527).
//   - A manifest without mediaType is served as Docker's, whatever it is
//     (cri-o/cri-o#2905, containers/buildah#575).
//   - An index is refused while children are missing, 400 (estesp/manifest-tool#190).
//   - With the deployment policy "Disable redeploy", tags do not change, 400.
//   - It has no list of referrers, 404, as registries before OCI 1.1, mounts nothing, and
//     leaves the digest out of its answers.
func nexus() vendor {
	return vendor{project: "hosted",
		login: basic(`BASIC realm="Sonatype Nexus Repository Manager"`),
		quirks: []quirk{
			noReferrers(http.StatusNotFound),
			created(http.StatusNotFound, "NAME_UNKNOWN", "repository name not known to registry"),
			fixed(http.StatusBadRequest, "MANIFEST_INVALID", "redeploying is disabled in this repository"),
			childrenFirst(http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN", "manifest references a manifest or blob that is unknown"),
			noMount,
			untyped,
			silent,
		}}
}

// untyped calls every manifest that does not say what it is Docker's.
func untyped(s *Server, next handler) handler {
	return func(w http.ResponseWriter, r *request) {
		if _, m, ok := s.store.find(r.repo, r.ref); ok && strings.HasSuffix(r.kind, " manifest") && r.Method != http.MethodPut && parse(m.body).MediaType == "" {
			s.meet("served as another type")
			w = &typed{w, oci.MediaTypeDockerManifest}
		}
		next(w, r)
	}
}

// typed changes the type of an answer.
type typed struct {
	http.ResponseWriter
	mediaType string
}

func (w *typed) WriteHeader(status int) {
	w.Header().Set("Content-Type", w.mediaType)
	w.ResponseWriter.WriteHeader(status)
}

func (w *typed) Write(p []byte) (int, error) {
	w.Header().Set("Content-Type", w.mediaType)
	return w.ResponseWriter.Write(p)
}
