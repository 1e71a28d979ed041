package emit

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/oci/text"
)

// grow adds this bundle's rules to what is known of the cluster's.
func (e *emission) grow() {
	room := rules.Room{Place: e.site.Mirror.String(), Base: emptyPolicySize, Size: ruleSize}
	if present := e.site.PresentRules; present != nil {
		e.growth = rules.Grow(present.Objects, e.groups, room)
		return
	}
	if e.site.Earlier == nil {
		return
	}
	var objects []rules.Object
	for _, places := range e.site.Earlier {
		objects = rules.Grow(objects, rules.For(places), room).Objects()
	}
	e.growth = rules.Grow(objects, e.groups, room)
}

// deletable reports whether an object that the cluster has is one that satchel may name for
// deletion: its own, or one that a mirroring tool wrote.
func deletable(o rules.Other) bool { return o.State == rules.Superfluous && o.Tool != "" }

// deleted lists what the rules make superfluous.
func (e *emission) deleted() (list []rules.Other) {
	if e.site.PresentRules == nil {
		return nil
	}
	for _, o := range e.growth.Others {
		if deletable(o) {
			list = append(list, o)
		}
	}
	return list
}

// noteGrowth says of the rules what a person must know.
func (e *emission) noteGrowth() {
	if e.site.PresentRules == nil {
		return
	}
	if list := e.growth.Conflicts; len(list) > 0 {
		e.note("for %s, other rules of the cluster name another mirror first, such as %s: %s lists the order in which nodes ask", text.Count(len(list), "source", "sources"), list[0].Object, fileApply)
	}
	var tags, never []string
	for _, r := range e.growth.Repeated {
		if len(r.Tags) > 0 {
			tags = append(tags, r.Source)
		}
		if r.Never {
			never = append(never, r.Source)
		}
	}
	const hides = "the new rules for %s are more precise than a rule of the cluster, "
	if len(tags) > 0 {
		e.note(hides+"which has mirrors for pulls by tag: those pulls now go to the source itself; pods must name these images by digest", text.Some(tags, 3))
	}
	if len(never) > 0 {
		e.note(hides+"which keeps nodes from the source itself (mirrorSourcePolicy): for these, nodes may ask it", text.Some(never, 3))
	}
	if n := len(e.deleted()); n > 0 {
		e.note("%s with rules can be deleted once the new rules are there: %s lists what is superfluous", text.Count(n, "object", "objects"), fileApply)
	}
}

// stepGrown is the step of the rules where those of the cluster are known.
func (e *emission) stepGrown(p *page) {
	p.text("These files have every source and mirror that the objects of the same names had when you saved the rules for satchel, and those of this bundle. `oc apply` replaces what the objects have. So if rules have changed since then, save them again and run satchel render again with `--present-rules`.")
	var list []string
	for i, o := range e.growth.Ours {
		list = append(list, fmt.Sprintf("`%s` (%s): %s", o.Name, e.icsps[i].file, stateOf(o)))
	}
	p.list(list)
	if slices.ContainsFunc(e.growth.Others, func(o rules.Other) bool { return o.Kind != rules.ContentSource }) {
		p.text("The cluster has ImageDigestMirrorSet or ImageTagMirrorSet objects. If it is older than 4.13.27, or is 4.14.0 to 4.14.2, stop here and update it first. %s", refusesMixed)
	}
	e.pageConflicts(p)
	if !slices.ContainsFunc(e.growth.Ours, func(o rules.Grown) bool { return o.State != rules.Same }) {
		p.text("Nothing changes on the nodes: the cluster has all of these rules.")
	} else {
		p.text("Nodes: no source and no mirror is removed. From 4.8 on, new rules take effect without drain and reboot. But releases from before mid-2022 drain the nodes if image.config has blocked or insecure registries. 4.7 drains every node; versions before 4.7 also reboot it. (A single-node cluster is never drained.)")
	}
	e.runRules(p)
}

func stateOf(o rules.Grown) string {
	sources := text.Count(o.Sources, "source", "sources")
	mirrors := text.Count(o.Mirrors, "mirror", "mirrors")
	switch {
	case o.State == rules.New:
		return "new, " + sources
	case o.State == rules.Same:
		return "the same as in the cluster"
	case o.Mirrors == 0:
		return "grows by " + sources
	case o.Sources == 0:
		return "grows by " + mirrors
	}
	return "grows by " + sources + ", and by " + mirrors + " for others"
}

