package rules

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func idms(name string, list ...Rule) Object {
	o := icsp(name, list...)
	o.Kind = DigestMirrors
	return o
}

func itms(name string, list ...Rule) Object {
	o := icsp(name, list...)
	o.Kind = TagMirrors
	return o
}

// never has nodes never ask the sources of an object.
func never(o Object) Object {
	for _, r := range o.Rules {
		o.Never = append(o.Never, r.Source)
	}
	return o
}

// kinds lists what [Growth.lines] does not.
func (g *Growth) kinds() (list []string) {
	for _, o := range g.Ours {
		list = append(list, fmt.Sprintf("%s never %v, ordered %d, policies %d", o.String(), o.Never, o.Ordered, o.Policies))
	}
	for _, f := range []struct {
		name string
		list []Forced
	}{{"forced", g.Forced}, {"refused", g.Refused}, {"broken", g.Broken}} {
		for _, one := range f.list {
			list = append(list, fmt.Sprintf("%s %s by %q: %t", f.name, one.Source, one.Object, one.Never))
		}
	}
	for _, r := range g.Internal {
		list = append(list, fmt.Sprintf("internal %s of %s %v", r.Source, r.Object, r.Hidden))
	}
	return list
}

func TestGrowKinds(t *testing.T) {
	t.Parallel()
	wantB := []Group{{Generic, []Rule{to("q.example/b", "m:5000/ns/b")}}}
	set := func(change func(*Room)) Room {
		r := room(1)
		r.Kind = DigestMirrors
		if change != nil {
			change(&r)
		}
		return r
	}
	for name, c := range map[string]struct {
		present       []Object
		digests, tags []Group
		room          Room
		want, kinds   []string
	}{
		"switching": {
			[]Object{icsp("satchel-generic-1", to("q.example/a", "m:5000/ns/a")), icsp("corp", to("q.example/c", "x.example/c"))}, wantB, nil, set(nil),
			[]string{"satchel-generic-1 new 2 0", "  q.example/a m:5000/ns/a", "  q.example/b m:5000/ns/b", "imagecontentsourcepolicy/corp needed q.example/c", "imagecontentsourcepolicy/satchel-generic-1 superfluous "},
			[]string{"imagedigestmirrorset/satchel-generic-1 never [], ordered 0, policies 0"},
		},
		"for tags too": {
			[]Object{itms("tags", to("q.example", "x.example"))}, wantB, wantB, set(nil),
			[]string{"satchel-generic-1 new 1 0", "  q.example/b m:5000/ns/b", "satchel-generic-1 new 1 0", "  q.example/b m:5000/ns/b x.example/b",
				"imagetagmirrorset/tags needed q.example", "repeated q.example/b of q.example[imagetagmirrorset/tags][][] false"},
			[]string{"imagedigestmirrorset/satchel-generic-1 never [], ordered 0, policies 0", "imagetagmirrorset/satchel-generic-1 never [], ordered 0, policies 0"},
		},
		"never": {
			[]Object{idms("satchel-generic-1", to("q.example/b", "m:5000/ns/b")), idms("corp", to("q.example/c", "x.example/c"))},
			[]Group{{Generic, []Rule{to("q.example/b", "m:5000/ns/b"), to("q.example/c", "m:5000/ns/c")}}}, nil, set(func(r *Room) { r.Policy = Never }),
			[]string{"satchel-generic-1 grows 1 0", "  q.example/b m:5000/ns/b", "  q.example/c m:5000/ns/c", "imagedigestmirrorset/corp needed q.example/c",
				"conflict {q.example/c imagedigestmirrorset/corp [m:5000/ns/c x.example/c q.example/c]}"},
			[]string{"imagedigestmirrorset/satchel-generic-1 never [q.example/b], ordered 0, policies 1", `forced q.example/c by "imagedigestmirrorset/corp": false`},
		},
		"never is kept, and lifted when that is asked for": {
			[]Object{never(idms("satchel-generic-1", to("q.example/a", "m:5000/ns/a")))}, wantB, nil, set(nil),
			[]string{"satchel-generic-1 grows 1 0", "  q.example/a m:5000/ns/a", "  q.example/b m:5000/ns/b"},
			[]string{"imagedigestmirrorset/satchel-generic-1 never [q.example/a q.example/b], ordered 0, policies 0"},
		},
		"lifted": {
			[]Object{never(idms("satchel-generic-1", to("q.example/a", "m:5000/ns/a"))), never(itms("satchel-generic-1", to("q.example/a", "m:5000/ns/a")))}, wantB, nil, set(func(r *Room) { r.Policy = Allow }),
			[]string{"satchel-generic-1 grows 1 0", "  q.example/a m:5000/ns/a", "  q.example/b m:5000/ns/b", "satchel-generic-1 grows 0 0", "  q.example/a m:5000/ns/a"},
			[]string{"imagedigestmirrorset/satchel-generic-1 never [], ordered 0, policies 1", "imagetagmirrorset/satchel-generic-1 never [], ordered 0, policies 1"},
		},
		"somebody's policy, for the source, for a wider one, for pulls by tag": {
			[]Object{never(idms("cut", to("q.example/b", "m:5000/ns/b"), to("r.example", "x.example"))), never(itms("cut", to("s.example/a", "x.example/a")))},
			[]Group{{Generic, []Rule{to("q.example/b", "m:5000/ns/b"), to("r.example/a", "m:5000/ns/ra"), to("s.example/a", "m:5000/ns/sa")}}}, nil, set(nil),
			[]string{"satchel-generic-1 new 3 0", "  q.example/b m:5000/ns/b", "  r.example/a m:5000/ns/ra x.example/a", "  s.example/a m:5000/ns/sa",
				"imagedigestmirrorset/cut needed r.example", "imagetagmirrorset/cut needed s.example/a", "repeated r.example/a of r.example[imagedigestmirrorset/cut][x.example/a][] false"},
			[]string{"imagedigestmirrorset/satchel-generic-1 never [q.example/b r.example/a s.example/a], ordered 0, policies 0"},
		},
		"an object whose policy is in ours is not needed": {
			[]Object{never(idms("cut", to("q.example/b", "m:5000/ns/b"))), never(idms("satchel-generic-1", to("q.example/b", "m:5000/ns/b")))}, wantB, nil, set(nil),
			[]string{"satchel-generic-1 same 0 0", "  q.example/b m:5000/ns/b", "imagedigestmirrorset/cut superfluous "},
			[]string{"imagedigestmirrorset/satchel-generic-1 never [q.example/b], ordered 0, policies 0"},
		},
		"a source among its own mirrors": {
			[]Object{idms("satchel-generic-1", to("q.example/b", "m:5000/ns/b", "q.example/b", "x.example/b"))}, wantB, nil, set(func(r *Room) { r.Policy = Never }),
			[]string{"satchel-generic-1 same 0 0", "  q.example/b m:5000/ns/b q.example/b x.example/b"},
			[]string{"imagedigestmirrorset/satchel-generic-1 never [], ordered 0, policies 0", `forced q.example/b by "": false`},
		},
		"an ImageContentSourcePolicy cannot have the policy": {
			[]Object{never(idms("cut", to("q.example/b", "m:5000/ns/b"), to("q.example/c", "x.example/c")))},
			[]Group{{Generic, []Rule{to("q.example/b", "m:5000/ns/b"), to("q.example/c", "m:5000/ns/c")}}}, nil, room(1),
			[]string{"imagedigestmirrorset/cut needed q.example/b"}, []string{`refused q.example/c by "imagedigestmirrorset/cut": true`},
		},
		"the cluster's own contradict each other": {
			[]Object{never(idms("cut", to("q.example/b", "x.example/b"))), icsp("corp", to("q.example/b", "x.example/b"))}, nil, nil, set(nil),
			[]string{"imagecontentsourcepolicy/corp needed q.example/b", "imagedigestmirrorset/cut needed q.example/b"}, []string{`broken q.example/b by "imagecontentsourcepolicy/corp": true`},
		},
		"the internal release registry": {
			[]Object{
				{Kind: DigestMirrors, Name: "image-digest-mirror", Tool: Installer, Rules: []Rule{to("q.example", "api-int.c:22625", "cache.example"), to("r.example/p", "api-int.c:22625/p")}},
				idms("satchel-release-1", to("r.example/p", "m:5000/ns/p")),
			},
			[]Group{{Release, []Rule{to("q.example/p", "m:5000/ns/q"), to("r.example/p", "m:5000/ns/p")}}}, nil, set(nil),
			[]string{"satchel-release-1 grows 1 1", "  q.example/p api-int.c:22625/p m:5000/ns/q cache.example/p", "  r.example/p api-int.c:22625/p m:5000/ns/p", "imagedigestmirrorset/image-digest-mirror internal ",
				"repeated q.example/p of q.example[imagedigestmirrorset/image-digest-mirror][cache.example/p][] false"},
			[]string{"imagedigestmirrorset/satchel-release-1 never [], ordered 0, policies 0", "internal q.example of imagedigestmirrorset/image-digest-mirror [q.example/p]", "internal r.example/p of imagedigestmirrorset/image-digest-mirror [r.example/p]"},
		},
		"another order of places": {
			[]Object{icsp("satchel-generic-1", to("q.example/a", "m:5000/ns/a", "x.example/a"), to("q.example/b", "m:5000/ns/b", "x.example/b"))},
			[]Group{{Generic, []Rule{to("q.example/b", "lb/ns/b", "m:5000/ns/b")}}}, nil, set(func(r *Room) { r.Kind, r.Places = ContentSource, []string{"lb/ns", "m:5000/ns"} }),
			[]string{"satchel-generic-1 grows 0 1", "  q.example/a m:5000/ns/a x.example/a", "  q.example/b lb/ns/b m:5000/ns/b x.example/b"},
			[]string{"imagecontentsourcepolicy/satchel-generic-1 never [], ordered 0, policies 0"},
		},
		"only another order of places": {
			[]Object{icsp("satchel-generic-1", to("q.example/b", "m:5000/ns/b", "x.example/b", "lb/ns/b"))}, nil, nil, set(func(r *Room) { r.Kind, r.Places = ContentSource, []string{"lb/ns", "m:5000/ns"} }),
			[]string{"satchel-generic-1 grows 0 0", "  q.example/b lb/ns/b x.example/b m:5000/ns/b"},
			[]string{"imagecontentsourcepolicy/satchel-generic-1 never [], ordered 1, policies 0"},
		},
		"closed sources stay as they are": {
			[]Object{icsp("satchel-generic-1", to("q.example/a", "m:5000/ns/old")), icsp("corp", to("q.example", "x.example"))},
			[]Group{{Generic, []Rule{to("q.example/a", "m:5000/ns/a"), to("q.example/b", "m:5000/ns/b")}}}, nil, set(func(r *Room) {
				r.Policy, r.Closed = Never, map[string]bool{"q.example/a": true, "q.example/b": true}
			}),
			[]string{"satchel-generic-1 new 1 0", "  q.example/a m:5000/ns/old", "imagecontentsourcepolicy/corp needed q.example", "imagecontentsourcepolicy/satchel-generic-1 superfluous "},
			[]string{"imagedigestmirrorset/satchel-generic-1 never [], ordered 0, policies 0"},
		},
	} {
		got := Grow(c.present, c.digests, c.tags, c.room)
		if lines := got.lines(); !slices.Equal(lines, c.want) {
			t.Errorf("%s:\ngot\n%s\nwant\n%s", name, strings.Join(lines, "\n"), strings.Join(c.want, "\n"))
		}
		if lines := got.kinds(); !slices.Equal(lines, c.kinds) {
			t.Errorf("%s:\ngot\n%s\nwant\n%s", name, strings.Join(lines, "\n"), strings.Join(c.kinds, "\n"))
		}
	}
}

