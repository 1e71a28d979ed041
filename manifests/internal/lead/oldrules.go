package lead

import (
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/oci/text"
)

// deletable reports whether an object that the cluster has is satchel's, and superfluous: only
// those stand in a command to paste.
func deletable(o rules.Other) bool { return o.State == rules.Superfluous && o.Tool == rules.Satchel }

// Offered reports whether an object of others may go, if who made it agrees.
func Offered(o rules.Other) bool {
	return o.State == rules.Superfluous && o.Tool != rules.Satchel && o.Tool != "" || o.State == rules.ByTag
}

// Others lists objects with rules that are not written.
func (l *Lead) Others(is func(rules.Other) bool) (list []rules.Other) {
	if l.Site.PresentRules == nil || l.Hosted() {
		return nil
	}
	for _, o := range l.Growth.Others {
		if is(o) {
			list = append(list, o)
		}
	}
	return list
}

// StepSuperfluous lists the objects with rules that may go.
func (l *Lead) StepSuperfluous(p *page.Page) {
	if l.Hosted() { // its rules are not objects of its own
		return
	}
	if names := l.firstNames(); len(names) > 0 {
		p.Step("Rules that are no longer needed")
		p.Text("The rules of the first bundle had names of their own. All of them are also in the files here. Nodes: nothing changes, no drain and no reboot. Delete them only when every node has the new rules (see the step before).")
		l.PageDisruption(p, handover.NodeRegistries)
		p.Run("oc delete " + resource(l.kind) + " --ignore-not-found " + strings.Join(names, " "))
		return
	}
	if l.Site.PresentRules == nil {
		return
	}
	gone, theirs := l.Others(deletable), l.Others(Offered)
	if l.sameRules(l.withRules()) { // it was said when the rules came
		theirs = slices.DeleteFunc(theirs, func(o rules.Other) bool { return o.State == rules.ByTag })
	}
	if len(gone)+len(theirs) == 0 {
		return
	}
	p.Step("Rules that are no longer needed")
	p.Text("Delete them only when every node has the new rules (see the steps before).")
	if len(gone) > 0 {
		p.Text("satchel made these, as their names say. Everything in them is also in the files here. If somebody else made one of them after all, take its name out of the command.")
		l.pageDeletion(p, deletable)
		p.Run(deletion(gone, " --ignore-not-found")...)
	}
	if len(theirs) > 0 {
		l.pageOffered(p, theirs)
	}
}

// pageOffered lists objects of others that may go. They are kept for the way back before.
func (l *Lead) pageOffered(p *page.Page, list []rules.Other) {
	var keep, lines []string
	for _, o := range list {
		first := handover.KeepObject(resource(o.Kind), "", o.Name)
		keep = append(keep, first)
		line := fmt.Sprintf("`%s`, %s: ", o.String(), handover.ToolText(o))
		if o.State == rules.ByTag {
			line += "its sources and mirrors are also in the files here, but those are for pulls by digest. Only if no pod names an image by tag: "
		}
		lines = append(lines, line+fmt.Sprintf("`%s && oc delete %s %s`. ", first, resource(o.Kind), o.Name)+l.drainOf(o))
	}
	p.Text("Others made the following. Everything in them is also in the files here, so they may go, if whoever made them agrees. The commands copy them into the ConfigMap %s for the way back, and delete nothing:", handover.BeforeName)
	p.Run(handover.WithKeep(keep...)...)
	p.Text("Then, for each that is to go, one command, in the same shell. It deletes only what is copied:")
	p.List(lines)
}

