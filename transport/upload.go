package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/redirect"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
	"github.com/satchel-airgap/satchel/transport/internal/retry"
	"github.com/satchel-airgap/satchel/transport/internal/watch"
)

// cancelTimeout is how long the cancelling of an upload may take, also after
// the run itself was cancelled.
const cancelTimeout = 5 * time.Second

// smallUpload is the size in bytes up to which a blob is sent again in the session in which a token
// had ended, even if all of it was sent: the registry may have judged before it read.
const smallUpload = 1 << 20

// session is an upload that a registry has started (OCI distribution-spec,
// "Pushing a blob monolithically", POST then PUT).
type session struct {
	location *url.URL
	authz    string // of the POST
}

// putBlob is sendBlob where it does not matter whether the blob was mounted.
func (r *Repository) putBlob(ctx context.Context, src oci.Source, d oci.Descriptor, from oci.Ref) error {
	_, err := r.sendBlob(ctx, src, d, from)
	return err
}

// sendBlob makes the repository hold d: mounted from another repository of the
// registry if from is not zero and the registry grants it, else uploaded from
// src, which must be verified. What failed starts again as an upload from 0.
func (r *Repository) sendBlob(ctx context.Context, src oci.Source, d oci.Descriptor, from oci.Ref) (mounted bool, err error) {
	ctx = r.toPush(ctx)
	c := r.sender.client
	trying := retry.Briefly(ctx)
	for t := c.begin(); ; {
		mounted, moved, err := r.tryBlob(ctx, src, d, from)
		if err == nil {
			return mounted, nil
		}
		if moved {
			t.Moved()
		}
		again := c.again(trying, t, r.location.Host(), err)
		if !again && trying != ctx && isInternal(err) && !judged(ctx, r.takes, err) {
			trying = ctx
			again = c.again(ctx, t, r.location.Host(), err)
		}
		if again {
			from = oci.Ref{} // some registries fail at every mount
			continue
		}
		if cerr := ctx.Err(); cerr != nil {
			err = cerr
		}
		var broken *sourceError
		if errors.As(err, &broken) {
			return false, fmt.Errorf("read blob %s for %s: %w", d.Digest, r.ref.Name(), broken.err)
		}
		return false, explain("push", r.name(d), err)
	}
}

// tryBlob also reports whether the blob was mounted, and whether bytes were sent.
func (r *Repository) tryBlob(ctx context.Context, src oci.Source, d oci.Descriptor, from oci.Ref) (mounted, moved bool, err error) {
	s, err := r.begin(ctx, d, from)
	if s == nil || err != nil {
		return err == nil, false, err
	}
	moved, err = r.fillFrom(ctx, s, src, d)
	if e, ok := errors.AsType[*RegistryError](err); ok && e.early && ctx.Err() == nil {
		if _, again := r.fillFrom(ctx, s, src, d); again == nil {
			err = nil
		}
	}
	if err != nil {
		r.cancel(ctx, s)
	}
	return false, moved, err
}

// fillFrom uploads the whole blob from src.
func (r *Repository) fillFrom(ctx context.Context, s *session, src oci.Source, d oci.Descriptor) (moved bool, err error) {
	rc, err := src.Open(ctx, d, 0)
	if err != nil {
		return false, &sourceError{err}
	}
	w := watch.New(ctx)
	defer w.End()
	body := &sourceBody{rc: rc, w: w, client: r.sender.client}
	err = body.end(w.Cause(r.fill(s, body, d)))
	if e, ok := errors.AsType[*RegistryError](err); ok && e.ended {
		e.early = !body.whole || d.Size <= smallUpload
	}
	return body.moved, err
}

// begin mounts the blob and returns nil, or begins an upload.
func (r *Repository) begin(ctx context.Context, d oci.Descriptor, from oci.Ref) (*session, error) {
	if from.Repository != "" && from.Registry == r.ref.Registry && from.Repository != r.ref.Repository {
		if done, s, err := r.mount(ctx, d, from); done || s != nil || err != nil {
			return s, err
		}
	}
	resp, err := r.post(ctx, nil)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusAccepted {
		return nil, responseError(resp)
	}
	return r.session(resp)
}

// mount asks for the blob to be mounted. Only 201 says that it was. Done, a session to upload by, an error
// that may pass, or none of these: a registry, or its token service, that refuses
// to mount may still take an upload.
func (r *Repository) mount(ctx context.Context, d oci.Descriptor, from oci.Ref) (done bool, s *session, err error) {
	both := auth.AppendRepositoryScope(ctx, registry.Reference{Registry: from.Registry, Repository: from.Repository}, auth.ActionPull)
	resp, err := r.post(both, url.Values{"mount": {d.Digest.String()}, "from": {from.Repository}})
	switch {
	case err != nil && (ctx.Err() != nil || transient(err)):
		return false, nil, err
	case err != nil:
		//lint:ignore nilerr without a mount the blob is uploaded
		return false, nil, nil
	case resp.StatusCode == http.StatusCreated:
		reply.Drain(resp)
		return checkDigest(resp, d) == nil, nil, nil // else it is uploaded
	case resp.StatusCode == http.StatusAccepted:
		//lint:ignore nilerr a session that cannot be used is none: an upload begins another
		s, _ := r.session(resp)
		return false, s, nil
	}
	if refused := responseError(resp); reply.Transient(refused.Status) {
		return false, nil, refused
	}
	return false, nil, nil
}

