package emit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
)

// deletable reports whether an object that the cluster has is satchel's, and superfluous: only
// those stand in a command to paste.
func deletable(o rules.Other) bool { return o.State == rules.Superfluous && o.Tool == rules.Satchel }

// offered reports whether an object of others may go, if who made it agrees.
func offered(o rules.Other) bool {
	return o.State == rules.Superfluous && o.Tool != rules.Satchel && o.Tool != "" || o.State == rules.ByTag
}

// others lists objects with rules that are not written.
func (e *emission) others(is func(rules.Other) bool) (list []rules.Other) {
	if e.site.PresentRules == nil || e.hosted() {
		return nil
	}
	for _, o := range e.growth.Others {
		if is(o) {
			list = append(list, o)
		}
	}
	return list
}

// stepSuperfluous lists the objects with rules that may go.
func (e *emission) stepSuperfluous(p *page.Page) {
	if e.hosted() { // its rules are not objects of its own
		return
	}
	if names := e.firstNames(); len(names) > 0 {
		p.Step("Rules that are no longer needed")
		p.Text("The rules of the first bundle had names of their own. All of them are also in the files here. Nodes: nothing changes, no drain and no reboot. Delete them only when every node has the new rules (see the step before).")
		e.pageDisruption(p, nodeRegistries)
		p.Run("oc delete " + resource(e.kind) + " --ignore-not-found " + strings.Join(names, " "))
		return
	}
	if e.site.PresentRules == nil {
		return
	}
	gone, theirs := e.others(deletable), e.others(offered)
	if e.sameRules(e.withRules()) { // it was said when the rules came
		theirs = slices.DeleteFunc(theirs, func(o rules.Other) bool { return o.State == rules.ByTag })
	}
	if len(gone)+len(theirs) == 0 {
		return
	}
	p.Step("Rules that are no longer needed")
	p.Text("Delete them only when every node has the new rules (see the steps before).")
	if len(gone) > 0 {
		p.Text("satchel made these, as their names say. Everything in them is also in the files here. If somebody else made one of them after all, take its name out of the command.")
		e.pageDeletion(p, deletable)
		p.Run(deletion(gone, " --ignore-not-found")...)
	}
	if len(theirs) > 0 {
		e.pageOffered(p, theirs)
	}
}

// pageOffered lists objects of others that may go. They are kept for the way back before.
func (e *emission) pageOffered(p *page.Page, list []rules.Other) {
	var keep, lines []string
	for _, o := range list {
		keep = append(keep, keepObject(resource(o.Kind), "", o.Name))
		line := fmt.Sprintf("`%s`, %s: ", o.String(), toolText(o))
		if o.State == rules.ByTag {
			line += "its sources and mirrors are also in the files here, but those are for pulls by digest. Only if no pod names an image by tag: "
		}
		lines = append(lines, line+fmt.Sprintf("`oc delete %s %s`. ", resource(o.Kind), o.Name)+e.drainOf(o))
	}
	p.Text("Others made the following. Everything in them is also in the files here, so they may go, if whoever made them agrees. The commands copy them into the ConfigMap %s for the way back, and delete nothing:", beforeName)
	p.Run(withKeep(keep...)...)
	p.Text("Then, for each that is to go, one command:")
	p.List(lines)
}

// pageOthers lists the objects with rules that stay, below the rules that come.
func (e *emission) pageOthers(p *page.Page) {
	var list []string
	for _, o := range e.growth.Others {
		if !deletable(o) && !offered(o) {
			list = append(list, "`"+o.String()+"`: "+e.whyKept(o))
		}
	}
	if len(list) > 0 {
		p.Text("satchel changes none of these objects of the cluster:")
		p.List(list)
	}
}

// deletion are the commands that delete objects, one for each kind.
func deletion(list []rules.Other, flags string) (lines []string) {
	for _, kind := range []rules.Kind{rules.ContentSource, rules.DigestMirrors, rules.TagMirrors} {
		line := ""
		for _, o := range list {
			if o.Kind == kind {
				line += " " + o.Name
			}
		}
		if line != "" {
			lines = append(lines, "oc delete "+resource(kind)+flags+line)
		}
	}
	return lines
}

// resource is a kind as oc names it.
func resource(kind rules.Kind) string { return strings.ToLower(string(kind)) }

// pageDeletion says what deleting objects does to nodes.
func (e *emission) pageDeletion(p *page.Page, gone func(rules.Other) bool) {
	before := e.nodes(e.insecure(), e.blocked())
	after := e.nodesWithout(gone)
	v, known := e.site.Cluster.Running()
	switch old := known && v.Major == 4 && v.Minor < 8; {
	case string(before.TOML()) == string(after.TOML()):
		p.Text("Nodes: nothing changes, no drain and no reboot.")
	case !old && len(after.Drains(before)) == 0:
		p.Text("Nodes: no drain and no reboot; nodes ask some mirrors in another order.")
		e.pageDisruption(p, nodeRegistries)
	default:
		e.pageNodes(p, "deleting them", before, after)
	}
}

