package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
	"github.com/satchel-airgap/satchel/transport/internal/retry"
	"github.com/satchel-airgap/satchel/transport/internal/watch"
)

const (
	wholeLook = 16 << 10 // bytes: a blob of no more is read whole to look at it
	lookTries = 2        // after the first, of an answer that breaks off
)

// found is what a look at a blob in the mirror found.
type found struct {
	there bool
	fault string // what is wrong with its bytes; "" if nothing is
	err   error  // by which it cannot be read; it is a fault too
	by    string // who says that it is not there, if not the registry itself
}

func (f found) whole() bool { return f.there && f.fault == "" }

// look finds out by GET whether the repository has all bytes of d. A HEAD would not
// do: registries answer it from what they remember, and some fronts give it the length
// 0. The last byte proves the length. Only small blobs, and those of which an answer
// leaves a doubt, are read whole.
func (r *Repository) look(ctx context.Context, d oci.Descriptor) (f found, err error) {
	err = r.alone(ctx, func(ctx context.Context) (err error) {
		f, err = r.lookSure(ctx, d)
		return err
	})
	if err != nil {
		return unreadable(err)
	}
	return f, nil
}

// lookSure asks until it is sure.
func (r *Repository) lookSure(ctx context.Context, d oci.Descriptor) (found, error) {
	t := &retry.Tries{Policy: retry.Policy{Times: lookTries, First: r.sender.client.retry.First}}
	for {
		f, sure, err := r.lookOnce(ctx, d)
		var broke *watch.BrokenError
		switch {
		case err == nil && sure:
			return f, nil
		case err == nil:
			return r.readBack(ctx, d, nil)
		case !errors.As(err, &broke):
			return found{}, explain("check", r.name(d), err)
		case !r.sender.client.again(ctx, t, r.location.Host(), err):
			if ctx.Err() != nil {
				return found{}, ctx.Err()
			}
			return found{there: true, fault: "its bytes end too early"}, nil
		}
	}
}

// lookOnce asks once. Without an error it may still not be sure.
func (r *Repository) lookOnce(ctx context.Context, d oci.Descriptor) (f found, sure bool, err error) {
	var header http.Header
	if d.Size > wholeLook {
		header = http.Header{"Range": {fmt.Sprintf("bytes=%d-%d", d.Size-1, d.Size-1)}}
	}
	resp, err := r.ask(ctx, http.MethodGet, "blobs/"+d.Digest.String(), header)
	if err != nil {
		return f, false, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusOK && mediaType(resp) == "text/html" && resp.ContentLength != d.Size:
		return f, false, r.blameHost(ctx, checkPage("text/html"))
	case resp.StatusCode == http.StatusNotFound:
		return found{by: answerError(resp).by}, true, nil
	case resp.StatusCode == http.StatusPartialContent && header != nil:
		p, first, _, perr := reply.Partial(resp, d, d.Size-1)
		if doubt := perr != nil || first != d.Size-1; doubt {
			return f, false, nil
		}
		b, err := io.ReadAll(p)
		return found{there: true}, len(b) == 1, err
	case resp.StatusCode == http.StatusOK && reply.Encoding(resp) == "" && resp.ContentLength == d.Size && d.Size > wholeLook:
		return found{there: true}, true, nil // a server without ranges
	case resp.StatusCode == http.StatusOK && reply.Encoding(resp) == "" && d.Size <= wholeLook:
		f, err := judge(d, resp.Body)
		return f, f.whole(), err
	case resp.StatusCode == http.StatusOK:
		return f, false, nil
	case header != nil && (reply.RefusesRange(resp) || resp.StatusCode == http.StatusInternalServerError):
		return f, false, nil
	}
	return f, false, answerError(resp)
}

// judge reads bytes to their end and says whether they are those of d.
func judge(d oci.Descriptor, body io.Reader) (found, error) {
	v := oci.NewVerifier(d)
	_, err := io.Copy(v, body)
	if err == nil {
		err = v.Close()
	}
	return foundIn(d, err)
}

// foundIn makes of a read's error what was found, where it says something of the bytes.
func foundIn(d oci.Descriptor, err error) (found, error) {
	var wrong *oci.DigestError
	switch {
	case err == nil:
		return found{there: true}, nil
	case !errors.As(err, &wrong):
		return found{}, err
	case wrong.Got != "":
		return found{there: true, fault: fmt.Sprintf("it has other bytes under that digest, with the digest %s", wrong.Got)}, nil
	case wrong.GotSize > d.Size:
		return found{there: true, fault: fmt.Sprintf("it has more bytes of it than the %d that there should be", d.Size)}, nil
	}
	return found{there: true, fault: fmt.Sprintf("it has %d bytes of it where there should be %d", wrong.GotSize, d.Size)}, nil
}

// readBack reads a blob whole, from where it got to if the link breaks, and hashes it.
// read gets the number of bytes as they come; it may be nil.
func (r *Repository) readBack(ctx context.Context, d oci.Descriptor, read func(int64)) (found, error) {
	rc, err := oci.Verified(r).Open(ctx, d, 0)
	if err == nil {
		_, err = io.Copy(countingWriter(read), rc)
		err = errors.Join(err, rc.Close())
	}
	judged(ctx, r.serves, err)
	var answer *RegistryError
	if errors.As(err, &answer) && answer.Status == http.StatusNotFound {
		return found{by: answer.by}, nil
	}
	f, err := foundIn(d, err)
	if err != nil {
		return unreadable(explain("check", r.name(d), err))
	}
	return f, nil
}