func (r *Repository) post(ctx context.Context, query url.Values) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url("blobs/uploads/", query).String(), nil)
	if err != nil {
		return nil, err
	}
	return r.sender.Do(req)
}

// session reads where the upload goes.
func (r *Repository) session(resp *http.Response) (*session, error) {
	reply.Drain(resp)
	to, err := redirect.Upload(resp, r.location.Host())
	if err != nil {
		return nil, err
	}
	return &session{location: to, authz: resp.Request.Header.Get("Authorization")}, nil
}

// fill uploads the whole blob and commits it.
func (r *Repository) fill(s *session, body *sourceBody, d oci.Descriptor) error {
	to := *s.location
	if to.RawQuery != "" {
		to.RawQuery += "&"
	}
	to.RawQuery += url.Values{"digest": {d.Digest.String()}}.Encode()
	req, err := http.NewRequestWithContext(body.w.Context(), http.MethodPut, to.String(), body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	req.ContentLength = d.Size
	if d.Size == 0 { // the HTTP library would not look at its body
		if _, err := body.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			return fmt.Errorf("read an empty blob: %w", err)
		}
		req.Body = http.NoBody
	}
	resp, err := r.sendTo(s, req)
	if err != nil {
		return err
	}
	if !accepted(resp) {
		refused := responseError(resp)
		if refused.Status == http.StatusUnauthorized && s.authz != "" {
			refused.expired, refused.ended = true, strings.HasPrefix(s.authz, "Bearer ")
			r.sender.auth.Forget(s.authz)
		}
		refused.lost = refused.Code == "BLOB_UPLOAD_UNKNOWN"
		return refused
	}
	reply.Drain(resp)
	return checkDigest(resp, d)
}

// sendTo sends a request within a session, with the Authorization of its POST, renewed
// if it is about to end: the body cannot be sent twice, so there must be no question about it.
func (r *Repository) sendTo(s *session, req *http.Request) (*http.Response, error) {
	if s.authz != "" {
		s.authz = r.sender.auth.Renewed(req.Context(), s.authz)
		req.Header.Set("Authorization", s.authz)
	}
	return r.sender.Do(req)
}

// cancel asks the registry to forget the upload. It is a courtesy, so its
// outcome does not matter: docker-registry refuses it for a session that has
// got bytes since its location was given, and purges what is never committed.
func (r *Repository) cancel(ctx context.Context, s *session) {
	c := r.sender.client
	if c.undeleting.Load() {
		return
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), c.cancelling)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, s.location.String(), nil)
	if err != nil {
		return
	}
	if resp, err := r.sendTo(s, req); err == nil {
		reply.Drain(resp)
	}
	if ctx.Err() != nil {
		c.undeleting.Store(true)
	}
}

// accepted reports whether an answer to a PUT says that what was sent is stored. Any 2xx
// does (OCI distribution-spec has 201); what is really there is looked at afterwards.
func accepted(resp *http.Response) bool { return resp.StatusCode/100 == 2 }

// checkDigest refuses an answer that names other content than d, by a *[changedError]. What
// is no digest of ours says nothing.
func checkDigest(resp *http.Response, d oci.Descriptor) error {
	if stored := digest.Digest(resp.Header.Get(headerDigest)); oci.CheckDigest(stored) == nil && stored != d.Digest {
		return &changedError{stored}
	}
	return nil
}

// sourceError marks the source's own error, which is not the registry's.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// sourceBody is a request body that keeps its source's error, and that nobody
// reads any more once it has ended. Between two reads the link has its bytes,
// and is watched.
type sourceBody struct {
	w      *watch.Watch
	client *Client

	mu    sync.Mutex
	rc    io.ReadCloser
	err   error
	moved bool // bytes were taken
	whole bool // all of them
	ended bool
}

func (b *sourceBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return 0, http.ErrBodyReadAfterClose
	}
	b.w.Off()
	n, err := b.rc.Read(p)
	switch {
	case err == nil:
		b.w.Expect(b.client.stall)
	case err == io.EOF:
		b.whole = true
		b.w.Expect(b.client.slow)
	default:
		b.err = err
	}
	b.moved = b.moved || n > 0
	return n, err
}

// Close does nothing: the HTTP library may call it at any time, see end.
func (b *sourceBody) Close() error { return nil }

// end waits until nobody reads and closes the source. err is what became of the
// upload; the source's own error goes before it, being its cause.
func (b *sourceBody) end(err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	cerr := b.rc.Close()
	switch {
	case b.err != nil:
		return &sourceError{b.err}
	case err == nil && cerr != nil:
		return &sourceError{cerr}
	}
	return err
}