// TestDrains follows the machine config operator: what is for pulls by digest may come, nothing may go.
func TestDrains(t *testing.T) {
	t.Parallel()
	a, ab := to("q.example/a", "m/a"), to("q.example/a", "m/a", "n/a")
	for name, c := range map[string]struct {
		before, after []Object
		insecure      []string // after
		blocked       []string // before and after
		want          string
	}{
		"a source and a mirror come":       {[]Object{icsp("x", a)}, []Object{icsp("x", ab, to("q.example/b", "m/b"))}, nil, nil, ""},
		"another order":                    {[]Object{icsp("x", ab)}, []Object{icsp("x", to("q.example/a", "n/a", "m/a"))}, nil, nil, ""},
		"another kind":                     {[]Object{icsp("x", a)}, []Object{idms("x", a)}, nil, nil, ""},
		"one of two objects goes":          {[]Object{icsp("x", a), idms("x", a)}, []Object{idms("x", a)}, nil, nil, ""},
		"a source goes":                    {[]Object{icsp("x", a)}, nil, nil, nil, "q.example/a: its rule goes"},
		"a mirror goes":                    {[]Object{icsp("x", ab)}, []Object{icsp("x", a)}, nil, nil, "q.example/a: it loses a mirror"},
		"never":                            {[]Object{idms("x", a)}, []Object{never(idms("x", a))}, nil, nil, "q.example/a: nodes may no longer ask it itself"},
		"and back":                         {[]Object{never(idms("x", a))}, []Object{idms("x", a)}, nil, nil, "q.example/a: nodes may ask it itself again"},
		"never, for a new source":          {nil, []Object{never(idms("x", a))}, nil, nil, ""},
		"a source for tags":                {nil, []Object{itms("x", a)}, nil, nil, "q.example/a: it gets mirrors for pulls by tag"},
		"mirrors for tags":                 {[]Object{idms("x", a)}, []Object{idms("x", a), itms("x", a)}, nil, nil, "q.example/a: it gets mirrors for pulls by tag"},
		"mirrors for tags go":              {[]Object{idms("x", a), itms("x", a)}, []Object{idms("x", a)}, nil, nil, "q.example/a: it loses a mirror"},
		"both, and one more for digests":   {[]Object{idms("x", a), itms("x", a)}, []Object{idms("x", ab), itms("x", a)}, nil, nil, "q.example/a: it has mirrors for pulls by tag, and changes"},
		"only for tags, and another order": {[]Object{itms("x", ab)}, []Object{itms("x", to("q.example/a", "n/a", "m/a"))}, nil, nil, ""},
		"without TLS":                      {[]Object{idms("x", a)}, []Object{idms("x", a)}, []string{"q.example"}, nil, "q.example: it is blocked, or used without TLS, from now on; q.example/a: whether TLS is needed changes"},
		"blocked before":                   {[]Object{idms("x", a)}, []Object{idms("x", ab)}, nil, []string{"q.example"}, ""},
		"nothing":                          {[]Object{idms("x", a), itms("x", a)}, []Object{itms("y", a), icsp("z", a)}, nil, nil, ""},
	} {
		var got []string
		for _, d := range Applied(c.after, c.insecure, c.blocked).Drains(Applied(c.before, nil, c.blocked)) {
			got = append(got, d.Source+": "+d.Why)
		}
		if s := strings.Join(got, "; "); s != c.want {
			t.Errorf("%s: %q, want %q", name, s, c.want)
		}
	}
}

