package text

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Count writes a number with its noun: "1 image", "2 images".
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Attached counts what is attached to images, in the words of all commands.
func Attached(n int) string {
	return Count(n, "signature or other referrer", "signatures and other referrers")
}

// Images counts images, and what is attached to them if anything is:
// "2 images, 1 signature or other referrer".
func Images(images, attached int) string {
	switch {
	case attached == 0:
		return Count(images, "image", "images")
	case images == 0:
		return Attached(attached)
	}
	return Count(images, "image", "images") + ", " + Attached(attached)
}

// Some lists the first most names: "a, b and 3 more".
func Some(names []string, most int) string {
	more := ""
	if n := len(names) - most; n > 0 {
		names, more = names[:most], fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(names, ", ") + more
}

// Sorted gives the strings of a list in order, each once; the list stays as it is.
func Sorted(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }

// Or joins alternatives: "a, b or c".
func Or(names []string) string { return join(names, " or ") }

// And joins names: "a, b and c".
func And(names []string) string { return join(names, " and ") }

func join(names []string, last string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	end := len(names) - 1
	return strings.Join(names[:end], ", ") + last + names[end]
}

// Minute writes when a bundle was packed: to the minute, in UTC, as in "2026-11-29 02:04 UTC".
func Minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// OneLine replaces every run of white space, line ends among it, by one space.
func OneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// Joined makes one line of several, as those of joined errors: "; " stands between two,
// or a space where the first ends in punctuation.
func Joined(s string) string {
	if !strings.Contains(s, "\n") {
		return s
	}
	var b strings.Builder
	for line := range strings.SplitSeq(s, "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if so := b.String(); so != "" {
			if strings.ContainsRune(".,:;!?", rune(so[len(so)-1])) {
				b.WriteString(" ")
			} else {
				b.WriteString("; ")
			}
		}
		b.WriteString(line)
	}
	return b.String()
}

// Printable replaces characters that are obeyed or hidden (control characters,
// direction marks) by U+FFFD. Spaces, tabs and line ends become plain spaces.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsGraphic(r) || unicode.Is(unicode.Bidi_Control, r):
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// MaxASCII is the longest text that [ASCII] gives, in bytes.
const MaxASCII = 1 << 10

// ASCII replaces every character that is not printable ASCII by a question mark,
// and cuts the text at [MaxASCII] bytes.
func ASCII(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), MaxASCII)]
}

// IsASCII reports whether a text is printable ASCII.
func IsASCII(s string) bool {
	for _, r := range s {
		if r < ' ' || r > '~' {
			return false
		}
	}
	return true
}

// IsPlain reports whether bytes are UTF-8 text without control characters, line ends
// and tabs excepted.
func IsPlain(b []byte) bool {
	for _, r := range string(b) {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return false
		}
	}
	return utf8.Valid(b)
}

// Cut shortens a text to at most so many bytes, between characters, and marks it.
func Cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + " ..."
}
