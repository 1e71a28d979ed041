package main

import (
	"io"
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
	for _, want := range []string{"FAILS update (3)\n  a\n      wrong a\n  c\n      wrong c\n  what to do: mend one\n  b\n      wrong b\n  what to do: mend two\n", "WARNING rulesDiffer (1)\n      wrong d\n", "layers were not asked for (--deep)", "WARNING byTag (2)\n  2 names, pulled by tag, and no rule for tags covers them: q.io/x:1, q.io/x:2\n  what to do"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "asked q.io") {
		t.Errorf("a source is said to be asked:\n%s", b.String())
	}
}

// TestCheckOnTerminal: on a narrow terminal each line keeps its place, and what is to be copied is whole.
func TestCheckOnTerminal(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("4ac7f26c", 8)
	r := &check.Report{Fails: 3, Findings: []check.Finding{
		{Kind: check.ByTag, Fails: true, Object: "team-c/pod/amd c", Image: "quay.io/bank/svc3@" + digest, Wrong: strings.Repeat("a long sentence of what is wrong ", 5), Do: "name it by digest in the workload (" + digest + "), or have rules for tags"},
		{Kind: check.Unknown, Fails: true, Wrong: "w"}, {Kind: check.Unread, Fails: true, Wrong: "w"},
	}}
	var b strings.Builder
	if err := (view{80}).print(&b, func(w io.Writer) error { return printCheck(w, r, view{80}) }); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "("+digest+"),") || !strings.Contains(b.String(), "\nresult       1 thing would fail after the cut: byTag 1; 2 more are not known\n") {
		t.Errorf("got\n%s", &b)
	}
	for line := range strings.Lines(b.String()) {
		words := strings.Fields(line)
		indented := strings.HasPrefix(line, "  ")
		if len(words) > 0 && !indented && !strings.Contains("FAILS WARNING outside images result", words[0]) {
			t.Errorf("a line has lost its place: %q in\n%s", line, &b)
		}
	}
}
