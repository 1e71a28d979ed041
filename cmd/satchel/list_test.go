package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestListFits prints no line above 80 columns on a terminal, and no two bundles alike.
func TestListFits(t *testing.T) {
	t.Parallel()
	when := time.Date(2026, 11, 29, 3, 4, 5, 0, time.FixedZone("", 3600))
	r := listReport{Dir: "/drive"}
	for _, id := range []string{"abcdefghij234567", "abcdefghijk34567", "bbcdefghij234567", ""} {
		r.Bundles = append(r.Bundles, listedBundle{Dir: "/drive/satchel-" + id, Bundle: id, Created: &when, Bytes: 999 << 30, Sealed: true, Sequence: 1})
	}
	var out bytes.Buffer
	if err := printList(&out, r, shortIDs(r)); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(out.String()) {
		id := strings.Fields(line)[1]
		if len(line) > 81 || seen[id] {
			t.Errorf("%d columns: %s", len(line)-1, line)
		}
		seen[id] = true
	}
	if !strings.Contains(out.String(), "2026-11-29 02:04") || !seen["abcdefghijk"] {
		t.Errorf("%s", &out)
	}
}
