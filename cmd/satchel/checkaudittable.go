package main

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/check"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci/text"
)

// printAudit writes what was found of the cluster besides the findings.
func printAudit(p *printer, a *check.Audit, v view) {
	if a == nil {
		return
	}
	if w := a.Workloads; w != nil {
		name := text.Printable(a.Name)
		if a.Version != "" {
			name += ", " + a.Version
		}
		p.printf("cluster      %s: %s of %s were judged\n", name, text.Count(w.Containers, "container", "containers"), text.Count(w.Images, "image", "images"))
		if w.Internal > 0 {
			p.printf("             %s of images in the cluster's own registry, which are not pulled from outside\n", text.Count(w.Internal, "container more is", "containers more are"))
		}
		if w.Through > 0 {
			p.printf("             %s pulled through the cluster's own registry: what it has not stored it gets from outside\n", text.Count(w.Through, "container more is", "containers more are"))
		}
	}
	printLacking(p, a.Workloads)
	if a.Followed > 0 {
		p.printf("operators    %d of %d get what they follow\n", a.Followed-lacking(a.Operators), a.Followed)
	}
	printUpdate(p, a.Update)
	for _, line := range a.Kubelet {
		p.printf("kubelet      %s\n", text.Printable(line))
	}
	printOutside(p, a.Outside, v)
}

// mostSpaces is how many namespaces the summary names.
const mostSpaces = 6

// printLacking sums up what of the cluster would not start again: by namespace, those with most first.
func printLacking(p *printer, w *manifests.WorkloadReport) {
	if w == nil || len(w.Findings) == 0 {
		return
	}
	images, spaces := map[string]bool{}, map[string]int{}
	for _, f := range w.Findings {
		images[f.Image] = true
		spaces[f.Namespace]++
	}
	names := slices.SortedFunc(maps.Keys(spaces), func(a, b string) int {
		return cmp.Or(cmp.Compare(spaces[b], spaces[a]), cmp.Compare(a, b))
	})
	p.printf("would fail   %s of %s, in %s", text.Count(len(w.Findings), "container", "containers"), text.Count(len(images), "image", "images"), text.Count(len(names), "namespace", "namespaces"))
	for i, name := range names[:min(len(names), mostSpaces)] {
		sep := ", "
		if i == 0 {
			sep = ": "
		}
		p.printf("%s%s %d", sep, text.Printable(name), spaces[name])
	}
	if more := len(names) - mostSpaces; more > 0 {
		p.printf(", and %d more", more)
	}
	p.printf("\n")
}

// lacking counts the operators that do not get what they follow, or of which nobody knows it. Where OLM resolves
// nothing because of a catalog that is gone, that is all of them, and said of the catalog.
func lacking(list []manifests.OperatorLack) (n int) {
	for _, o := range list {
		if o.Lacks != manifests.LackFuture && (o.Kind == "Subscription" || o.Kind == "ClusterExtension") {
			n++
		}
	}
	return n
}

// printUpdate writes the way of an update.
func printUpdate(p *printer, u *manifests.UpdateJudgement) {
	if u == nil {
		return
	}
	way := "no way is known"
	if len(u.Steps) > 0 {
		way = strings.Join(append([]string{u.From}, u.Steps...), " -> ")
	}
	if u.From == u.To {
		way = "the cluster runs it"
	}
	p.printf("update       to %s: %s\n", u.To, way)
	for _, risk := range u.Risks {
		p.printf("             known problem: %s\n", text.Printable(risk))
	}
}

// printOutside lists what is pulled without the rules of nodes.
func printOutside(p *printer, list []manifests.OutsideImage, v view) {
	samples, n := 0, 0
	for _, e := range list {
		if e.Sample {
			samples++
			continue
		}
		if n++; n > mostFindings && v.columns != 0 {
			continue
		}
		p.printf("not judged   %s/%s/%s: %s, %s\n", text.Printable(e.Namespace), strings.ToLower(e.Kind), text.Printable(e.Name), text.Printable(cmp.Or(e.Image, "?")), e.How)
	}
	if n > mostFindings && v.columns != 0 {
		p.printf("not judged   and %d more (-o json has all)\n", n-mostFindings)
	}
	if samples > 0 {
		p.printf("not judged   %s of the Samples operator's ImageStreams\n", text.Count(samples, "image", "images"))
	}
}
