package main

import (
	"os"
	"regexp"

	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// wholeDigest is a digest as references and tables have it.
var wholeDigest = regexp.MustCompile(`(sha256:[0-9a-f]{12})[0-9a-f]{52}`)

func addWide(f *pflag.FlagSet, wide *bool) {
	f.BoolVar(wide, "wide", false, "print whole digests in the table; always so where stdout is no terminal")
}

// digests is how tables write digests: short on a terminal, unless wide; whole where a
// program may read them.
func (a *app) digests(wide bool) func(string) string {
	if f, ok := a.stdout.(*os.File); wide || !ok || !term.IsTerminal(int(f.Fd())) {
		return func(s string) string { return s }
	}
	return shortDigests
}

func shortDigests(s string) string { return wholeDigest.ReplaceAllString(s, "$1") }
