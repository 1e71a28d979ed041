package main

import (
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/check"
)

// TestCheckRemedies: each remedy stands below the findings that it is for, and what was not asked for is no
// success.
func TestCheckRemedies(t *testing.T) {
	t.Parallel()
	r := &check.Report{Depth: check.Configs, Fails: 3, Findings: []check.Finding{
		{Kind: check.Update, Fails: true, Object: "a", Wrong: "wrong a", Do: "mend one"},
		{Kind: check.Update, Fails: true, Object: "b", Wrong: "wrong b", Do: "mend two"},
		{Kind: check.Update, Fails: true, Object: "c", Wrong: "wrong c", Do: "mend one"},
		{Kind: check.RulesDiffer, Wrong: "wrong d", Tried: []check.Try{{Place: "q.io/x", Error: "no request was sent to q.io"}}},
		{Kind: check.ByTag, Image: "q.io/x:1", Wrong: "by tag", Do: "name it"},
		{Kind: check.ByTag, Image: "q.io/x:2", Wrong: "by tag", Do: "name it"},
	}}
	var b strings.Builder
	if err := printCheck(&b, r, view{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"FAILS update\n  a\n      wrong a\n  c\n      wrong c\n  what to do: mend one\n  b\n      wrong b\n  what to do: mend two\n", "WARNING rulesDiffer\n      wrong d\n", "layers were not asked for (--deep)", "WARNING byTag\n  2 names, pulled by tag, and no rule for tags covers them: q.io/x:1, q.io/x:2\n  what to do"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "asked q.io") {
		t.Errorf("a source is said to be asked:\n%s", b.String())
	}
}
