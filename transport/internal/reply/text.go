package reply

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"
)

const maxText = 300 // characters of text from outside that are shown

var (
	urlText    = regexp.MustCompile(`[a-zA-Z][a-zA-Z0-9+.-]*://[^\s"'<>]+`)
	methodText = regexp.MustCompile(`^[A-Za-z]+ "[^"]*": `)
)

// CleanText is the error's text on one line, without the query and user
// information of any URL, and without the URL of the request itself.
func CleanText(err error) string {
	return OneLine(methodText.ReplaceAllString(err.Error(), ""))
}

// OneLine makes text from outside fit to be shown.
func OneLine(s string) string {
	s = urlText.ReplaceAllStringFunc(strings.ToValidUTF8(s, "?"), BareURL)
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > maxText {
		s = string(runes[:maxText])
	}
	return s
}

// BareURL is a URL without query and user information.
func BareURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "(a URL)"
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath()
}
