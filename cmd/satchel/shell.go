package main

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/satchel-airgap/satchel/oci/text"
)

// shellWords writes a command line that a shell takes apart into these words again.
func shellWords(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		switch {
		case !printable(w):
			quoted[i] = ansiQuoted(w)
		case w == "", strings.ContainsAny(w, " '\"\\$&|;<>()*?[]#~`!{}"):
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		default:
			quoted[i] = w
		}
	}
	return strings.Join(quoted, " ")
}

// printable reports whether a text comes out of [text.Printable] as it is.
func printable(s string) bool { return utf8.ValidString(s) && text.Printable(s) == s }

// ansiQuoted writes a word as bash, zsh and ksh read it, without the characters that a
// terminal obeys or hides.
func ansiQuoted(w string) string {
	var b strings.Builder
	b.WriteString("$'")
	for w != "" {
		_, size := utf8.DecodeRuneInString(w) // 1 for a byte that is no UTF-8
		char := w[:size]
		w = w[size:]
		switch {
		case char == "'" || char == `\`:
			b.WriteString(`\` + char)
		case printable(char):
			b.WriteString(char)
		default:
			for _, c := range []byte(char) {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		}
	}
	return b.String() + "'"
}
