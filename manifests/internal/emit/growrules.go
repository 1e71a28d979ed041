package emit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// groupsOf gives the rules that lead images to all their places.
func (e *emission) groupsOf(images []oci.Image) []rules.Group {
	var list []rules.SourcePlace
	for _, img := range images {
		if img.Built {
			continue
		}
		for _, m := range e.mirrors() {
			list = append(list, rules.SourcePlace{Source: img.Source.Name(), Place: m.Repo(img).Name(), Origins: []oci.Origin{img.Origin}})
		}
	}
	return e.room().Arranged(rules.For(list))
}

// room says how objects with rules are filled.
func (e *emission) room() rules.Room {
	room := rules.Room{Kind: e.kind, Base: emptyPolicySize, Size: e.ruleSize, Policy: e.policy(), Closed: e.closed()}
	for _, m := range e.mirrors() {
		room.Places = append(room.Places, m.String())
	}
	return room
}

// closed are the sources whose rules must stay as the cluster has them.
func (e *emission) closed() map[string]bool {
	closed := map[string]bool{}
	for _, source := range e.withheldSources() {
		closed[source] = true
	}
	return closed
}

// grow adds this bundle's rules to what is known of the cluster's.
func (e *emission) grow() error {
	if e.kind == rules.DigestMirrors && !e.hosted() { // a HostedCluster has none for tags
		e.tagGroups = e.groupsOf(e.byTag())
	}
	room := e.room()
	switch present := e.site.PresentRules; {
	case present != nil:
		e.growth = rules.Grow(present.Objects, e.groups, e.tagGroups, room)
	case e.site.Earlier != nil:
		var objects []rules.Object
		for _, places := range e.site.Earlier {
			objects = rules.Grow(objects, room.Arranged(rules.For(e.pulledFrom(places))), nil, room).Objects()
		}
		e.growth = rules.Grow(objects, e.groups, e.tagGroups, room)
	default:
		open := func(groups []rules.Group) []rules.Group {
			for i, g := range groups {
				groups[i].Rules = slices.DeleteFunc(slices.Clone(g.Rules), func(r rules.Rule) bool { return room.Closed[r.Source] })
			}
			return slices.DeleteFunc(groups, func(g rules.Group) bool { return len(g.Rules) == 0 })
		}
		e.groups, e.tagGroups = open(e.groups), open(e.tagGroups)
		return nil
	}
	return e.refusedRules()
}

// refusedRules: an ImageContentSourcePolicy for a source that another object keeps nodes from
// would have them take no change of rules at all.
func (e *emission) refusedRules() error {
	list := e.growth.Refused
	if len(list) == 0 {
		return nil
	}
	return &SiteError{
		Field: "MirrorAPI",
		Msg:   fmt.Sprintf("%s of the cluster keeps nodes from %s itself (mirrorSourcePolicy), and an ImageContentSourcePolicy for that source contradicts it: nodes would take no change of rules at all", list[0].Object, list[0].Source),
		hint:  "write ImageDigestMirrorSets, which can have the same policy: idms",
	}
}

// byTag are the images that have rules for pulls by tag: those that the mirror has under the tag.
func (e *emission) byTag() []oci.Image {
	return slices.DeleteFunc(slices.Clone(e.tagged), func(img oci.Image) bool {
		return len(img.Tags) == 0 || e.withheld(img.Source.Name()) || e.site.Cluster.Applications() && e.tagUsers(img) == "" || slices.ContainsFunc(img.NamedTags(), func(tag string) bool {
			return e.other(img, tag) != ""
		})
	})
}

// pulledFrom gives places of the mirror as nodes name them.
func (e *emission) pulledFrom(places []SourcePlace) (list []SourcePlace) {
	if len(e.pullFrom) == 0 {
		return places
	}
	for _, p := range places {
		for _, m := range e.pullFrom {
			at, rest := p, ""
			if rules.Within(p.Place, e.site.Mirror.String()) {
				rest = strings.TrimPrefix(p.Place, e.site.Mirror.String())
				at.Place = m.String() + rest
			} else if _, path, ok := strings.Cut(p.Place, "/"); ok {
				at.Place = m.Host + "/" + path
			}
			list = append(list, at)
		}
	}
	return list
}

// noteGrowth says of the rules what a person must know.
func (e *emission) noteGrowth() {
	if e.site.PresentRules == nil {
		return
	}
	if list := e.growth.Broken; len(list) > 0 {
		e.note("objects with rules of the cluster contradict each other (mirrorSourcePolicy of %s): nodes take no change of rules until that is corrected; %s lists them", list[0].Source, fileApply)
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
	if n := len(e.others(func(o rules.Other) bool { return o.State == rules.Superfluous && o.Tool != "" })); n > 0 {
		e.note("%s with rules can be deleted once the new rules are there: %s lists what is superfluous", text.Count(n, "object", "objects"), fileApply)
	}
}
