package serve

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci"
)

// ServeHTTP answers a request of the OCI distribution specification.
func (g *Registry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, began := newAnswer(w), time.Now()
	g.busy.Add(1)
	defer func() {
		defer g.busy.Done()
		g.requests.Add(1)
		g.sent.Add(a.bytes)
		g.Debug("%s %s %s: %d, %d bytes in %s", r.RemoteAddr, r.Method, r.URL.Path, a.code, a.bytes, time.Since(began).Round(time.Millisecond))
	}()
	if r.ContentLength != 0 { // net/http reads a body before it answers, and ends the deadline where the body ends
		_ = a.control.SetReadDeadline(time.Now().Add(g.body)) // what cannot have one waits longer
	}
	a.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	a.Header().Set("X-Content-Type-Options", "nosniff")
	if g.admit(a, r) {
		g.route(a, r)
	}
	a.begin()
}

func (g *Registry) route(a *answer, r *http.Request) {
	t := parse(r.URL.Path)
	switch {
	case t.kind == kindNone:
		a.refuse(http.StatusNotFound, codeUnsupported, "this is a registry: its addresses begin with /v2/")
	case t.name != "" && !namePattern.MatchString(t.name):
		a.refuse(http.StatusBadRequest, codeNameInvalid, "%q is not the name of a repository", t.name)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		g.refuseWrite(a, r, t)
	case t.kind == kindBase:
		a.json(http.StatusOK, struct{}{})
	case t.kind == kindCatalog:
		g.catalog(a, r)
	case t.kind == kindReferrers:
		g.referrers(a, r, t)
	case t.kind == kindUpload:
		a.refuse(http.StatusNotFound, codeUploadUnknown, "nothing is uploaded here")
	case g.repos[t.name] == nil:
		a.refuse(http.StatusNotFound, codeNameUnknown, "no bundle has an image for the repository %s", t.name)
	case t.kind == kindTags:
		g.tags(a, r, t)
	case t.kind == kindManifest:
		g.manifest(a, r, t)
	default:
		g.blob(a, r, t)
	}
}

// refuseWrite answers a request that would change something. What is not there cannot be deleted.
func (g *Registry) refuseWrite(a *answer, r *http.Request, t target) {
	repo := g.repos[t.name]
	switch {
	case r.Method == http.MethodDelete && t.kind == kindManifest && repo == nil:
		a.refuse(http.StatusNotFound, codeNameUnknown, "no bundle has an image for the repository %s", t.name)
		return
	case r.Method == http.MethodDelete && t.kind == kindBlob && !repo.hasBlob(t.ref):
		a.refuse(http.StatusNotFound, codeBlobUnknown, "the repository %s has no blob %s", t.name, t.ref)
		return
	}
	a.Header().Set("Allow", "GET, HEAD")
	a.refuse(http.StatusMethodNotAllowed, codeUnsupported, "this registry is a bundle on a drive, which is only read; satchel unpack pushes it into a registry that can be written")
}

func (r *repository) hasBlob(ref string) bool {
	if r == nil {
		return false
	}
	_, ok := r.blobs[digest.Digest(ref)]
	return ok
}

// digestOf reads a digest, and refuses what is none.
func digestOf(a *answer, ref string) (digest.Digest, bool) {
	d := digest.Digest(ref)
	if d.Validate() != nil {
		a.refuse(http.StatusBadRequest, codeDigestInvalid, "%q is not a digest", ref)
		return "", false
	}
	return d, true
}

// manifest answers with a manifest as it is, whatever types the client accepts.
func (g *Registry) manifest(a *answer, r *http.Request, t target) {
	repo := g.repos[t.name]
	d, ok := repo.tags[t.ref].digest, true
	if strings.Contains(t.ref, ":") {
		if d, ok = digestOf(a, t.ref); !ok {
			return
		}
	}
	m, ok := repo.manifests[d]
	if !ok {
		a.refuse(http.StatusNotFound, codeManifestUnknown, "the repository %s has no manifest %s", t.name, t.ref)
		return
	}
	g.content(a, r, m, m.MediaType)
}

// blob answers with a blob, or with parts of it.
func (g *Registry) blob(a *answer, r *http.Request, t target) {
	d, ok := digestOf(a, t.ref)
	if !ok {
		return
	}
	b, ok := g.repos[t.name].blobs[d]
	if !ok {
		a.refuse(http.StatusNotFound, codeBlobUnknown, "the repository %s has no blob %s", t.name, t.ref)
		return
	}
	g.content(a, r, b, "application/octet-stream")
}

