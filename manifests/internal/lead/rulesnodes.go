package lead

import (
	"fmt"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
)

// effect is what a change does to nodes.
type effect int

const (
	Harmless effect = iota
	unsure          // too little is known to say that it drains none
	draining
	rebooting // and draining
)

// EffectOf judges a change of rules, and says why nodes are drained: by what they have before it
// and after it, or, where before is nil, for new rules beside others. The pages and the
// kustomizations both go by it.
func (l *Lead) EffectOf(before, after *rules.Nodes) (effect, []rules.Drain) {
	v, known := l.Site.Cluster.Running()
	of4 := known && v.Major == 4
	var list []rules.Drain
	if before != nil {
		list = after.Drains(before)
	}
	switch {
	case of4 && v.Minor < 7:
		return rebooting, list
	case of4 && v.Minor == 7, len(list) > 0:
		return draining, list
	case !known, l.drainsOfOld(v):
		return unsure, nil
	}
	return Harmless, nil
}

// drainsOfOld reports whether a version may drain nodes for rules that add mirrors only.
func (l *Lead) drainsOfOld(v semver.Version) bool {
	return v.Major == 4 && v.Minor < 11 && (l.Site.PresentImage == nil || len(l.Trust.Insecure())+len(l.Blocked()) > 0)
}

// pageNodes says, before a command, what a change of rules does to nodes.
func (l *Lead) pageNodes(p *page.Page, what string, before, after *rules.Nodes) {
	does, list := l.EffectOf(before, after)
	switch v, _ := l.Site.Cluster.Running(); {
	case does == rebooting:
		p.Reboots(what)
	case does == draining:
		p.Drains(what)
		if v.Major == 4 && v.Minor == 7 {
			return
		}
		var why []string
		for _, d := range list {
			why = append(why, fmt.Sprintf("`%s`: %s", d.Source, d.Why))
		}
		p.Text("This is why:")
		p.List(atMost(why, 10))
	default:
		p.Text("Nodes: %s", l.noDrain(before != nil))
	}
	l.PageDisruption(p, handover.NodeRegistries)
}

// noDrain says that rules drain no node, and in which versions they do nevertheless.
func (l *Lead) noDrain(compared bool) string {
	v, known := l.Site.Cluster.Running()
	const safe = "new rules take effect without drain and reboot."
	said := safe
	if compared {
		said = "no source and no mirror is removed: no drain and no reboot."
	}
	const old = "releases from before mid-2022 drain the nodes if image.config has blocked or insecure registries"
	switch {
	case !known:
		said = "from 4.8 on, " + safe
		if compared {
			said = "no source and no mirror is removed. From 4.8 on, " + safe
		}
		said += " But " + old + ". 4.7 drains every node; versions before 4.7 also reboot it."
	case l.drainsOfOld(v):
		said += " But " + old + ", and this may be one of them (" + v.String() + ")."
	}
	return said
}

// pagePolicies says for which sources nodes may be kept from asking them, and for which not.
func (l *Lead) pagePolicies(p *page.Page) {
	const most = 20
	g := l.Growth
	var list []string
	for _, b := range g.Broken {
		list = append(list, fmt.Sprintf("`%s`: %s has it without mirrorSourcePolicy, and another object with NeverContactSource", b.Source, b.Object))
	}
	if len(list) > 0 {
		p.Text("**Objects of the cluster contradict each other. The machine config operator applies no change of rules at all while they do. Correct this first:**")
		p.List(atMost(list, most))
	}
	never := 0
	for _, o := range g.Ours {
		never += len(o.Never)
	}
	if never > 0 {
		p.Text("Nodes will not ask these sources themselves (mirrorSourcePolicy NeverContactSource): a pull of an image that the mirror lacks fails, as it will after the cut. Pulls by tag fail too, unless a rule for tags leads to the mirror.")
	}
	list = nil
	for _, f := range g.Forced {
		switch {
		case f.Object == "" && f.Never:
			list = append(list, fmt.Sprintf("`%s`: nodes may not ask it, as a rule with a shorter source says", f.Source))
		case f.Object == "":
			list = append(list, fmt.Sprintf("`%s`: nodes may ask it, because it is among its own mirrors", f.Source))
		case f.Never:
			list = append(list, fmt.Sprintf("`%s`: nodes may not ask it, as %s says", f.Source, f.Object))
		default:
			list = append(list, fmt.Sprintf("`%s`: nodes may still ask it, because %s has it without mirrorSourcePolicy", f.Source, f.Object))
		}
	}
	if len(list) > 0 {
		p.Text("All objects must have the same mirrorSourcePolicy for a source, else nodes take no change of rules at all. So these sources do not get the policy that was asked for. Where an object can be deleted (see below), run satchel render once more after that.")
		p.List(atMost(list, most))
	}
}

// pageInternal shows the rules that lead to the cluster's internal release registry.
func (l *Lead) pageInternal(p *page.Page) {
	var list []string
	for _, r := range l.Growth.Internal {
		said := fmt.Sprintf("%s leads from `%s` to %s", r.Object, r.Source, strings.Join(r.Mirrors, ", "))
		if len(r.Hidden) > 0 {
			said += fmt.Sprintf("; the rules here have that mirror first for %s", strings.Join(atMost(r.Hidden, 5), ", "))
		}
		list = append(list, said)
	}
	if len(list) > 0 {
		p.Text("The cluster has a registry of its own for its release (InternalReleaseImage, port 22625). Its rules stay, and nodes ask it first:")
		p.List(atMost(list, 20))
	}
}

// pageConflicts lists where rules of others lead elsewhere.
func (l *Lead) pageConflicts(p *page.Page) {
	const most = 50
	var list []string
	for _, c := range l.Growth.Conflicts {
		list = append(list, fmt.Sprintf("`%s`: %s has another mirror first. Nodes will ask in this order: %s", c.Source, c.Object, strings.Join(c.Order, ", ")))
	}
	if len(list) > 0 {
		p.Text("Other objects have rules for the same sources, with another mirror first:")
		p.List(atMost(list, most))
	}
	list = nil
	for _, r := range l.Growth.Repeated {
		from := strings.Join(r.Objects, ", ")
		if len(r.Mirrors) > 0 {
			list = append(list, fmt.Sprintf("`%s` has in addition %s, as %s leads there", r.Source, strings.Join(r.Mirrors, ", "), from))
		}
		if len(r.ByTag) > 0 {
			list = append(list, fmt.Sprintf("`%s` has for pulls by tag %s, as %s leads there", r.Source, strings.Join(r.ByTag, ", "), from))
		}
		if len(r.Tags) > 0 {
			list = append(list, fmt.Sprintf("`%s`: pulls by tag no longer go where %s leads: a rule here cannot say that", r.Source, strings.Join(r.Tags, ", ")))
		}
		if r.Never {
			list = append(list, fmt.Sprintf("`%s`: nodes may ask it itself, which %s forbids for `%s`: a rule here cannot say that", r.Source, from, r.Wide))
		}
	}
	if len(list) > 0 {
		p.Text("For each image, only the rule with the longest source counts. The cluster has rules with shorter sources, and nodes no longer use them for these sources. So their mirrors are repeated after this one:")
		p.List(atMost(list, most))
	}
}
