package rules

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func room(size int) Room {
	return Room{Kind: ContentSource, Places: []string{"m:5000/ns"}, Size: func(r Rule) int { return size * (1 + len(r.Mirrors)) }}
}

func icsp(name string, list ...Rule) Object {
	o := Object{Kind: ContentSource, Name: name, Group: GroupNamed(name), Rules: list}
	if strings.HasPrefix(name, "satchel-") {
		o.Tool = Satchel
	}
	return o
}

func to(source string, mirrors ...string) Rule { return Rule{source, mirrors} }

func (g *Growth) lines() (list []string) {
	states := []string{"new", "grows", "same", "superfluous", "by tag", "needed", "internal"}
	for _, o := range g.Ours {
		list = append(list, o.Name+" "+states[o.State]+fmt.Sprint(" ", o.Sources, " ", o.Mirrors))
		for _, r := range o.Rules {
			list = append(list, "  "+r.Source+" "+strings.Join(r.Mirrors, " "))
		}
	}
	for _, o := range g.Others {
		list = append(list, o.String()+" "+states[o.State]+" "+o.Own.Source)
	}
	for _, r := range g.Repeated {
		list = append(list, fmt.Sprintf("repeated %s of %s%v%v%v %t", r.Source, r.Wide, r.Objects, r.Mirrors, r.Tags, r.Never))
	}
	for _, c := range g.Conflicts {
		list = append(list, fmt.Sprint("conflict ", c))
	}
	return list
}