// pageOthers lists the objects with rules that stay, below the rules that come.
func (l *Lead) pageOthers(p *page.Page) {
	var list []string
	for _, o := range l.Growth.Others {
		if !deletable(o) && !Offered(o) {
			list = append(list, "`"+o.String()+"`: "+l.whyKept(o))
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
func (l *Lead) pageDeletion(p *page.Page, gone func(rules.Other) bool) {
	before := l.Nodes(l.Trust.Insecure(), l.Blocked())
	after := l.nodesWithout(gone)
	v, known := l.Site.Cluster.Running()
	switch old := known && v.Major == 4 && v.Minor < 8; {
	case string(before.TOML()) == string(after.TOML()):
		p.Text("Nodes: nothing changes, no drain and no reboot.")
	case !old && len(after.Drains(before)) == 0:
		p.Text("Nodes: no drain and no reboot; nodes ask some mirrors in another order.")
		l.PageDisruption(p, handover.NodeRegistries)
	default:
		l.pageNodes(p, "deleting them", before, after)
	}
}

// nodesWithout is what nodes have once objects were deleted.
func (l *Lead) nodesWithout(gone func(rules.Other) bool) *rules.Nodes {
	list := l.Growth.Left(gone)
	if !l.TagsNeeded() {
		list = l.withoutTags(list)
	}
	return rules.Applied(list, l.Trust.Insecure(), l.Blocked())
}

// drainOf says what deleting one object does to nodes.
func (l *Lead) drainOf(o rules.Other) string {
	after := l.nodesWithout(func(other rules.Other) bool { return other.String() == o.String() })
	if len(after.Drains(l.Nodes(l.Trust.Insecure(), l.Blocked()))) > 0 {
		return "Deleting it drains every node."
	}
	return "Nodes: no drain and no reboot."
}

func (l *Lead) whyKept(o rules.Other) string {
	switch {
	case o.State == rules.Internal:
		return "keep it: it leads to the cluster's internal release registry. " + l.drainOf(o)
	case o.State == rules.Superfluous:
		return "everything in it is also in the files here, but satchel does not know who wrote it. Ask before you delete it. " + l.drainOf(o)
	case len(o.Own.Mirrors) == 0:
		return "keep it: with mirrorSourcePolicy it keeps nodes from " + o.Own.Source + " itself, which the files here do not. " + l.drainOf(o)
	}
	return fmt.Sprintf("keep it: only it leads from %s to %s. %s", o.Own.Source, strings.Join(o.Own.Mirrors, ", "), l.drainOf(o))
}

// StepTagRules has the rules for pulls by tag, which drain and which not every cluster needs.
func (l *Lead) StepTagRules(p *page.Page) {
	switch {
	case len(l.ITMSs) == 0 || l.TagsNeeded():
		return
	case l.sameRules(l.ITMSs):
		p.Nothing("the rules for tags")
		return
	}
	p.Step("Only if pods name images by tag: rules for tags")
	if l.Site.Cluster.Applications() {
		p.Text("The rules of %s are for pulls by digest. The end of this page lists the images of this bundle that are named by tag, and by whom. If you can change these names, leave this step out.", l.digestFiles())
	} else {
		p.Text("The rules of %s are for pulls by digest. The end of this page lists the images of this bundle that are named by tag. The command prints the images that pods name by tag now. If none of the list is among them, or if you can change these names, leave this step out.", l.digestFiles())
		p.Run(`oc get pods --all-namespaces -o jsonpath='{range .items[*]}{.spec.containers[*].image}{" "}{.spec.initContainers[*].image}{" "}{end}' | tr ' ' '\n' | grep -v -e '@sha256:' -e '^$' | sort -u`)
	}
	if l.Site.PresentRules != nil {
		var list []string
		for i, o := range l.grownOf(l.ITMSs) {
			list = append(list, fmt.Sprintf("`%s` (%s): %s", o.Name, l.ITMSs[i].File, stateOf(o)))
		}
		p.List(list)
	}
	p.Drains("adding rules for pulls by tag")
	l.PageDisruption(p, handover.NodeRegistries)
	p.Text("From then on, each new mirror for one of these sources drains the nodes too. %s is without these rules.", handover.FileRegistries)
	l.runRules(p, l.ITMSs)
}

// digestFiles names the files with the rules for pulls by digest.
func (l *Lead) digestFiles() string {
	var files []string
	for _, o := range l.ICSPs {
		files = append(files, o.File)
	}
	return text.Some(files, 3)
}

// RestoreRules deletes satchel's rules.
func (l *Lead) RestoreRules(p *page.Page) {
	if l.Hosted() {
		l.restoreHostedCluster(p)
		return
	}
	if len(l.ICSPs) == 0 {
		return
	}
	p.Step("Delete the rules")
	p.Drains("deleting rules")
	l.PageDisruption(p, handover.NodeRegistries)
	list := l.earlierRules()
	if l.Site.PresentRules == nil {
		p.Text("Rules of satchel versions that gave them no label are named satchel-release-, satchel-operator- or satchel-generic- too (`oc get imagecontentsourcepolicy`). Delete them in the same go, so that the nodes change only once.")
	}
	v, known := l.Site.Cluster.Running()
	lines := append(deletion(list, " --ignore-not-found"), "oc delete "+resource(rules.ContentSource)+" -l "+kube.Mine)
	sets := "oc delete " + resource(rules.DigestMirrors) + "," + resource(rules.TagMirrors) + " -l " + kube.Mine
	if l.kind != rules.DigestMirrors && (!known || !site.HasMirrorSets(v)) { // before 4.13 there are none, and an update may have come since
		lines = append(lines, "CRD=$(oc get crd imagedigestmirrorsets.config.openshift.io --ignore-not-found -o name)")
		sets = page.Or(`[ -z "$CRD" ]`, sets)
	}
	lines = append(lines, sets)
	p.Run(l.Rollout(lines...)...)
	p.Text("After that, registries.conf on a node has no [[registry]] entry of these rules:")
	p.Run(
		"NODE=$("+handover.ReadyNodes()+" | head -n 1)",
		"oc debug -q node/\"$NODE\" -- chroot /host cat /etc/containers/registries.conf",
	)
}

// earlierRules lists satchel's objects that may lack the label: those of earlier versions.
func (l *Lead) earlierRules() (list []rules.Other) {
	if l.Site.PresentRules == nil {
		for _, name := range l.firstNames() {
			list = append(list, rules.Other{Object: rules.Object{Kind: l.kind, Name: name}})
		}
		return list
	}
	for _, o := range l.Site.PresentRules.Objects {
		if o.Ours() {
			list = append(list, rules.Other{Object: o})
		}
	}
	return list
}
