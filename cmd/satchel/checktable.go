package main

import (
	"io"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/check"
	"github.com/satchel-airgap/satchel/oci/text"
)

// mostFindings is how many findings of one kind are shown to people, unless the view is wide.
const mostFindings = 20

// printCheck writes what was found, what fails first.
func printCheck(w io.Writer, r *check.Report, v view) error {
	p := &printer{w: w}
	for _, fails := range []bool{true, false} {
		for _, kind := range kindsOf(r.Findings, fails) {
			printKind(p, r.Findings, kind, fails, v)
		}
	}
	printAudit(p, r.Cluster, v)
	ok := 0
	for _, img := range r.Images {
		if img.OK {
			ok++
		}
	}
	for _, note := range r.Notes {
		p.printf("not known    %s\n", text.Printable(note))
	}
	for _, line := range r.Outside {
		p.printf("outside      %s\n", line)
	}
	if len(r.OtherHosts) > 0 {
		p.printf("asked too    %s (token services, or storage that a registry redirects to: nodes must reach them)\n", text.Printable(strings.Join(r.OtherHosts, ", ")))
	}
	how := "pulled as nodes do"
	if r.Offline {
		how = "by receipts and bundles; the mirror was not asked"
	}
	p.printf("images       %d of %d, %s\n", ok, len(r.Images), how)
	if r.Fails > 0 {
		p.printf("result       %s would fail after the cut\n", text.Count(r.Fails, "thing", "things"))
	} else {
		p.printf("result       nothing was found that would fail\n")
	}
	return p.err
}

// kindsOf lists the kinds of findings in their order.
func kindsOf(list []check.Finding, fails bool) (kinds []check.Kind) {
	for _, f := range list {
		if f.Fails == fails && !slices.Contains(kinds, f.Kind) {
			kinds = append(kinds, f.Kind)
		}
	}
	return kinds
}

// printKind writes the findings of one kind.
func printKind(p *printer, list []check.Finding, kind check.Kind, fails bool, v view) {
	word := "FAILS"
	if !fails {
		word = "WARNING"
	}
	n, do := 0, ""
	for _, f := range list {
		if f.Kind != kind || f.Fails != fails {
			continue
		}
		if n++; n == 1 {
			p.printf("%s %s\n", word, kind)
		}
		if do == "" {
			do = f.Do
		}
		if n > mostFindings && v.columns != 0 {
			continue
		}
		head := text.Printable(strings.TrimSpace(f.Object + " " + f.Image))
		if head == "" {
			head = string(kind)
		}
		p.printf("  %s\n", head)
		p.printf("      %s\n", text.Printable(f.Wrong))
		if len(f.Why) > 0 {
			p.printf("      for %s\n", text.Printable(text.Some(f.Why, 2)))
		}
		if f.Rule != "" {
			p.printf("      by the rule for %s\n", text.Printable(f.Rule))
		}
		for _, t := range f.Tried {
			p.printf("      asked %s: %s\n", text.Printable(t.Place), text.Printable(t.Error))
		}
	}
	if n > mostFindings && v.columns != 0 {
		p.printf("  and %d more (-o json has all)\n", n-mostFindings)
	}
	if do != "" {
		p.printf("  what to do: %s\n", text.Printable(do))
	}
}
