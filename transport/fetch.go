package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// StatusError says that a server answered a [Client.Fetch] and gave no file.
type StatusError struct {
	URL    string
	Status int
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("get %s: the server answers %d %s", e.URL, e.Status, http.StatusText(e.Status))
}

// Hint is empty: the status says it all.
func (e *StatusError) Hint() string { return "" }

// Permanent reports whether the server refused, and would again.
func (e *StatusError) Permanent() bool { return permanentStatus(e.Status) }

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
			return nil, &StatusError{bareURL(link), refused.Status}
		}
		if int64(len(body)) > limit {
			return nil, &SizeError{bareURL(link), limit}
		}
		return body, explain("get", bareURL(link), err)
	}
}

// fetch tries once, and reads one byte beyond the limit at most.
func (s *endpoint) fetch(ctx context.Context, u *url.URL, limit int64) (body []byte, err error) {
	w := watched(ctx)
	defer w.end()
	req, err := http.NewRequestWithContext(w.ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	if ua := s.client.cfg.UserAgent; ua != "" {
		req.Header.Set("User-Agent", ua)
	}
	req.Header.Set("Accept", "*/*") // without it, graph servers (Cincinnati) may answer 406
	w.expect(2 * s.client.stall)
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, w.cause(mismatch(err))
	}
	w.off()
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode != http.StatusOK {
		return nil, peekError(resp)
	}
	in := &watchedBody{resp.Body, w, s.client.stall}
	return io.ReadAll(io.LimitReader(in, limit+1))
}
