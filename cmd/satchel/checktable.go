package main

import (
	"fmt"
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
	if len(r.Findings) > 0 {
		p.printf("\n") // what follows is the summary
	}
	printAudit(p, r.Cluster, v)
	ok, tags := 0, 0
	for _, img := range r.Images {
		switch {
		case img.OK:
			ok++
		case byTagAlone(img):
			tags++
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
	switch {
	case r.Offline:
		how = "by receipts and bundles; the mirror was not asked"
	case r.Depth == check.Configs:
		how += ": manifests and configurations; layers were not asked for (--deep)"
	}
	p.printf("images       %d of %d, %s\n", ok, len(r.Images)-tags, how)
	if tags > 0 {
		p.printf("by tag       %s more, which nodes do not get: no rule for tags covers them\n", text.Count(tags, "name", "names"))
	}
	p.printf("result       %s\n", resultOf(r.Findings))
	return p.err
}

// resultOf says how many things would fail, and of what kinds they are: the list above may be long.
func resultOf(list []check.Finding) string {
	fail, unknown := 0, 0
	var kinds []string
	for _, kind := range kindsOf(list, true) {
		n := findingsOf(list, kind, true)
		if kind == check.Unknown || kind == check.Unread {
			unknown += n
			continue
		}
		fail += n
		kinds = append(kinds, fmt.Sprintf("%s %d", kind, n))
	}
	switch {
	case fail == 0 && unknown == 0:
		return "nothing was found that would fail"
	case fail == 0:
		return text.Count(unknown, "thing is", "things are") + " not known"
	case unknown == 0:
		return text.Count(fail, "thing", "things") + " would fail after the cut: " + strings.Join(kinds, ", ")
	}
	return fmt.Sprintf("%s would fail after the cut: %s; %s not known", text.Count(fail, "thing", "things"), strings.Join(kinds, ", "), text.Count(unknown, "more is", "more are"))
}

// findingsOf counts the findings of one kind.
func findingsOf(list []check.Finding, kind check.Kind, fails bool) (n int) {
	for _, f := range list {
		if f.Kind == kind && f.Fails == fails {
			n++
		}
	}
	return n
}

// byTagAlone reports whether nothing is wrong with an image but that it is named by a tag.
func byTagAlone(img *check.Image) bool {
	list := img.Findings()
	return len(list) > 0 && !slices.ContainsFunc(list, func(f check.Finding) bool { return f.Kind != check.ByTag })
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

// printKind writes the findings of one kind: those that have the same remedy together, and it below them.
func printKind(p *printer, list []check.Finding, kind check.Kind, fails bool, v view) {
	word := "FAILS"
	if !fails {
		word = "WARNING"
	}
	var remedies []string
	by := map[string][]check.Finding{}
	for _, f := range list {
		if f.Kind != kind || f.Fails != fails {
			continue
		}
		if by[f.Do] == nil {
			remedies = append(remedies, f.Do)
		}
		by[f.Do] = append(by[f.Do], f)
	}
	p.printf("%s %s (%d)\n", word, kind, findingsOf(list, kind, fails))
	if kind == check.ByTag && !fails {
		printTags(p, by, remedies)
		return
	}
	n, left := 0, 0
	for _, do := range remedies {
		shown := by[do]
		if most := max(0, mostFindings-n); v.columns != 0 && len(shown) > most {
			left += len(shown) - most
			shown = shown[:most]
		}
		for _, f := range shown {
			printFinding(p, f)
		}
		if n += len(shown); do != "" && len(shown) > 0 {
			p.printf("  what to do: %s\n", text.Printable(do))
		}
	}
	if left > 0 {
		p.printf("  and %d more (-o json has all)\n", left)
	}
}

// printTags writes one line for all names that no rule for tags covers: there are many, and all say the same.
func printTags(p *printer, by map[string][]check.Finding, remedies []string) {
	for _, do := range remedies {
		var names []string
		for _, f := range by[do] {
			names = append(names, f.Image)
		}
		p.printf("  %s, pulled by tag, and no rule for tags covers them: %s\n", text.Count(len(names), "name", "names"), text.Printable(text.Some(names, 3)))
		p.printf("  what to do, if something names them so: %s\n", text.Printable(do))
	}
}

// printFinding writes one finding.
func printFinding(p *printer, f check.Finding) {
	head := text.Printable(strings.TrimSpace(f.Object + " " + f.Image))
	if head != "" {
		p.printf("  %s\n", head)
	}
	p.printf("      %s\n", text.Printable(f.Wrong))
	if len(f.Why) > 0 {
		p.printf("      for %s\n", text.Printable(text.Some(f.Why, 2)))
	}
	if f.Rule != "" {
		p.printf("      by the rule for %s\n", text.Printable(f.Rule))
	}
	for _, t := range f.Tried {
		if strings.HasPrefix(t.Error, "no request was sent") {
			continue // the source
		}
		p.printf("      asked %s: %s\n", text.Printable(t.Place), text.Printable(t.Error))
	}
}