// content answers with the bytes of d as they are read.
func (g *Registry) content(a *answer, r *http.Request, d oci.Descriptor, mediaType string) {
	if d.Size == 0 { // nothing is read, so nothing would be verified
		if err := oci.NewVerifier(d).Close(); err != nil {
			g.failed(a, r, err)
			return
		}
	}
	ctx, cancel := context.WithCancel(r.Context())
	c := newContent(ctx, g.gate, clientOf(r), g.src, d)
	g.head(a, d, mediaType)
	http.ServeContent(a, ranged(r, d.Size), "", time.Time{}, c)
	cancel()
	err := c.close()
	switch {
	case err == nil:
	case a.begun, r.Context().Err() != nil:
		g.report(r, err)
		panic(http.ErrAbortHandler) // the client must not take it for the end
	default:
		g.failed(a, r, err)
	}
}

// clientOf is the address that a request comes from.
func clientOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// head says what content is.
func (g *Registry) head(a *answer, d oci.Descriptor, mediaType string) {
	h := a.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Docker-Content-Digest", d.Digest.String())
	h.Set("Etag", `"`+d.Digest.String()+`"`)
}

// mostRanges is how many parts of a blob one request gets.
const mostRanges = 100

// ranged gives the request as http.ServeContent must see it. A range that RFC 9110 has servers
// ignore goes (14.2): one of other units than bytes, or of a HEAD; and one of very many parts
// (17.15). The last 0 bytes are no part of anything (14.1.2).
func ranged(r *http.Request, size int64) *http.Request {
	asked := r.Header.Get("Range")
	if asked == "" {
		return r
	}
	r = r.Clone(r.Context())
	r.Header.Del("Range")
	list, inBytes := strings.CutPrefix(asked, "bytes=")
	if !inBytes || r.Method != http.MethodGet || strings.Count(list, ",") >= mostRanges {
		return r
	}
	parts := strings.Split(list, ",")
	for i, p := range parts {
		if p = strings.TrimSpace(p); len(p) > 1 && strings.Trim(p[1:], "0") == "" && p[0] == '-' {
			parts[i] = strconv.FormatInt(size, 10) + "-"
		}
	}
	r.Header.Set("Range", "bytes="+strings.Join(parts, ","))
	return r
}

// failed answers that content cannot be read now.
func (g *Registry) failed(a *answer, r *http.Request, err error) {
	g.report(r, err)
	var drive *bundle.DriveError
	if errors.As(err, &drive) {
		a.Header().Set("Retry-After", "5")
		a.refuse(http.StatusServiceUnavailable, codeUnavailable, "the drive of the bundle cannot be read now")
		return
	}
	if away, ok := errors.AsType[*bundle.AwayError](err); ok {
		a.refuse(http.StatusServiceUnavailable, codeUnavailable, "%v", away)
		return
	}
	a.refuse(http.StatusInternalServerError, codeUnknown, "the bundle does not give this content")
}

// damaged says what is wrong with a bundle, once.
func (g *Registry) damaged(err *bundle.DamageError) {
	i := slices.IndexFunc(g.shelf, func(o *opened) bool { return slices.Contains(o.dirs(), err.Dir) })
	if i < 0 { // of a bundle that a supplement completes, or of a drive that went since
		g.Warn("%v", err)
		return
	}
	g.shelf[i].damaged(err, "")
}

// report says which request failed, and why. What is said of a drive that is away is said once.
func (g *Registry) report(r *http.Request, err error) {
	var drive *bundle.DriveError
	var away *bundle.AwayError
	var damage *bundle.DamageError
	var wrong *oci.DigestError
	switch {
	case r.Context().Err() != nil || errors.Is(err, context.Canceled):
		g.Debug("%s %s: the client is gone: %v", r.Method, r.URL.Path, err)
	case errors.As(err, &drive), errors.As(err, &away): // that a drive is not here was said at the start
		g.Debug("%s %s: %v", r.Method, r.URL.Path, err)
	case errors.As(err, &damage):
		g.Debug("%s %s: %v", r.Method, r.URL.Path, err)
		g.damaged(damage)
	case errors.As(err, &wrong):
		g.Warn("%s %s: wrong bytes in %s: %v; the client did not get the end of it: do not use this bundle, pack it again", r.Method, r.URL.Path, strings.Join(g.shelf.dirs(wrong.Want), " or "), err)
	default:
		g.Warn("%s %s: %v", r.Method, r.URL.Path, err)
	}
}
