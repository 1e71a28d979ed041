package lead

import (
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// GroupsOf gives the rules that lead images to all their places.
func (l *Lead) GroupsOf(images []oci.Image) []rules.Group {
	var list []rules.SourcePlace
	for _, img := range images {
		if img.Built {
			continue
		}
		for _, m := range l.Mirrors() {
			list = append(list, rules.SourcePlace{Source: img.Source.Name(), Place: m.Repo(img).Name(), Origins: []oci.Origin{img.Origin}})
		}
	}
	return l.room().Arranged(rules.For(list))
}

// room says how objects with rules are filled.
func (l *Lead) room() rules.Room {
	room := rules.Room{Kind: l.kind, Base: emptyPolicySize, Size: l.ruleSize, Policy: l.policy(), Closed: l.closed()}
	for _, m := range l.Mirrors() {
		room.Places = append(room.Places, m.String())
	}
	return room
}

// closed are the sources whose rules must stay as the cluster has them.
func (l *Lead) closed() map[string]bool {
	closed := map[string]bool{}
	for _, source := range l.withheldSources() {
		closed[source] = true
	}
	return closed
}

// grow adds this bundle's rules to what is known of the cluster's.
func (l *Lead) grow() error {
	if l.kind == rules.DigestMirrors && !l.Hosted() { // a HostedCluster has none for tags
		l.tagGroups = l.GroupsOf(l.byTag())
	}
	room := l.room()
	switch present := l.Site.PresentRules; {
	case present != nil:
		l.Growth = rules.Grow(present.Objects, l.Groups, l.tagGroups, room)
	case l.Site.Earlier != nil:
		var objects []rules.Object
		for _, places := range l.Site.Earlier {
			objects = rules.Grow(objects, room.Arranged(rules.For(l.pulledFrom(places))), nil, room).Objects()
		}
		l.Growth = rules.Grow(objects, l.Groups, l.tagGroups, room)
	default:
		open := func(groups []rules.Group) []rules.Group {
			for i, g := range groups {
				groups[i].Rules = slices.DeleteFunc(slices.Clone(g.Rules), func(r rules.Rule) bool { return room.Closed[r.Source] })
			}
			return slices.DeleteFunc(groups, func(g rules.Group) bool { return len(g.Rules) == 0 })
		}
		l.Groups, l.tagGroups = open(l.Groups), open(l.tagGroups)
		return nil
	}
	return l.refusedRules()
}

// refusedRules: an ImageContentSourcePolicy for a source that another object keeps nodes from
// would have them take no change of rules at all.
func (l *Lead) refusedRules() error {
	list := l.Growth.Refused
	if len(list) == 0 {
		return nil
	}
	return &site.SiteError{
		Field:  "MirrorAPI",
		Msg:    fmt.Sprintf("%s of the cluster keeps nodes from %s itself (mirrorSourcePolicy), and an ImageContentSourcePolicy for that source contradicts it: nodes would take no change of rules at all", list[0].Object, list[0].Source),
		Advice: "write ImageDigestMirrorSets, which can have the same policy: idms",
	}
}

// byTag are the images that have rules for pulls by tag: those that the mirror has under the tag.
func (l *Lead) byTag() []oci.Image {
	return slices.DeleteFunc(slices.Clone(l.Tagged), func(img oci.Image) bool {
		return len(img.Tags) == 0 || l.Withheld(img.Source.Name()) || l.Site.Cluster.Applications() && l.tagUsers(img) == "" || slices.ContainsFunc(img.NamedTags(), func(tag string) bool {
			return l.other(img, tag) != ""
		})
	})
}

// pulledFrom gives places of the mirror as nodes name them.
func (l *Lead) pulledFrom(places []site.SourcePlace) (list []site.SourcePlace) {
	if len(l.PullFrom) == 0 {
		return places
	}
	for _, p := range places {
		for _, m := range l.PullFrom {
			at, rest := p, ""
			if rules.Within(p.Place, l.Site.Mirror.String()) {
				rest = strings.TrimPrefix(p.Place, l.Site.Mirror.String())
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
func (l *Lead) noteGrowth() {
	if l.Site.PresentRules == nil {
		return
	}
	if list := l.Growth.Broken; len(list) > 0 {
		l.Note("objects with rules of the cluster contradict each other (mirrorSourcePolicy of %s): nodes take no change of rules until that is corrected; %s lists them", list[0].Source, handover.FileApply)
	}
	if list := l.Growth.Conflicts; len(list) > 0 {
		l.Note("for %s, other rules of the cluster name another mirror first, such as %s: %s lists the order in which nodes ask", text.Count(len(list), "source", "sources"), list[0].Object, handover.FileApply)
	}
	var tags, never []string
	for _, r := range l.Growth.Repeated {
		if len(r.Tags) > 0 {
			tags = append(tags, r.Source)
		}
		if r.Never {
			never = append(never, r.Source)
		}
	}
	const hides = "the new rules for %s are more precise than a rule of the cluster, "
	if len(tags) > 0 {
		l.Note(hides+"which has mirrors for pulls by tag: those pulls now go to the source itself; pods must name these images by digest", text.Some(tags, 3))
	}
	if len(never) > 0 {
		l.Note(hides+"which keeps nodes from the source itself (mirrorSourcePolicy): for these, nodes may ask it", text.Some(never, 3))
	}
	if n := len(l.Others(func(o rules.Other) bool { return o.State == rules.Superfluous && o.Tool != "" })); n > 0 {
		l.Note("%s with rules can be deleted once the new rules are there: %s lists what is superfluous", text.Count(n, "object", "objects"), handover.FileApply)
	}
}
