package emit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/oci/text"
)

// stepRules says how nodes get the rules.
func (e *emission) stepRules(p *page.Page) {
	switch {
	case e.hosted():
		e.stepHostedCluster(p)
		return
	case len(e.site.Unsigned) > 0: // there is something to be told, even if nothing is applied
	case len(e.icsps) == 0:
		return
	case e.sameRules(e.withRules()):
		p.Nothing(idleRules)
		return
	}
	p.Step("Rules: where nodes find the images")
	e.stepUnsigned(p)
	e.pageOtherMirrors(p)
	switch {
	case len(e.icsps) == 0:
	case e.site.PresentRules != nil:
		e.stepGrown(p)
	default:
		e.stepNew(p)
	}
}

// stepNew is the step where the rules of the cluster are not known.
func (e *emission) stepNew(p *page.Page) {
	v, known := e.site.Cluster.Running()
	var files []string
	for _, o := range e.icsps {
		files = append(files, o.file)
	}
	p.Text("List the rules that the cluster has now (the new ones are in %s):", text.Some(files, 3))
	if known && !hasMirrorSets(v) {
		p.Run("oc get imagecontentsourcepolicy")
	} else {
		p.Run("oc get imagecontentsourcepolicy", "oc get imagedigestmirrorset,imagetagmirrorset || true")
	}
	var list []string
	if stop := e.mixedStop(); stop != "" {
		list = append(list, stop)
	}
	p.List(append(list,
		"For each image, only the rule with the longest source counts. An existing rule may have a shorter source than a new one (for example `quay.io`, and the new one `quay.io/acme/tool`). Then nodes no longer ask its mirrors for that repository: this mirror must have every image of the repository that pods use.",
		"Rules of earlier runs (satchel-*) may stay; they do no harm. Delete one only if every source and mirror in it is also in the files here; then nothing changes on the nodes.",
	))
	e.pageNodes(p, "applying these rules", nil, nil)
	p.Text("Removing a source or a mirror drains every node in every version (but never a single-node cluster). %s", e.never())
	e.pageCompare(p)
	e.runRules(p, e.icsps)
}

