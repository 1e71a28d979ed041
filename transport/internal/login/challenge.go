package login

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
)

// The schemes that are spoken, in lower case.
const (
	schemeBearer = "bearer"
	schemeBasic  = "basic"
)

// Challenge is one way to log in that an answer offers (RFC 9110, section 11.6.1).
type Challenge struct {
	scheme string // in lower case
	name   string // as the server writes it
	params map[string]string
}

// Challenges reads every challenge of every WWW-Authenticate header, in their order. What is
// no challenge is skipped.
func Challenges(header http.Header) []Challenge {
	var list []Challenge
	for _, line := range header.Values("WWW-Authenticate") {
		list = append(list, parseChallenges(line)...)
	}
	return list
}

// parseChallenges reads a list of challenges. Commas separate challenges, and also their parameters:
// a word with "=" behind it is a parameter. Parameters without a comma between them, values
// without quotes and a quote that does not end are taken as they are meant.
func parseChallenges(s string) []Challenge {
	var list []Challenge
	for {
		s = strings.TrimLeft(s, " \t,")
		word, rest := cutToken(s)
		if word == "" {
			if s == "" {
				return list
			}
			s = s[1:]
			continue
		}
		after := strings.TrimLeft(rest, " \t")
		if strings.HasPrefix(after, "=") {
			var value string
			value, s = cutValue(strings.TrimLeft(after[1:], " \t"))
			if n := len(list); n > 0 {
				name := strings.ToLower(word)
				if _, twice := list[n-1].params[name]; !twice {
					list[n-1].params[name] = value
				}
			}
			continue
		}
		list = append(list, Challenge{strings.ToLower(word), word, map[string]string{}})
		s = rest
		if blob := token68.FindString(after); blob != "" {
			s = after[len(blob):]
		}
	}
}

// token68 is what Negotiate and NTLM put in the place of parameters.
var token68 = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*[ \t]*(?:,|$)`)

// cutToken cuts off a token (RFC 9110, section 5.6.2).
func cutToken(s string) (token, rest string) {
	i := strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	})
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i:]
}

// cutValue cuts off a parameter's value, quoted or not.
func cutValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		if i := strings.IndexAny(s, " \t,"); i >= 0 {
			return s[:i], s[i:]
		}
		return s, ""
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}

// answerable picks the best challenge that can be answered: Bearer with a token service, then
// Basic if there is a user name or a password.
func (a *Authorizer) answerable(list []Challenge, asked *url.URL) (Challenge, bool) {
	for _, c := range list {
		if c.scheme == schemeBearer && a.realm(c, asked) != nil {
			return c, true
		}
	}
	return a.basicAmong(list)
}

func (a *Authorizer) basicAmong(list []Challenge) (Challenge, bool) {
	i := slices.IndexFunc(list, func(c Challenge) bool { return c.scheme == schemeBasic })
	if i < 0 || !a.hasPassword() {
		return Challenge{}, false
	}
	return list[i], true
}

// realm is the address of a challenge's token service, nil if it has none that can be used. On
// the source's side it may be relative; nodes would not take that of a mirror. A registry with
// TLS must not send the password to a service without.
func (a *Authorizer) realm(c Challenge, asked *url.URL) *url.URL {
	u, err := url.Parse(strings.TrimSpace(c.params["realm"]))
	if err != nil || u.String() == "" {
		return nil
	}
	if !u.IsAbs() && !a.Push {
		u = asked.ResolveReference(u)
	}
	switch {
	case u.Host == "":
		return nil
	case u.Scheme == "https", u.Scheme == "http" && asked.Scheme == "http":
		return u
	}
	return nil
}

// unanswered says why none of the challenges can be answered, "" if there are none, or one
// that wants credentials where none are configured.
func (a *Authorizer) unanswered(list []Challenge) string {
	var names []string
	for _, c := range list {
		switch {
		case c.scheme == schemeBearer:
			return fmt.Sprintf("it names no token service that can be used (realm %q)", reply.OneLine(c.params["realm"]))
		case c.scheme == schemeBasic && a.cred.RefreshToken != "":
			return "it asks for a user name and a password, and what is configured for it is an identity token"
		case c.scheme != schemeBasic && !slices.Contains(names, reply.OneLine(c.name)):
			names = append(names, reply.OneLine(c.name))
		}
	}
	if len(names) == 0 || slices.ContainsFunc(list, func(c Challenge) bool { return c.scheme == schemeBasic }) {
		return ""
	}
	return "it asks for " + text.And(names) + ", which is not supported"
}