// unreadable makes a fault of an error that is of this blob alone: its file cannot be read.
func unreadable(err error) (found, error) {
	answer, ok := errors.AsType[*RegistryError](err)
	if !ok || !answer.damaged {
		return found{}, err
	}
	return found{there: true, fault: "it cannot be read: " + answer.Cause(), err: err}, nil
}

// maxUnreadable is how many blobs may be unreadable before it is the registry that is.
const maxUnreadable = 20

// countingWriter takes bytes and tells their number.
type countingWriter func(int64)

func (w countingWriter) Write(p []byte) (int, error) {
	if w != nil {
		w(int64(len(p)))
	}
	return len(p), nil
}

// BlobError says that a registry took a blob, and does not have its bytes.
type BlobError struct {
	Repo  oci.Ref
	Blob  oci.Descriptor
	Fault string // what it has instead; "" if nothing is there
	Times int    // pushes that it took in this run, 0 if it was there before and could not be pushed

	by string // who says that nothing is there, if not the registry
}

func (e *BlobError) Error() string {
	what := cmp.Or(e.by, "the registry") + " does not have it"
	if e.Fault != "" {
		what = e.Fault
	}
	switch e.Times {
	case 0:
	case 1:
		what = "the registry took this blob, and then: " + what
	default:
		what = fmt.Sprintf("the registry took this blob %d times, and still: %s", e.Times, what)
	}
	return fmt.Sprintf("check %s: %s", e.Repo.WithDigest(e.Blob.Digest), what)
}

// Hint says what to do now.
func (e *BlobError) Hint() string {
	if e.Fault == "" {
		return "the registry, or a cache in front of it, says that it is not there (after garbage collection, restart the registry and empty its cache): " + hintAgain
	}
	return hintRemove("blob", blobFile(e.Blob.Digest))
}

// Permanent is true: it was looked at more than once.
func (e *BlobError) Permanent() bool { return true }

// Stored lists every blob of the images that are not left out, by digest, with all
// repositories of the mirror that need it. Nothing is asked. src gives the manifests.
func (m *Mirror) Stored(ctx context.Context, src oci.Source, images []oci.Image) ([]Delivery, error) {
	images = slices.DeleteFunc(slices.Clone(images), m.isOut)
	from := func(oci.Image) (oci.Source, error) { return src, nil }
	graph, err := oci.ReadGraph(ctx, images, from, m.parallel)
	if err != nil {
		return nil, err
	}
	list := make([]Delivery, 0, len(graph.Blobs))
	for _, node := range graph.Blobs {
		list = append(list, Delivery{Blob: node.Descriptor, Repos: m.reposOf(node, images), Optional: m.optionalOf(node, images)})
	}
	return list, nil
}

// ReadBack reads each blob once, from the first of its repositories, and hashes it. read
// gets the number of bytes as they come, looked each delivery, and whether its blob is right; both
// may be called at the same time. What is absent or wrong is returned, by digest.
func (m *Mirror) ReadBack(ctx context.Context, list []Delivery, read func(int64), looked func(d Delivery, whole bool)) (wrong []Delivery, err error) {
	var mu sync.Mutex
	var broken atomic.Int32
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(m.parallel)
	for _, d := range list {
		g.Go(func() error {
			r, err := m.client.Repository(d.Repos[0])
			if err != nil {
				return err
			}
			f, err := r.readBack(ctx, d.Blob, read)
			if ctx.Err() != nil {
				return cmp.Or(err, ctx.Err()) // nothing is known of this blob
			}
			if f.err != nil && broken.Add(1) > maxUnreadable {
				return f.err
			}
			if err != nil {
				return err // of the registry, not of this blob
			}
			if looked(d, f.whole()); f.whole() {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			d.Fault = f.fault
			wrong = append(wrong, d)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	slices.SortFunc(wrong, func(a, b Delivery) int { return cmp.Compare(a.Blob.Digest, b.Blob.Digest) })
	return wrong, nil
}

const longestLook = 15 * time.Second // between two looks for what is absent

// patience is one wait that several looks share: where a mirror drops everything, one look waits
// to the end, and not each of thousands. With nil, a look does not wait.
type patience struct{ over atomic.Bool }

// until looks for something until it is there, or once if the wait is over.
func (p *patience) until(ctx context.Context, r *Repository, there func() (bool, error)) (bool, error) {
	if p == nil || p.over.Load() {
		return there()
	}
	ok, err := r.patiently(ctx, there)
	if err == nil && !ok {
		p.over.Store(true)
	}
	return ok, err
}

// patiently looks until something is there: stores that are consistent later, and caches
// of an absence, need time. It waits as long as for an outage, and a few seconds at least.
func (r *Repository) patiently(ctx context.Context, there func() (bool, error)) (bool, error) {
	return r.patientlyFor(ctx, "what was pushed is not available there yet", there)
}

// patientlyFor is patiently; why is said while it waits.
func (r *Repository) patientlyFor(ctx context.Context, why string, there func() (bool, error)) (bool, error) {
	c, host, began := r.sender.client, r.location.Host(), time.Now()
	for t := c.begin(); ; {
		ok, err := there()
		if ok || err != nil {
			return ok, err
		}
		wait, again := t.Next(ctx, failureOf(watch.ErrStalled))
		switch left := c.lookFor - time.Since(began); {
		case again:
		case ctx.Err() != nil || left <= 0:
			return false, ctx.Err()
		default:
			wait = min(left, c.lookFor/10)
		}
		wait = min(wait, longestLook)
		if c.cfg.Waiting != nil && c.gate(host).NoticeDue() {
			c.cfg.Waiting(host, why, wait)
		}
		if err := retry.Sleep(ctx, wait); err != nil {
			return false, err
		}
	}
}
