package quirktest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// request is one request to a registry, taken apart.
type request struct {
	*http.Request
	kind      string // as registrytest.Kind
	repo, ref string // ref: a tag, a digest, or what follows "blobs/"
	body      []byte // of a manifest that is put
}

type handler func(w http.ResponseWriter, r *request)

// quirk is what a vendor does otherwise: it answers a request itself, or changes it
// or its answer.
type quirk func(s *Server, next handler) handler

var apiPath = regexp.MustCompile(`^/v2/(.+)/(manifests|blobs|tags|referrers)/(.*)$`)

func read(r *http.Request) (*request, error) {
	q := &request{Request: r, kind: registrytest.Kind(r)}
	if m := apiPath.FindStringSubmatch(r.URL.Path); m != nil {
		q.repo, q.ref = m[1], m[3]
	}
	var err error
	if q.kind == "PUT manifest" {
		q.body, err = io.ReadAll(r.Body)
	}
	return q, err
}

// writes reports whether a request changes something.
func (r *request) writes() bool {
	return r.repo != "" && r.Method != http.MethodGet && r.Method != http.MethodHead
}

// tagged reports whether a manifest is put under a tag.
func (r *request) tagged() bool { return r.kind == "PUT manifest" && !strings.Contains(r.ref, ":") }

// named is what a manifest names.
type named struct {
	MediaType    string           `json:"mediaType"`
	ArtifactType string           `json:"artifactType"`
	Config       *oci.Descriptor  `json:"config"`
	Layers       []oci.Descriptor `json:"layers"`
	Manifests    []oci.Descriptor `json:"manifests"`
	Subject      *oci.Descriptor  `json:"subject"`
}

func parse(body []byte) (n named) {
	if json.Unmarshal(body, &n) != nil {
		return named{} // names nothing
	}
	return n
}

func (r *request) named() named { return parse(r.body) }

func (n named) blobs() []oci.Descriptor {
	if n.Config == nil {
		return n.Layers
	}
	return append([]oci.Descriptor{*n.Config}, n.Layers...)
}

// refuse answers as registries do.
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, code, message)
}
