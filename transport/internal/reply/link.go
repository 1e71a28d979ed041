package reply

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// ErrLink says that an answer names a next page in a way that cannot be read.
var ErrLink = errors.New("it names a next page, and the address of that cannot be read")

// NextPage is the address that an answer names as the next page, nil for none: a Link
// with rel="next" (RFC 8288), or without any rel. It is asked for at the registry itself,
// whatever name the answer gives it: many do not know by which they are reached. One that
// cannot be read is an [ErrLink]: the list would seem to end there.
func NextPage(resp *http.Response, from *url.URL) (*url.URL, error) {
	for _, line := range resp.Header.Values("Link") {
		for line != "" {
			all := line
			var target, params string
			switch target, params, line = cutLink(line); {
			case target == "" && saysNext(all):
				return nil, fmt.Errorf("%w: Link %.200q", ErrLink, all)
			case target == "" || !isNext(params):
				continue
			}
			u, err := from.Parse(target)
			if err != nil {
				return nil, fmt.Errorf("%w: Link %.200q", ErrLink, all)
			}
			return &url.URL{Scheme: from.Scheme, Host: from.Host, Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}, nil
		}
	}
	return nil, nil
}

// saysNext reports whether what is no link says that it is the next page.
func saysNext(line string) bool {
	_, params, ok := strings.Cut(line, ";")
	return ok && isNext(params) && strings.Contains(strings.ToLower(params), "next")
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
