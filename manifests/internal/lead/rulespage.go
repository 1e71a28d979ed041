package lead

import (
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/oci/text"
)

// StepRules says how nodes get the rules.
func (l *Lead) StepRules(p *page.Page) {
	switch {
	case l.Hosted():
		l.stepHostedCluster(p)
		return
	case len(l.ICSPs) == 0:
		l.stepSignatures(p)
		return
	case l.sameRules(l.withRules()):
		p.Nothing(handover.IdleRules)
		l.stepSignatures(p)
		return
	}
	p.Step("Rules: where nodes find the images")
	l.stepUnsigned(p, true)
	l.pageOtherMirrors(p)
	if l.Site.PresentRules != nil {
		l.stepGrown(p)
	} else {
		l.stepNew(p)
	}
}

// stepNew is the step where the rules of the cluster are not known.
func (l *Lead) stepNew(p *page.Page) {
	v, known := l.Site.Cluster.Running()
	p.Text("List the rules that the cluster has now (the new ones are in %s):", l.digestFiles())
	if known && !site.HasMirrorSets(v) {
		p.Run("oc get imagecontentsourcepolicy")
	} else {
		p.Run("oc get imagecontentsourcepolicy", "oc get imagedigestmirrorset,imagetagmirrorset || true")
	}
	var list []string
	if stop := l.mixedStop(); stop != "" {
		list = append(list, stop)
	}
	p.List(append(list,
		"For each image, only the rule with the longest source counts. An existing rule may have a shorter source than a new one (for example `quay.io`, and the new one `quay.io/acme/tool`). Then nodes no longer ask its mirrors for that repository: this mirror must have every image of the repository that pods use.",
		"Rules of earlier runs (satchel-*) may stay; they do no harm. Delete one only if every source and mirror in it is also in the files here; then nothing changes on the nodes.",
	))
	l.pageNodes(p, "applying these rules", nil, nil)
	p.Text("Removing a source or a mirror drains every node in every version (but never a single-node cluster). %s", l.never())
	l.pageCompare(p)
	l.runRules(p, l.ICSPs)
}

// mixedStop says when rules of this kind cannot be applied, where the cluster's are not known.
func (l *Lead) mixedStop() string {
	v, known := l.Site.Cluster.Running()
	if known && (Mixes(v) || !site.HasMirrorSets(v)) {
		return ""
	}
	which, refused := "the cluster", refusesMixed
	if known {
		which = fmt.Sprintf("this one (%s)", v)
	}
	const versions = " is older than 4.13.27, or is 4.14.0 to 4.14.2,"
	if l.kind == rules.ContentSource {
		if known {
			return "If the second command lists any (oc-mirror v2 writes them), stop here and run satchel render again with `--mirror-api idms`. " + strings.Replace(refused, "Such a cluster", page.Capital(which), 1)
		}
		return "If the second command lists any (oc-mirror v2 writes them) and the cluster" + versions + " stop here and update the cluster first. " + refused
	}
	refused = "refuses ImageDigestMirrorSets in addition to them: `oc apply` fails, and nothing changes on the nodes."
	if known {
		return "If the first command lists any, stop here and run satchel render again with `--mirror-api icsp`. " + page.Capital(which) + " " + refused
	}
	return "If the cluster is older than 4.13, stop here: it has no ImageDigestMirrorSet (run satchel render again with `--mirror-api icsp`). If the first command lists any and the cluster" + versions + " stop here too. Such a cluster " + refused
}

const refusesMixed = "Such a cluster refuses an ImageContentSourcePolicy in addition to them: `oc apply` fails, and nothing changes on the nodes."

// withRules are the objects that the step of the rules applies: those for pulls by tag only where
// pulls would otherwise fail or go elsewhere than before.
func (l *Lead) withRules() []handover.Named {
	if l.TagsNeeded() {
		return slices.Concat(l.ICSPs, l.ITMSs)
	}
	return l.ICSPs
}

// TagsNeeded reports whether the new rules for pulls by digest need those by tag beside them.
func (l *Lead) TagsNeeded() bool {
	return l.Growth != nil && (slices.ContainsFunc(l.Growth.Repeated, func(r rules.Repeated) bool { return len(r.ByTag) > 0 }) ||
		slices.ContainsFunc(l.Growth.Ours, func(o rules.Grown) bool { return o.Kind == rules.TagMirrors && len(o.Never) > 0 }))
}

// sameRules reports whether the cluster is known to have objects as they are written.
func (l *Lead) sameRules(list []handover.Named) bool {
	return l.Site.PresentRules != nil && !slices.ContainsFunc(l.grownOf(list), func(o rules.Grown) bool { return o.State != rules.Same })
}

// grownOf gives what becomes of objects.
func (l *Lead) grownOf(list []handover.Named) (grown []rules.Grown) {
	for i, set := range l.sets() {
		if slices.Contains(list, set.Named) {
			grown = append(grown, l.Growth.Ours[i])
		}
	}
	return grown
}

// stepGrown is the step of the rules where those of the cluster are known.
func (l *Lead) stepGrown(p *page.Page) {
	p.Text("These files have every source and mirror that the objects of the same names had when you saved the rules for satchel, and those of this bundle. `oc apply` replaces what the objects have. So if rules have changed since then, save them again and run satchel render again with `--present-rules`.")
	files := l.withRules()
	var list []string
	for i, o := range l.grownOf(files) {
		list = append(list, fmt.Sprintf("`%s` (%s): %s", o.Name, files[i].File, stateOf(o)))
	}
	p.List(list)
	l.pageKinds(p)
	l.pagePolicies(p)
	l.pageInternal(p)
	l.pageConflicts(p)
	l.pageNodes(p, "applying these rules", l.NodesNow(), l.Nodes(l.Trust.Insecure(), l.Blocked()))
	l.runRules(p, files)
	l.pageOthers(p)
}

