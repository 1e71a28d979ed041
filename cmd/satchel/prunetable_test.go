package main

import (
	"strings"
	"testing"
	"unicode"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prune"
	"github.com/satchel-airgap/satchel/oci"
)

func TestStrangersText(t *testing.T) {
	t.Parallel()
	const one = "1 receipt of this mirror does not count: this host did not write it, and nobody who is trusted has signed it (--trust FILE). What it names stays"
	const two = "2 receipts of this mirror do not count: this host did not write them, and nobody who is trusted has signed them (--trust FILE). What they name stays"
	if got := strangersText(1); got != one {
		t.Error(got)
	}
	if got := strangersText(2); got != two {
		t.Error(got)
	}
}

// TestPruneTable has no text of a registry, or of who pushes there, reach the terminal as more
// than text.
func TestPruneTable(t *testing.T) {
	t.Parallel()
	const bad = "a\x1b[2J\u202eb\rc"
	d := oci.Digest(nil)
	plan := &prune.Plan{Mirror: "mirror.example", Tags: []*prune.Tag{{Repository: bad, Tag: bad, Digest: d}}}
	for _, state := range []prune.State{prune.Goes, prune.Stays} {
		plan.Manifests = append(plan.Manifests, &prune.Item{Repository: bad, Digest: d, State: state, Why: bad, Tags: []string{"good", bad}, Untagged: []string{bad}})
	}
	for _, v := range []view{{}, {columns: 300}} {
		var out strings.Builder
		if err := printPruning(&out, plan, v); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); !strings.Contains(got, "good") || strings.ContainsFunc(got, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
			t.Errorf("%q", got)
		}
	}
}
