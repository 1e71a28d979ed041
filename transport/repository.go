package transport

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
	"github.com/satchel-airgap/satchel/transport/internal/retry"
	"github.com/satchel-airgap/satchel/transport/internal/watch"
)

// Repository is one repository of one registry. It is an [oci.Source].
type Repository struct {
	ref      oci.Ref // where it is
	named    oci.Ref // what it was asked for as
	location registry.Reference
	sender   *sender
	remote   *remote.Repository
	fallback sync.Mutex   // held while a fallback index of referrers is changed
	rest     atomic.Int64 // until when, in Unix nanoseconds, it is asked last; see each
	noHead   headless
	failing  atomic.Bool // it answered 500 to what it may have or not; see aloneAsked
	api      referrersAPI
	second   sync.Once
	again    *Repository // see renewed

	// Where registries.conf has something to say: the locations to pull from, in
	// order, and the one among them that the fields above are of.
	main          *Repository
	tags, digests []*Repository
}

// Ref names the repository as it was asked for.
func (r *Repository) Ref() oci.Ref { return r.named }

// Open gives the bytes of d from offset off on. Manifests are asked for by their
// media type and only from their first byte on; blobs from any, and a reader
// whose connection breaks or stalls resumes where it was. Errors of the
// registry, those of the reader included, are of type *[RegistryError].
func (r *Repository) Open(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
	if err := oci.CheckDescriptor(d); err != nil {
		return nil, err
	}
	if off < 0 || off > d.Size {
		return nil, fmt.Errorf("pull %s: offset %d is not within its %d bytes", r.name(d), off, d.Size)
	}
	if !oci.IsManifest(d.MediaType) && d.MediaType != oci.MediaTypeAnyManifest {
		b := &blobReader{ctx: ctx, r: r, d: d, off: off, tries: r.sender.client.begin()}
		if err := b.open(); err != nil {
			return nil, explain("pull", r.name(d), err)
		}
		return b, nil
	}
	if off != 0 {
		return nil, oci.ErrNoOffset
	}
	var body []byte
	err := r.each(ctx, true, func(ctx context.Context, p *Repository) error {
		return p.aloneOf(ctx, d, func(ctx context.Context) (err error) {
			body, err = p.readManifest(ctx, d)
			return explain("pull", p.name(d), err)
		})
	})
	if err != nil {
		return nil, explain("pull", r.name(d), err)
	}
	return io.NopCloser(bytes.NewReader(body)), nil
}

// manifestRoom is how many bytes compression on the way may add to a manifest.
const manifestRoom = 64 << 10

// readManifest reads the answer to a GET by digest. Who reads it checks that.
func (r *Repository) readManifest(ctx context.Context, d oci.Descriptor) ([]byte, error) {
	resp, body, err := r.getManifest(ctx, d.Digest.String(), d.Size+manifestRoom)
	if err != nil {
		return nil, err
	}
	body, right := reply.Decoded(body, d.Digest, d.Size)
	if !right {
		err = checkPage(mediaType(resp))
	}
	return body, err
}

// whole reads small content, at most one byte more than size, and begins again
// where its connection breaks.
func (r *Repository) whole(ctx context.Context, size int64, open func(context.Context) (io.ReadCloser, error)) (b []byte, err error) {
	err = r.unbroken(ctx, func() error {
		body, err := open(ctx)
		if err != nil {
			return err
		}
		defer body.Close()
		b, err = io.ReadAll(io.LimitReader(body, size+1))
		return err
	})
	return b, err
}

// unbroken does op again when the connection breaks inside an answer. All else
// that may pass, the [sender] has tried again already.
func (r *Repository) unbroken(ctx context.Context, op func() error) error {
	c := r.sender.client
	for t := c.begin(); ; {
		err := op()
		var broke *watch.BrokenError
		switch {
		case !errors.As(err, &broke):
			return err
		case !c.again(ctx, t, r.location.Host(), err):
			return cmp.Or(ctx.Err(), err)
		}
	}
}

func (r *Repository) name(d oci.Descriptor) string { return r.ref.WithDigest(d.Digest).String() }

// url is the address of something in the repository (OCI distribution-spec,
// "Endpoints"). The sender puts in the scheme.
func (r *Repository) url(path string, query url.Values) *url.URL {
	return &url.URL{Scheme: "https", Host: r.location.Host(), Path: "/v2/" + r.location.Repository + "/" + path, RawQuery: query.Encode()}
}