// mixedStop says when rules of this kind cannot be applied, where the cluster's are not known.
func (e *emission) mixedStop() string {
	v, known := e.site.Cluster.Running()
	if known && (mixes(v) || !hasMirrorSets(v)) {
		return ""
	}
	which, refused := "the cluster", refusesMixed
	if known {
		which = fmt.Sprintf("this one (%s)", v)
	}
	const versions = " is older than 4.13.27, or is 4.14.0 to 4.14.2,"
	if e.kind == rules.ContentSource {
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
func (e *emission) withRules() []named {
	if e.tagsNeeded() {
		return slices.Concat(e.icsps, e.itms)
	}
	return e.icsps
}

// tagsNeeded reports whether the new rules for pulls by digest need those by tag beside them.
func (e *emission) tagsNeeded() bool {
	return e.growth != nil && (slices.ContainsFunc(e.growth.Repeated, func(r rules.Repeated) bool { return len(r.ByTag) > 0 }) ||
		slices.ContainsFunc(e.growth.Ours, func(o rules.Grown) bool { return o.Kind == rules.TagMirrors && len(o.Never) > 0 }))
}

// sameRules reports whether the cluster is known to have objects as they are written.
func (e *emission) sameRules(list []named) bool {
	return e.site.PresentRules != nil && !slices.ContainsFunc(e.grownOf(list), func(o rules.Grown) bool { return o.State != rules.Same })
}

// grownOf gives what becomes of objects.
func (e *emission) grownOf(list []named) (grown []rules.Grown) {
	for i, set := range e.sets() {
		if slices.Contains(list, set.named) {
			grown = append(grown, e.growth.Ours[i])
		}
	}
	return grown
}

// stepGrown is the step of the rules where those of the cluster are known.
func (e *emission) stepGrown(p *page.Page) {
	p.Text("These files have every source and mirror that the objects of the same names had when you saved the rules for satchel, and those of this bundle. `oc apply` replaces what the objects have. So if rules have changed since then, save them again and run satchel render again with `--present-rules`.")
	files := e.withRules()
	var list []string
	for i, o := range e.grownOf(files) {
		list = append(list, fmt.Sprintf("`%s` (%s): %s", o.Name, files[i].file, stateOf(o)))
	}
	p.List(list)
	e.pageKinds(p)
	e.pagePolicies(p)
	e.pageInternal(p)
	e.pageConflicts(p)
	e.pageNodes(p, "applying these rules", e.nodesNow(), e.nodes(e.insecure(), e.blocked()))
	e.runRules(p, files)
	e.pageOthers(p)
}

// withoutTags leaves the objects for pulls by tag as the cluster has them.
func (e *emission) withoutTags(objects []rules.Object) []rules.Object {
	if e.kind != rules.DigestMirrors {
		return objects
	}
	written := func(o rules.Object) bool { return o.Kind == rules.TagMirrors && (e.growth == nil || o.Number() > 0) }
	list := slices.DeleteFunc(slices.Clone(objects), written)
	if e.site.PresentRules != nil {
		for _, o := range e.site.PresentRules.Objects {
			if written(o) {
				list = append(list, o)
			}
		}
	}
	return list
}

// pageKinds says what the cluster makes of rules of two kinds, and how its kind is changed.
func (e *emission) pageKinds(p *page.Page) {
	icsp, sets := e.rulesThere()
	switch _, known := e.site.Cluster.Running(); {
	case known: // it was checked
	case e.kind == rules.ContentSource && sets:
		p.Text("The cluster has ImageDigestMirrorSet or ImageTagMirrorSet objects. If it is older than 4.13.27, or is 4.14.0 to 4.14.2, stop here and update it first. %s", refusesMixed)
	case e.kind == rules.DigestMirrors && icsp:
		p.Text("The cluster has ImageContentSourcePolicy objects. If it is older than 4.13.27, or is 4.14.0 to 4.14.2, stop here and update it first. Such a cluster refuses ImageDigestMirrorSets in addition to them: `oc apply` fails, and nothing changes on the nodes.")
	case e.kind == rules.DigestMirrors:
		p.Text("ImageDigestMirrorSets need OpenShift 4.13 or later (`oc get clusterversion` shows the version).")
	}
	if slices.ContainsFunc(e.growth.Others, func(o rules.Other) bool {
		return o.Ours() && o.Digests() && o.State == rules.Superfluous && o.Kind != e.kind
	}) {
		p.Text("satchel's rules change their kind: first the cluster gets the same rules as %ss, beside those that it has. When every node has them, a later step deletes the old ones. Changing the kind drains no node.", e.kind)
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
func (e *emission) never() string {
	if e.growth != nil {
		return "The files have every rule of earlier bundles that there are receipts of, so the objects only grow."
	}
	return "satchel never changes an existing rule: new rules have a new name."
}

// pageCompare has the cluster compare objects of the same name: another mirror's, or one of which
// a receipt was lost, may have more.
func (e *emission) pageCompare(p *page.Page) {
	if e.growth == nil {
		return
	}
	p.Text("`oc apply` replaces what an object of the same name has. If the first command prints a source or a mirror, the cluster has a rule that these files lack (another mirror, a lost receipt): do not apply them, save the rules of the cluster and run satchel render again with `--present-rules`.")
	p.Run("oc diff" + flagged(e.icsps) + " | grep -E '^-[^-].*(source: |- )'")
}

// firstNames are the names that the rules of the first bundle had: nothing was known then.
func (e *emission) firstNames() (list []string) {
	if e.growth == nil || e.site.PresentRules != nil || len(e.site.Earlier) == 0 {
		return nil
	}
	for _, g := range e.room().Arranged(rules.For(e.pulledFrom(e.site.Earlier[0]))) {
		for _, set := range g.Split(emptyPolicySize, e.ruleSize) {
			list = append(list, set.Name())
		}
	}
	return list
}

func (e *emission) runRules(p *page.Page, files []named) {
	e.waits(p, "Every node must have the rules")
	p.Run(e.rollout("oc apply" + flagged(files))...)
}

// flagged lists the files of objects for one command, so that nodes change once.
func flagged(list []named) string {
	var b strings.Builder
	for _, o := range list {
		b.WriteString(" -f " + o.file)
	}
	return b.String()
}
