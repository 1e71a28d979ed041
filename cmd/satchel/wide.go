package main

import (
	"io"
	"os"
	"regexp"

	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// wholeDigest is a digest as references and tables have it.
var wholeDigest = regexp.MustCompile(`(sha256:[0-9a-f]{12})[0-9a-f]{52}`)

func addWide(f *pflag.FlagSet, wide *bool) {
	f.BoolVar(wide, "wide", false, "print whole digests and names, however wide the table gets; always so where stdout is not a terminal")
}

// view is how wide tables and lines may get: some columns, or any number of them, 0. What
// a program may read is never cut.
type view struct{ columns int }

// view fits what is printed on a terminal, unless wide.
func (a *app) view(wide bool) view {
	f, ok := a.stdout.(*os.File)
	if wide || !ok || !term.IsTerminal(int(f.Fd())) {
		return view{}
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil || columns <= 0 {
		columns = usualColumn
	}
	return view{max(columns, leastColumns)}
}

// short writes digests with their first digits.
func (v view) short(s string) string {
	if v.columns == 0 {
		return s
	}
	return wholeDigest.ReplaceAllString(s, "$1")
}

// print has lines printed that are broken where the view ends.
func (v view) print(w io.Writer, lines func(io.Writer) error) error {
	if v.columns == 0 {
		return lines(w)
	}
	b := &breaking{w: w, view: v}
	if err := lines(b); err != nil {
		return err
	}
	return b.flush()
}