func TestGrow(t *testing.T) {
	t.Parallel()
	tagged := Object{Kind: TagMirrors, Name: "itms-operator-0", Tool: OcMirror, Group: Operator, Rules: []Rule{to("q.example/b", "m:5000/ns/b")}}
	for name, c := range map[string]struct {
		present []Object
		groups  []Group
		want    []string
	}{
		"nothing there": {nil, []Group{{Operator, []Rule{to("q.example/b", "m:5000/ns/b")}}}, []string{
			"satchel-operator-1 new 1 0", "  q.example/b m:5000/ns/b",
		}},
		"a narrower week": {[]Object{icsp("satchel-operator-1", to("q.example/b", "m:5000/ns/b"), to("q.example/a", "m:5000/ns/a"))},
			[]Group{{Operator, []Rule{to("q.example/b", "m:5000/ns/b")}}}, []string{
				"satchel-operator-1 same 0 0", "  q.example/a m:5000/ns/a", "  q.example/b m:5000/ns/b",
			}},
		"a source stays in its group, and its mirrors in their order": {[]Object{icsp("satchel-operator-3", to("q.example/b", "m:5000/ns/z", "m:5000/ns/b", "cache.example/b"))},
			[]Group{{Release, []Rule{to("q.example/b", "m:5000/ns/c")}}, {Generic, []Rule{to("q.example/n", "m:5000/ns/n")}}}, []string{
				"satchel-operator-3 grows 0 1", "  q.example/b m:5000/ns/z m:5000/ns/b m:5000/ns/c cache.example/b",
				"satchel-generic-1 new 1 0", "  q.example/n m:5000/ns/n",
			}},
		"a source without mirrors": {[]Object{icsp("satchel-generic-1", to("q.example/a"), to("q.example/b"), to("q.example/c", "m:5000/ns/c"))},
			[]Group{{Generic, []Rule{to("q.example/b", "m:5000/ns/b")}}}, []string{
				"satchel-generic-1 grows 0 1", "  q.example/b m:5000/ns/b", "  q.example/c m:5000/ns/c",
			}},
		"names of earlier versions": {[]Object{icsp("satchel-generic-0123456789ab", to("q.example/b", "m:5000/ns/b"))}, nil, []string{
			"satchel-generic-1 new 1 0", "  q.example/b m:5000/ns/b",
			"imagecontentsourcepolicy/satchel-generic-0123456789ab superfluous ",
		}},
		"our rules as the other kind": {[]Object{{Kind: DigestMirrors, Name: "satchel-generic-1", Tool: Satchel, Group: Generic, Rules: []Rule{to("q.example/a", "m:5000/ns/a"), to("q.example/b", "x.example/b")}}},
			[]Group{{Generic, []Rule{to("q.example/b", "m:5000/ns/b")}}}, []string{
				"satchel-generic-1 new 2 0", "  q.example/a m:5000/ns/a", "  q.example/b m:5000/ns/b x.example/b",
				"imagedigestmirrorset/satchel-generic-1 superfluous ",
			}},
		"oc-mirror's": {[]Object{{Kind: DigestMirrors, Name: "idms-operator-0", Tool: OcMirror, Group: Operator, Rules: []Rule{to("q.example", "m:5000/ns"), to("r.example/x", "m:5000/ns/x")}}, tagged},
			[]Group{{Operator, []Rule{to("q.example/b", "m:5000/ns/b")}}}, []string{
				"satchel-operator-1 new 3 0", "  q.example m:5000/ns", "  q.example/b m:5000/ns/b", "  r.example/x m:5000/ns/x",
				"imagedigestmirrorset/idms-operator-0 superfluous ", "imagetagmirrorset/itms-operator-0 by tag ",
			}},
		"oc-mirror's, also for tags: no rule hides those": {[]Object{
			{Kind: DigestMirrors, Name: "idms-operator-0", Tool: OcMirror, Group: Operator, Rules: []Rule{to("q.example/team", "m:5000/ns/team")}},
			{Kind: TagMirrors, Name: "itms-operator-0", Tool: OcMirror, Group: Operator, Rules: []Rule{to("q.example/team", "m:5000/ns/team")}},
		}, []Group{{Operator, []Rule{to("q.example/team/a", "m:5000/ns/team/a"), to("q.example/team/b", "m:5000/ns/other"), to("q.example/team/b/c", "m:5000/ns/team/b/c")}}}, []string{
			"satchel-operator-1 new 3 0", "  q.example/team m:5000/ns/team", "  q.example/team/b m:5000/ns/other m:5000/ns/team/b", "  q.example/team/b/c m:5000/ns/team/b/c",
			"imagedigestmirrorset/idms-operator-0 superfluous ", "imagetagmirrorset/itms-operator-0 by tag ",
			"repeated q.example/team/b of q.example/team[imagedigestmirrorset/idms-operator-0][m:5000/ns/team/b][imagetagmirrorset/itms-operator-0] false",
			"repeated q.example/team/b/c of q.example/team[imagedigestmirrorset/idms-operator-0][][imagetagmirrorset/itms-operator-0] false",
		}},
		"oc-mirror's, for another mirror": {[]Object{{Kind: DigestMirrors, Name: "idms-operator-0", Tool: OcMirror, Group: Operator, Rules: []Rule{to("q.example", "old.example/ns"), to("r.example/x", "m:5000/ns/x")}}},
			[]Group{{Operator, []Rule{to("q.example/b", "m:5000/ns/b")}}}, []string{
				"satchel-operator-1 new 1 0", "  q.example/b m:5000/ns/b old.example/ns/b",
				"imagedigestmirrorset/idms-operator-0 needed q.example",
				"repeated q.example/b of q.example[imagedigestmirrorset/idms-operator-0][old.example/ns/b][] false",
			}},
		"somebody's wide rules, also for tags and blocked": {[]Object{
			icsp("corp", to("q.example", "cache.example/q"), to("q.example/team", "cache.example/t")),
			{Kind: DigestMirrors, Name: "cut", Never: []string{"r.example"}, Rules: []Rule{to("r.example", "cache.example/r")}},
			{Kind: TagMirrors, Name: "tags", Rules: []Rule{to("q.example", "cache.example/q")}},
		}, []Group{{Generic, []Rule{to("q.example/a", "m:5000/ns/a"), to("q.example/team/b", "m:5000/ns/team/b"), to("r.example/a", "m:5000/ns/ra")}}}, []string{
			"satchel-generic-1 new 3 0", "  q.example/a m:5000/ns/a cache.example/q/a", "  q.example/team/b m:5000/ns/team/b cache.example/t/b", "  r.example/a m:5000/ns/ra cache.example/r/a",
			"imagecontentsourcepolicy/corp needed q.example", "imagedigestmirrorset/cut needed r.example", "imagetagmirrorset/tags needed q.example",
			"repeated q.example/a of q.example[imagecontentsourcepolicy/corp][cache.example/q/a][imagetagmirrorset/tags] false",
			"repeated q.example/team/b of q.example/team[imagecontentsourcepolicy/corp][cache.example/t/b][] false",
			"repeated r.example/a of r.example[imagedigestmirrorset/cut][cache.example/r/a][] true",
		}},
		"somebody's object with nothing of its own": {[]Object{icsp("corp", to("q.example/a", "m:5000/ns/a"))}, []Group{{Generic, []Rule{to("q.example/a", "m:5000/ns/a")}}}, []string{
			"satchel-generic-1 new 1 0", "  q.example/a m:5000/ns/a", "imagecontentsourcepolicy/corp superfluous ",
		}},
	} {
		got := Grow(c.present, c.groups, nil, room(1))
		if lines := got.lines(); !slices.Equal(lines, c.want) {
			t.Errorf("%s:\ngot\n%s\nwant\n%s", name, strings.Join(lines, "\n"), strings.Join(c.want, "\n"))
		}
		again := Grow(got.Objects(), c.groups, nil, room(1))
		for _, o := range again.Ours {
			if o.State != Same {
				t.Errorf("%s: applied and grown again, %s is not the same", name, o.Name)
			}
		}
	}
}