// withoutTags leaves the objects for pulls by tag as the cluster has them.
func (l *Lead) withoutTags(objects []rules.Object) []rules.Object {
	if l.kind != rules.DigestMirrors {
		return objects
	}
	written := func(o rules.Object) bool { return o.Kind == rules.TagMirrors && (l.Growth == nil || o.Number() > 0) }
	list := slices.DeleteFunc(slices.Clone(objects), written)
	if l.Site.PresentRules != nil {
		for _, o := range l.Site.PresentRules.Objects {
			if written(o) {
				list = append(list, o)
			}
		}
	}
	return list
}

// pageKinds says what the cluster makes of rules of two kinds, and how its kind is changed.
func (l *Lead) pageKinds(p *page.Page) {
	icsp, sets := l.rulesThere()
	switch _, known := l.Site.Cluster.Running(); {
	case known: // it was checked
	case l.kind == rules.ContentSource && sets:
		p.Text("The cluster has ImageDigestMirrorSet or ImageTagMirrorSet objects. If it is older than 4.13.27, or is 4.14.0 to 4.14.2, stop here and update it first. %s", refusesMixed)
	case l.kind == rules.DigestMirrors && icsp:
		p.Text("The cluster has ImageContentSourcePolicy objects. If it is older than 4.13.27, or is 4.14.0 to 4.14.2, stop here and update it first. Such a cluster refuses ImageDigestMirrorSets in addition to them: `oc apply` fails, and nothing changes on the nodes.")
	case l.kind == rules.DigestMirrors:
		p.Text("ImageDigestMirrorSets need OpenShift 4.13 or later (`oc get clusterversion` shows the version).")
	}
	if slices.ContainsFunc(l.Growth.Others, func(o rules.Other) bool {
		return o.Ours() && o.Digests() && o.State == rules.Superfluous && o.Kind != l.kind
	}) {
		p.Text("satchel's rules change their kind: first the cluster gets the same rules as %ss, beside those that it has. When every node has them, a later step deletes the old ones. Changing the kind drains no node.", l.kind)
	}
}

func stateOf(o rules.Grown) string {
	var more []string
	add := func(n int, one, many string) {
		if n > 0 {
			more = append(more, fmt.Sprintf(one, n))
			if n > 1 {
				more[len(more)-1] = fmt.Sprintf(many, n)
			}
		}
	}
	switch o.State {
	case rules.New:
		return "new, " + text.Count(o.Sources, "source", "sources")
	case rules.Same:
		return "the same as in the cluster"
	}
	sources, mirrors := text.Count(o.Sources, "source", "sources"), text.Count(o.Mirrors, "mirror", "mirrors")
	switch {
	case o.Sources > 0 && o.Mirrors > 0:
		more = append(more, "grows by "+sources+", and by "+mirrors+" for others")
	case o.Sources > 0:
		more = append(more, "grows by "+sources)
	case o.Mirrors > 0:
		more = append(more, "grows by "+mirrors)
	}
	add(o.Ordered, "the mirrors of %d source get another order", "the mirrors of %d sources get another order")
	add(o.Policies, "%d source gets another mirrorSourcePolicy", "%d sources get another mirrorSourcePolicy")
	return strings.Join(more, ", ")
}

// atMost keeps a list short.
func atMost(list []string, most int) []string {
	if len(list) <= most {
		return list
	}
	return append(list[:most:most], fmt.Sprintf("and %d more", len(list)-most))
}

// never says what applying the files does to rules that are there.
func (l *Lead) never() string {
	if l.Growth != nil {
		return "The files have every rule of earlier bundles that there are receipts of, so the objects only grow."
	}
	return "satchel never changes an existing rule: new rules have a new name."
}

// pageCompare has the cluster compare objects of the same name: another mirror's, or one of which
// a receipt was lost, may have more.
func (l *Lead) pageCompare(p *page.Page) {
	if l.Growth == nil {
		return
	}
	p.Text("`oc apply` replaces what an object of the same name has. If the first command prints a source or a mirror, the cluster has a rule that these files lack (another mirror, a lost receipt): do not apply them, save the rules of the cluster and run satchel render again with `--present-rules`.")
	p.Run("oc diff" + handover.Flagged(l.ICSPs) + " | grep -E '^-[^-].*(source: |- )'")
}

// firstNames are the names that the rules of the first bundle had: nothing was known then.
func (l *Lead) firstNames() (list []string) {
	if l.Growth == nil || l.Site.PresentRules != nil || len(l.Site.Earlier) == 0 {
		return nil
	}
	for _, g := range l.room().Arranged(rules.For(l.pulledFrom(l.Site.Earlier[0]))) {
		for _, set := range g.Split(emptyPolicySize, l.ruleSize) {
			list = append(list, set.Name())
		}
	}
	return list
}

func (l *Lead) runRules(p *page.Page, files []handover.Named) {
	l.Waits(p, "Every node must have the rules")
	p.Run(l.Rollout("oc apply" + handover.Flagged(files))...)
}