// TestSwitchingWeeks goes over from one kind to another and back on random clusters: what nodes have
// only grows, no drain but for tags and policies, and no two objects contradict each other.
func TestSwitchingWeeks(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 11))
		pick := func() Rule {
			path := fmt.Sprintf("%s/%d", []string{"a", "b"}[rnd.IntN(2)], rnd.IntN(3))
			return to("q.example/"+path, []string{"m:5000/ns/", "n/ns/"}[rnd.IntN(2)]+path)
		}
		var present []Object
		for i := range rnd.IntN(3) {
			o := Object{Kind: []Kind{ContentSource, DigestMirrors, TagMirrors}[rnd.IntN(3)], Name: fmt.Sprint("o-", i), Group: Generic, Rules: []Rule{pick()}}
			if rnd.IntN(2) == 0 {
				o.Rules[0] = to("q.example/a", "c.example/a")
			}
			present = append(present, o)
		}
		for week := range 6 {
			r := room(MaxBytes / 5)
			r.Kind, r.Places = []Kind{ContentSource, DigestMirrors}[rnd.IntN(2)], []string{"n/ns", "m:5000/ns"}
			if r.Kind == DigestMirrors {
				r.Policy = []Policy{Keep, Allow, Never}[rnd.IntN(3)]
			}
			g := Grow(present, []Group{{Generic, []Rule{pick()}}}, []Group{{Generic, []Rule{pick()}}}, r)
			when := fmt.Sprintf("seed %d, week %d, %s %s", seed, week, r.Kind, r.Policy)
			if len(g.Refused) > 0 {
				continue
			}
			before, after := Applied(present, nil, nil), Applied(g.Objects(), nil, nil)
			left := Applied(g.Left(func(o Other) bool { return o.State == Superfluous }), nil, nil)
			for _, d := range left.Drains(after) {
				if d.Why != "it has mirrors for pulls by tag, and changes" { // the order of its mirrors
					t.Fatalf("%s: deleting drains: %v", when, d)
				}
			}
			for _, d := range after.Drains(before) {
				if !strings.Contains(d.Why, "tag") && !strings.Contains(d.Why, "itself") {
					t.Fatalf("%s: %v", when, d)
				}
			}
			checkWeek(t, when, before, left, nil)
			if rnd.IntN(2) == 0 {
				present = g.Left(func(o Other) bool { return o.State == Superfluous })
			} else {
				present = g.Objects()
			}
			if again := Grow(present, nil, nil, Room{Kind: ContentSource, Size: func(Rule) int { return 1 }}); len(again.Broken) > 0 {
				t.Fatalf("%s: nodes take no change: %v", when, again.Broken)
			}
		}
	}
}