// pairs are the sources and mirrors that a node has for pulls by digest.
func pairs(n *Nodes) map[string]bool {
	list := map[string]bool{}
	for _, r := range n.registries {
		for _, m := range r.mirrors {
			if !m.tags {
				list[r.scope+" "+m.location] = true
			}
		}
	}
	return list
}

// TestWeeks applies random weeks to random clusters: what a node has only grows, also when
// everything superfluous is deleted, each image of each earlier week is found in its place,
// whoever else had a mirror is still asked, and no object is too large.
func TestWeeks(t *testing.T) {
	t.Parallel()
	for seed := range uint64(80) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		at := room(MaxBytes / (4 + rnd.IntN(40)))
		repo := func() string {
			s := []string{"q.example", "r.example:5000", "s.q.example"}[rnd.IntN(3)]
			for range rnd.IntN(4) {
				s += "/" + []string{"a", "b", "c"}[rnd.IntN(3)]
			}
			return s
		}
		var present []Object
		for i := range rnd.IntN(6) {
			o := Object{Kind: []Kind{ContentSource, DigestMirrors, TagMirrors}[rnd.IntN(3)], Name: fmt.Sprint("other-", i), Tool: []Tool{"", OcMirror, Oc}[rnd.IntN(3)], Group: Generic}
			if rnd.IntN(3) == 0 {
				o.Kind, o.Name = ContentSource, fmt.Sprintf("satchel-generic-%012x", i)
			}
			for range 1 + rnd.IntN(5) {
				source := repo()
				_, path, _ := strings.Cut(source+"/x", "/")
				o.Rules = append(o.Rules, to(source, []string{"m:5000/ns/" + path, "cache.example/" + path, "old.example/" + path}[rnd.IntN(3)]))
			}
			present = append(present, o)
		}
		wanted := map[string]string{} // repository -> its place
		for week := range 8 {
			before := Applied(present, nil, nil)
			var groups []Group
			for _, name := range []string{Release, Operator, Generic} {
				g, have := Group{Name: name}, map[string]bool{}
				for range rnd.IntN(8) {
					source := repo() + "/img"
					place := "m:5000/ns/" + strings.Replace(source, ":", "-", 1) + fmt.Sprint("/", rnd.IntN(2))
					if !have[source] {
						g.Rules = append(g.Rules, to(source, place))
						have[source], wanted[source+" "+place] = true, place
					}
				}
				groups = append(groups, g)
			}
			g := Grow(present, groups, nil, at)
			if !reflect.DeepEqual(g, Grow(shuffled(rnd, present), groups, nil, at)) {
				t.Fatalf("seed %d, week %d: another order of objects, another result", seed, week)
			}
			present = g.Objects()
			if rnd.IntN(2) == 0 {
				present = g.Left(func(o Other) bool { return o.State == Superfluous })
			}
			after := Applied(present, nil, nil)
			checkWeek(t, fmt.Sprintf("seed %d, week %d", seed, week), before, after, wanted)
			for _, o := range g.Ours {
				size := 0
				for _, r := range o.Rules {
					size += at.Size(r)
				}
				if size > MaxBytes && len(o.Rules) > 1 {
					t.Fatalf("seed %d: %s has %d bytes", seed, o.Name, size)
				}
			}
		}
	}
}

func shuffled(rnd *rand.Rand, list []Object) []Object {
	list = slices.Clone(list)
	rnd.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

func checkWeek(t *testing.T, when string, before, after *Nodes, wanted map[string]string) {
	t.Helper()
	now := pairs(after)
	for pair := range pairs(before) {
		if !now[pair] {
			t.Fatalf("%s: nodes have lost %s", when, pair)
		}
	}
	for key, place := range wanted {
		repository, _, _ := strings.Cut(key, " ")
		list := after.Pull(repository)
		if !slices.Contains(list, place) {
			t.Fatalf("%s: %s is not looked for in %s but in %v", when, repository, place, list)
		}
		for _, m := range before.Pull(repository) {
			if !slices.Contains(list, m) {
				t.Fatalf("%s: %s is no longer looked for in %s but in %v", when, repository, m, list)
			}
		}
	}
}
