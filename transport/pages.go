package transport

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

const (
	maxPages  = 1000    // of a list that a registry gives in pages
	maxListed = 10_000  // entries of such a list
	maxPage   = 8 << 20 // bytes
)

// EndlessError says that a list which a registry gives in pages has no end.
type EndlessError struct {
	Pages, Entries int // that were read
}

func (e *EndlessError) Error() string {
	return fmt.Sprintf("the registry's list has no end: stopped after %d pages with %d entries", e.Pages, e.Entries)
}

// Hint says what to do now.
func (e *EndlessError) Hint() string {
	return "this is a fault of the registry, or of what stands before it: tell who runs it"
}

// Permanent is true: the registry answered.
func (e *EndlessError) Permanent() bool { return true }

// pages walks a list that a registry gives in pages (OCI distribution-spec, "Listing
// Tags", "Listing Referrers"). read takes one page and gives the number of its entries.
// stopped is the address of a page that was given before, at which it ends too; "" for none.
func (r *Repository) pages(ctx context.Context, path string, accept http.Header, read func(*http.Response) (int, error)) (stopped string, err error) {
	seen := map[string]bool{}
	entries := 0
	for next := r.url(path, nil); next != nil; {
		if len(seen) == maxPages || entries > maxListed {
			return "", &RegistryError{Err: &EndlessError{len(seen), entries}}
		}
		at := *next
		if seen[at.RequestURI()] {
			return bareURL(at.String()), nil
		}
		seen[at.RequestURI()] = true
		err := r.unbroken(ctx, func() error {
			resp, err := r.askURL(ctx, http.MethodGet, &at, accept)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			n, err := read(resp)
			if next = nextPage(resp, &at); err == nil {
				entries += n
			}
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return "", nil
}

// nextPage is the address that an answer names as the next page, nil for none: a Link
// with rel="next" (RFC 8288), or without any rel. It is asked for at the registry itself,
// whatever name the answer gives it: many do not know by which they are reached.
func nextPage(resp *http.Response, from *url.URL) *url.URL {
	for _, line := range resp.Header.Values("Link") {
		for line != "" {
			var target, params string
			if target, params, line = cutLink(line); target == "" || !isNext(params) {
				continue
			}
			u, err := from.Parse(target)
			if err != nil {
				return nil
			}
			return &url.URL{Scheme: from.Scheme, Host: from.Host, Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}
		}
	}
	return nil
}

// cutLink takes the first link off a header: its address, its parameters, the rest.
func cutLink(line string) (target, params, rest string) {
	_, line, ok := strings.Cut(line, "<")
	if !ok {
		return "", "", ""
	}
	target, line, ok = strings.Cut(line, ">")
	if !ok {
		return "", "", ""
	}
	quoted := false
	for i, c := range line {
		switch {
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			return target, line[:i], line[i+1:]
		}
	}
	return target, line, ""
}

// isNext reports whether the parameters of a link say that it is the next page.
func isNext(params string) bool {
	for p := range strings.SplitSeq(params, ";") {
		name, value, ok := strings.Cut(p, "=")
		if ok && strings.EqualFold(strings.TrimSpace(name), "rel") {
			for _, rel := range strings.Fields(strings.Trim(strings.TrimSpace(value), `"`)) {
				if strings.EqualFold(rel, "next") {
					return true
				}
			}
			return false
		}
	}
	return true
}