// ask sends a GET or a HEAD for something in the repository.
func (r *Repository) ask(ctx context.Context, method, path string, header http.Header) (*http.Response, error) {
	return r.askURL(ctx, method, r.url(path, nil), header)
}

func (r *Repository) askURL(ctx context.Context, method string, at *url.URL, header http.Header) (*http.Response, error) {
	ctx = auth.AppendRepositoryScope(ctx, r.location, auth.ActionPull)
	req, err := http.NewRequestWithContext(ctx, method, at.String(), nil)
	if err != nil {
		return nil, err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	return r.sender.Do(req)
}

const (
	maxPages  = 1000    // of a list that a registry gives in pages
	maxListed = 10_000  // entries of such a list
	maxTags   = 100_000 // the same of tags: a release has hundreds, and a mirror many releases
	maxPage   = 8 << 20 // bytes
	maxPaged  = 4 * maxPage
)

// EndlessError says that a list which a registry gives in pages has no end.
type EndlessError struct {
	Pages, Entries int // that were read
}

// counted counts the bytes of pages, each of which is bounded by itself.
type counted struct {
	io.ReadCloser
	n *int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	*c.n += int64(n)
	return n, err
}

func (e *EndlessError) Error() string {
	return fmt.Sprintf("the registry's list has no end: stopped after %d pages with %d entries", e.Pages, e.Entries)
}

// Hint says what to do now.
func (e *EndlessError) Hint() string {
	return "this is a fault of the registry, or of a proxy in front of it: report it to its administrator"
}

// Permanent is true: the registry answered.
func (e *EndlessError) Permanent() bool { return true }

// pages walks a list that a registry gives in pages (OCI distribution-spec, "Listing
// Tags", "Listing Referrers") of not many more than most entries. read takes one page and gives the number of its entries.
// stopped is the address of a page that was given before, at which it ends too; "" for none.
func (r *Repository) pages(ctx context.Context, path string, most int, query url.Values, accept http.Header, read func(*http.Response) (int, error)) (stopped string, err error) {
	seen := map[string]bool{}
	entries, size := 0, int64(0)
	for next := r.url(path, query); next != nil; {
		if len(seen) == maxPages || entries > most || size > maxPaged {
			return "", &RegistryError{Err: &EndlessError{len(seen), entries}}
		}
		at := *next
		if seen[at.RequestURI()] {
			return at.Host + at.EscapedPath(), nil // no scheme: what is asked for by name may be asked for in plain HTTP
		}
		seen[at.RequestURI()] = true
		err := r.unbroken(ctx, func() error {
			resp, err := r.askURL(ctx, http.MethodGet, &at, accept)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			resp.Body = counted{resp.Body, &size}
			n, err := read(resp)
			if err == nil {
				entries += n
				if next, err = reply.NextPage(resp, &at); err != nil {
					err = &RegistryError{Err: err}
				}
			}
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return "", nil
}

func acceptManifests() http.Header {
	return http.Header{"Accept": {strings.Join(oci.ManifestMediaTypes(), ", ")}}
}

var errAbsent = errors.New("it is not there")

// Has reports whether the repository holds d. Only the status counts: not every
// registry gives the length.
func (r *Repository) Has(ctx context.Context, d oci.Descriptor) (bool, error) {
	err := r.each(ctx, true, func(ctx context.Context, p *Repository) error {
		return p.aloneOf(ctx, d, func(ctx context.Context) error { return p.has(ctx, d) })
	})
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
	brief := ctx
	if ranged.Get("Range") != "" { // without a range it may be answered
		brief = retry.Briefly(ctx)
	}
	err := r.answers(brief, http.MethodGet, path, ranged, d)
	var refused *rangeError
	if errors.As(err, &refused) || ranged.Get("Range") != "" && isInternal(err) {
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

// storageLacks reports whether a 404 for a blob is that of another host, which the registry redirects to:
// the registry itself has it.
func storageLacks(resp *http.Response) bool {
	return statusOf(resp).elsewhere && strings.Contains(resp.Request.Response.Request.URL.Path, "/blobs/")
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
	case resp.StatusCode == http.StatusNotFound && !storageLacks(resp):
		reply.Drain(resp)
		return errAbsent
	}
	err = explain("check", r.name(d), answerError(resp))
	if header.Get("Range") != "" && reply.RefusesRange(resp) {
		return &rangeError{err}
	}
	return err
}