// nodesWithout is what nodes have once objects were deleted.
func (e *emission) nodesWithout(gone func(rules.Other) bool) *rules.Nodes {
	list := e.growth.Left(gone)
	if !e.tagsNeeded() {
		list = e.withoutTags(list)
	}
	return rules.Applied(list, e.insecure(), e.blocked())
}

// drainOf says what deleting one object does to nodes.
func (e *emission) drainOf(o rules.Other) string {
	after := e.nodesWithout(func(other rules.Other) bool { return other.String() == o.String() })
	if len(after.Drains(e.nodes(e.insecure(), e.blocked()))) > 0 {
		return "Deleting it drains every node."
	}
	return "Nodes: no drain and no reboot."
}

func (e *emission) whyKept(o rules.Other) string {
	switch {
	case o.State == rules.Internal:
		return "keep it: it leads to the cluster's internal release registry. " + e.drainOf(o)
	case o.State == rules.Superfluous:
		return "everything in it is also in the files here, but satchel does not know who wrote it. Ask before you delete it. " + e.drainOf(o)
	case len(o.Own.Mirrors) == 0:
		return "keep it: with mirrorSourcePolicy it keeps nodes from " + o.Own.Source + " itself, which the files here do not. " + e.drainOf(o)
	}
	return fmt.Sprintf("keep it: only it leads from %s to %s. %s", o.Own.Source, strings.Join(o.Own.Mirrors, ", "), e.drainOf(o))
}

// stepTagRules has the rules for pulls by tag, which drain and which not every cluster needs.
func (e *emission) stepTagRules(p *page.Page) {
	switch {
	case len(e.itms) == 0 || e.tagsNeeded():
		return
	case e.sameRules(e.itms):
		p.Nothing("the rules for tags")
		return
	}
	p.Step("Only if pods name images by tag: rules for tags")
	if e.site.Cluster.Applications() {
		p.Text("The rules before are for pulls by digest. The end of this page lists the images of this bundle that are named by tag, and by whom. If you can change these names, leave this step out.")
	} else {
		p.Text("The rules before are for pulls by digest. The end of this page lists the images of this bundle that are named by tag. The command prints the images that pods name by tag now. If none of the list is among them, or if you can change these names, leave this step out.")
		p.Run(`oc get pods --all-namespaces -o jsonpath='{range .items[*]}{.spec.containers[*].image}{" "}{.spec.initContainers[*].image}{" "}{end}' | tr ' ' '\n' | grep -v -e '@sha256:' -e '^$' | sort -u`)
	}
	if e.site.PresentRules != nil {
		var list []string
		for i, o := range e.grownOf(e.itms) {
			list = append(list, fmt.Sprintf("`%s` (%s): %s", o.Name, e.itms[i].file, stateOf(o)))
		}
		p.List(list)
	}
	p.Drains("adding rules for pulls by tag")
	e.pageDisruption(p, nodeRegistries)
	p.Text("From then on, each new mirror for one of these sources drains the nodes too. %s is without these rules.", fileRegistries)
	e.runRules(p, e.itms)
}

func (e *emission) restoreRules(p *page.Page) {
	if e.hosted() {
		e.restoreHostedCluster(p)
		return
	}
	if len(e.icsps) == 0 {
		return
	}
	p.Step("Delete the rules")
	p.Drains("deleting rules")
	e.pageDisruption(p, nodeRegistries)
	list := e.earlierRules()
	if e.site.PresentRules == nil {
		p.Text("Rules of satchel versions that gave them no label are named satchel-release-, satchel-operator- or satchel-generic- too (`oc get imagecontentsourcepolicy`). Delete them in the same go, so that the nodes change only once.")
	}
	v, known := e.site.Cluster.Running()
	lines := append(deletion(list, " --ignore-not-found"), "oc delete "+resource(rules.ContentSource)+" -l "+kube.Mine)
	switch sets := "oc delete " + resource(rules.DigestMirrors) + "," + resource(rules.TagMirrors) + " -l " + kube.Mine; {
	case e.kind == rules.DigestMirrors || known && hasMirrorSets(v):
		lines = append(lines, sets)
	case !known: // before 4.13 there are none
		lines = append(lines, page.Or(sets, "true"))
	}
	p.Run(e.rollout(lines...)...)
	p.Text("After that, registries.conf on a node has no [[registry]] entry of these rules:")
	p.Run(
		"NODE=$("+readyNodes()+" | head -n 1)",
		"oc debug -q node/\"$NODE\" -- chroot /host cat /etc/containers/registries.conf",
	)
}

// earlierRules lists satchel's objects that may lack the label: those of earlier versions.
func (e *emission) earlierRules() (list []rules.Other) {
	if e.site.PresentRules == nil {
		for _, name := range e.firstNames() {
			list = append(list, rules.Other{Object: rules.Object{Kind: e.kind, Name: name}})
		}
		return list
	}
	for _, o := range e.site.PresentRules.Objects {
		if o.Ours() {
			list = append(list, rules.Other{Object: o})
		}
	}
	return list
}
