package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/satchel-airgap/satchel/transport/internal/reply"
	"github.com/satchel-airgap/satchel/transport/internal/watch"
)

// StatusError says that a server answered a [Client.Fetch] and gave no file.
type StatusError struct {
	URL     string
	Status  int
	Message string // what it gives as the reason, one printable line of at most 300 characters; may be empty
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("get %s: the server answers %d %s", e.URL, e.Status, http.StatusText(e.Status))
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// Hint is empty: the status says it all.
func (e *StatusError) Hint() string { return "" }

// Permanent reports whether the server refused, and would again.
func (e *StatusError) Permanent() bool { return reply.Permanent(e.Status) }

// SizeError says that a file is larger than [Client.Fetch] was to read.
type SizeError struct {
	URL   string
	Limit int64 // bytes
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("get %s: it has more than %d bytes", e.URL, e.Limit)
}

// Hint is empty: the error says it all.
func (e *SizeError) Hint() string { return "" }

// Permanent is true: the file is what it is.
func (e *SizeError) Permanent() bool { return true }

// Fetch gets a small file over HTTP(S) from a server that is no registry, with the
// proxies, the authorities and the patience of the registries' side, and without
// any credential. Redirects are followed, never from TLS to plain HTTP. A file of
// more than limit bytes is a *[SizeError]; a status other than 200 a *[StatusError],
// what the network does a *[RegistryError].
func (c *Client) Fetch(ctx context.Context, link string, limit int64) ([]byte, error) {
	u, err := url.Parse(link)
	if err == nil && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		err = errors.New("it is not an http or https address")
	}
	if err != nil {
		return nil, fmt.Errorf("get %q: %w", link, err)
	}
	c.mu.Lock()
	s, err := c.endpoint(endpointKey{u.Host, !c.cfg.TLSVerify})
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	for t := c.begin(); ; {
		body, err := s.fetch(ctx, u, limit)
		if err != nil && c.again(ctx, t, u.Host, err) {
			continue
		}
		var refused *RegistryError
		if errors.As(err, &refused) && refused.Status != 0 && refused.by == "" {
			return nil, &StatusError{reply.BareURL(link), refused.Status, refused.Message}
		}
		if int64(len(body)) > limit {
			return nil, &SizeError{reply.BareURL(link), limit}
		}
		return body, explain("get", reply.BareURL(link), err)
	}
}

// fetch tries once, and reads one byte beyond the limit at most.
func (s *endpoint) fetch(ctx context.Context, u *url.URL, limit int64) (body []byte, err error) {
	w := watch.New(ctx)
	defer w.End()
	req, err := http.NewRequestWithContext(w.Context(), http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	if ua := s.client.cfg.UserAgent; ua != "" {
		req.Header.Set("User-Agent", ua)
	}
	req.Header.Set("Accept", "*/*") // without it, graph servers (Cincinnati) may answer 406
	w.Expect(2 * s.client.stall)
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, w.Cause(mismatch(err))
	}
	w.Off()
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode != http.StatusOK {
		return nil, fetchRefused(resp, w, s.client.stall)
	}
	body, err = io.ReadAll(io.LimitReader(w.Body(resp.Body, s.client.stall), limit+1))
	if err == nil && reply.Encoding(resp) != "" {
		body = plainFile(body, limit)
	}
	return body, err
}

// fetchRefused makes an error of an answer, with the reason that it gives and who gave it.
func fetchRefused(resp *http.Response, w *watch.Watch, stall time.Duration) error {
	resp.Body = w.Body(resp.Body, stall)
	e := responseError(resp)
	if status := http.StatusText(e.Status); strings.EqualFold(e.Message, status) || e.Message == "404 page not found" {
		e.Message = "" // nothing that the status does not say
	}
	if reply.Redirected(resp) && e.Host != resp.Request.Response.Request.URL.Host {
		e.Message = strings.TrimSuffix("from "+e.Host+", where it redirects to: "+e.Message, ": ")
	}
	return e
}

// plainFile undoes a compression that was not asked for. Some servers say of archives which
// are compressed in themselves that they are so on their way: those stay as they are.
func plainFile(body []byte, limit int64) []byte {
	plain, err := reply.Gunzip(body, limit)
	if err != nil || !reply.IsGzip(plain) && isTar(plain) {
		return body
	}
	return plain
}

// isTar reports whether bytes begin as an archive does (POSIX.1, pax, "ustar Interchange Format").
func isTar(b []byte) bool {
	return len(b) > 262 && string(b[257:262]) == "ustar"
}
