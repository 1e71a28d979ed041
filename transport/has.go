package transport

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
	"github.com/satchel-airgap/satchel/transport/internal/retry"
)

var errAbsent = errors.New("it is not there")

// Has reports whether the repository holds d. Only the status counts: not every
// registry gives the length.
func (r *Repository) Has(ctx context.Context, d oci.Descriptor) (bool, error) {
	err := r.each(ctx, true, func(ctx context.Context, p *Repository) error { return p.has(ctx, d) })
	cause := err
	var all *LocationError
	if errors.As(err, &all) {
		cause = all.Errs[all.decisive()]
	}
	if errors.Is(cause, errAbsent) {
		return false, nil
	}
	return err == nil, explain("check", r.name(d), err)
}

// has asks by HEAD, and by GET where that is refused, of a source also where HEAD does not
// show it. It returns errAbsent for what is not there.
func (r *Repository) has(ctx context.Context, d oci.Descriptor) error {
	path, header := contentPath(d)
	if r.sender.client.cfg.Push {
		err := r.answers(ctx, http.MethodHead, path, header, d)
		if errors.Is(err, errAbsent) || !definite(err) {
			return err
		}
		return r.answers(ctx, http.MethodGet, path, header, d)
	}
	var denied error
	if !r.noHead.of(path).Load() {
		if denied = r.answers(retry.Once(ctx), http.MethodHead, path, header, d); denied == nil {
			return nil
		}
	}
	// An address that is signed for GET refuses HEAD, and some servers know no HEAD.
	ranged := header.Clone()
	if d.Size > 0 && !oci.IsManifest(d.MediaType) {
		ranged = http.Header{"Range": {"bytes=0-0"}}
	}
	err := r.answers(ctx, http.MethodGet, path, ranged, d)
	var refused *rangeError
	if errors.As(err, &refused) {
		err = r.answers(ctx, http.MethodGet, path, header, d)
	}
	if err == nil && definite(denied) {
		r.noHead.of(path).Store(true)
	}
	return err
}

// headless notes that HEAD denied what GET then gave.
type headless struct{ blobs, manifests atomic.Bool }

func (h *headless) of(path string) *atomic.Bool {
	if strings.HasPrefix(path, "manifests/") {
		return &h.manifests
	}
	return &h.blobs
}

// definite reports whether an error is an answer, and not one that may pass.
func definite(err error) bool {
	var answer *RegistryError
	return errors.Is(err, errAbsent) || errors.As(err, &answer) && (answer.Permanent() || answer.Status == http.StatusNotImplemented)
}

// contentPath is the address of content within a repository, and what is sent with it.
func contentPath(d oci.Descriptor) (path string, header http.Header) {
	if oci.IsManifest(d.MediaType) {
		return "manifests/" + d.Digest.String(), acceptManifests()
	}
	return "blobs/" + d.Digest.String(), nil
}

// answers sends a request and looks at the status of its answer alone.
func (r *Repository) answers(ctx context.Context, method, path string, header http.Header, d oci.Descriptor) error {
	resp, err := r.ask(ctx, method, path, header)
	if err != nil {
		return explain("check", r.name(d), err)
	}
	switch {
	case resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusPartialContent && method == http.MethodGet:
		reply.Drain(resp)
		return nil
	case resp.StatusCode == http.StatusNotFound:
		reply.Drain(resp)
		return errAbsent
	}
	err = explain("check", r.name(d), answerError(resp))
	if header.Get("Range") != "" && reply.RefusesRange(resp) {
		return &rangeError{err}
	}
	return err
}
