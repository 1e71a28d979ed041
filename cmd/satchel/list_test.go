package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/satchel-airgap/satchel/bundle"
)

// TestListFits prints no line above 80 columns on a terminal, and IDs as far as they differ;
// elsewhere nothing is cut.
func TestListFits(t *testing.T) {
	t.Parallel()
	when := time.Date(2026, 11, 29, 3, 4, 5, 0, time.FixedZone("", 3600))
	const long = "/a directory of a file manager, with a name as long as they may be"
	for name, dirs := range map[string][4]string{
		"usual":   {"/satchel-abcdefghij234567", "/satchel-abcdefghijk34567", "/satchel-bbcdefghij234567", "/begun"},
		"deep":    {long + "/one", long + "/two", "/x" + long, "/satchel-abcdefghij234567"},
		"alike":   {long + " 1" + long, long + " 2" + long, long + " 3" + long, "/" + strings.Repeat("ü", 90)},
		"control": {"/a\x1b[31m\nb", "/c", "/d", "/e"},
	} {
		r := listReport{Dir: "/drive"}
		for i, id := range []string{"abcdefghij234567", "abcdefghijk34567", "bbcdefghij234567", ""} {
			r.Bundles = append(r.Bundles, listedBundle{Dir: "/drive" + dirs[i], Bundle: id, Created: &when, Bytes: 999 << 30, Sealed: id != "", Running: id == "", Sequence: 1})
		}
		r.Bundles[0].Stream = &bundle.Stream{Ledger: strings.Repeat("0", 32), Name: "weekly"}
		r.Bundles[1].Problem = "what is wrong with it is told in a sentence that is longer than a line of a terminal may be"
		var fits, whole bytes.Buffer
		v := view{columns: 80}
		err := v.print(&fits, func(w io.Writer) error { return printList(w, r, v) })
		if err != nil || printList(&whole, r, view{}) != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(fits.String()) {
			if n := utf8.RuneCountInString(line) - 1; n > 80 {
				t.Errorf("%s: %d columns: %s", name, n, line)
			}
		}
		rows := []string{"  being written  1\n", "SEALED         SEQ\n", "bundle 1 of the stream weekly"}
		if name == "control" { // short enough for a column more
			rows = []string{"  being written  -       1\n", "SEALED         STREAM  SEQ\n", "yes            weekly  1\n"}
		}
		for _, want := range append(rows, "  abcdefghij2  2026-11-29 02:04  999.00 GiB  yes", "  abcdefghijk  2026") {
			if !strings.Contains(fits.String(), want) {
				t.Errorf("%s: no %q in\n%s", name, want, &fits)
			}
		}
		for _, want := range []string{"  weekly  1\n", "  being written  -       1\n", "STREAM  SEQ\n"} {
			if !strings.Contains(whole.String(), want) || strings.Contains(whole.String(), "of the stream") {
				t.Errorf("%s: no %q in\n%s", name, want, &whole)
			}
		}
		for i, b := range r.Bundles {
			if n := strings.Count(whole.String(), b.Bundle+"  2026"); name != "control" && !strings.Contains(whole.String(), dirs[i][1:]+"  ") || b.Bundle != "" && n != 1 {
				t.Errorf("%s: %s is not whole in\n%s", name, b.Dir, &whole)
			}
		}
		if strings.Contains(fits.String(), "\x1b") || len(strings.Split(whole.String(), "\n")) != 7 {
			t.Errorf("%s:\n%s", name, &whole)
		}
	}
}