// pageConflicts lists where rules of others lead elsewhere.
func (e *emission) pageConflicts(p *page) {
	const most = 50
	var list []string
	for _, c := range e.growth.Conflicts {
		list = append(list, fmt.Sprintf("`%s`: %s has another mirror first. Nodes will ask in this order: %s", c.Source, c.Object, strings.Join(c.Order, ", ")))
	}
	if len(list) > 0 {
		p.text("Other objects have rules for the same sources, with another mirror first:")
		p.list(atMost(list, most))
	}
	list = nil
	for _, r := range e.growth.Repeated {
		from := strings.Join(r.Objects, ", ")
		if len(r.Mirrors) > 0 {
			list = append(list, fmt.Sprintf("`%s` has in addition %s, as %s leads there", r.Source, strings.Join(r.Mirrors, ", "), from))
		}
		if len(r.Tags) > 0 {
			list = append(list, fmt.Sprintf("`%s`: pulls by tag no longer go where %s leads: a rule here cannot say that", r.Source, strings.Join(r.Tags, ", ")))
		}
		if r.Never {
			list = append(list, fmt.Sprintf("`%s`: nodes may ask it itself, which %s forbids for `%s`: a rule here cannot say that", r.Source, from, r.Wide))
		}
	}
	if len(list) > 0 {
		p.text("For each image, only the rule with the longest source counts. The cluster has rules with shorter sources, and nodes no longer use them for these sources. So their mirrors are repeated after this one:")
		p.list(atMost(list, most))
	}
}

// atMost keeps a list short.
func atMost(list []string, most int) []string {
	if len(list) <= most {
		return list
	}
	return append(list[:most:most], fmt.Sprintf("and %d more", len(list)-most))
}

// stepSuperfluous lists the objects with rules that may go, and those that may not.
func (e *emission) stepSuperfluous(p *page) {
	if names := e.firstNames(); len(names) > 0 {
		p.step("Rules that are no longer needed")
		p.text("The rules of the first bundle had names of their own. All of them are also in the files here. Nodes: nothing changes, no drain and no reboot. Delete them only when every node has the new rules (see the step before).")
		p.run("oc delete imagecontentsourcepolicy --ignore-not-found " + strings.Join(names, " "))
		return
	}
	if e.site.PresentRules == nil || len(e.growth.Others) == 0 {
		return
	}
	if gone := e.deleted(); len(gone) > 0 {
		p.step("Rules that are no longer needed")
		p.text("Every source and mirror of these objects is also in the files here. %s Delete them only when every node has the new rules (see the step before).", e.afterDeletion())
		var lines []string
		for _, kind := range []rules.Kind{rules.ContentSource, rules.DigestMirrors} {
			line := "oc delete " + strings.ToLower(string(kind))
			n := len(line)
			for _, o := range gone {
				if o.Kind == kind {
					line += " " + o.Name
				}
			}
			if len(line) > n {
				lines = append(lines, line)
			}
		}
		p.run(lines...)
	} else {
		p.step("Other rules in the cluster")
	}
	var list []string
	for _, o := range e.growth.Others {
		if !deletable(o) {
			list = append(list, "`"+o.String()+"`: "+whyKept(o))
		}
	}
	if len(list) > 0 {
		p.text("These objects are not satchel's, and it changes none of them:")
		p.list(list)
	}
}

// afterDeletion says what the deletion does to nodes.
func (e *emission) afterDeletion() string {
	before := rules.Applied(e.growth.Objects(), nil, nil).TOML()
	if after := rules.Applied(e.growth.Left(deletable), nil, nil).TOML(); !bytes.Equal(before, after) {
		return "Nodes: no drain and no reboot; nodes ask some mirrors in another order."
	}
	return "Nodes: nothing changes, no drain and no reboot."
}

func whyKept(o rules.Other) string {
	switch {
	case o.State == rules.ByTag:
		return "every source and mirror of it is also in the files here, but those are for pulls by digest. If no pod names an image by tag, it can be deleted (`oc delete " + strings.ReplaceAll(o.String(), "/", " ") + "`). That drains every node."
	case o.State == rules.Superfluous:
		return "every source and mirror of it is also in the files here, but satchel does not know who wrote it. Ask before you delete it. Nodes: no drain and no reboot."
	case len(o.Own.Mirrors) == 0:
		return "keep it: with mirrorSourcePolicy it keeps nodes from " + o.Own.Source + " itself, which the files here cannot. Deleting it drains every node."
	}
	return fmt.Sprintf("keep it: only it leads from %s to %s. Deleting it drains every node.", o.Own.Source, strings.Join(o.Own.Mirrors, ", "))
}
