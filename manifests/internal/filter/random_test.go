package filter

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/blang/semver/v4"
	"github.com/operator-framework/operator-registry/alpha/declcfg"
)

// randomPackage makes a package that the model takes: channels over shared
// versions, each a chain by replaces, with bundles that are only skipped, skips of
// what is gone, and skipRange.
func randomPackage(rnd *rand.Rand) *declcfg.DeclarativeConfig {
	suffixes := []string{"", "", "", "-rhodf", "-mas", "-opr.1", "+0.1675", "-0.1682321189.p"}
	var all []string
	for i := range 2 + rnd.IntN(14) {
		all = append(all, fmt.Sprintf("%d.%d.%d%s", i/6, i/2%3, i%2, suffixes[rnd.IntN(len(suffixes))]))
	}
	var channels []string
	for c := range 1 + rnd.IntN(4) {
		var list []string
		for _, v := range all {
			if rnd.IntN(3) > 0 {
				list = append(list, v)
			}
		}
		if len(list) == 0 {
			list = all[:1]
		}
		if rnd.IntN(4) == 0 && len(list) > 2 { // updates and versions at odds
			i := 1 + rnd.IntN(len(list)-2)
			list[i], list[i-1] = list[i-1], list[i]
		}
		channels = append(channels, fmt.Sprintf("c%d: %s", c, randomEntries(rnd, list)))
	}
	return made(channels...)
}

func randomEntries(rnd *rand.Rand, list []string) string {
	var out, aside []string
	last := ""
	for i, v := range list {
		if i < len(list)-1 && rnd.IntN(5) == 0 { // skipped by one above
			aside = append(aside, v)
			if rnd.IntN(2) == 0 && last != "" {
				v += ">" + last
			}
			out = append(out, v)
			continue
		}
		e := v
		if last != "" {
			e += ">" + last
		} else if rnd.IntN(2) == 0 {
			e += ">0.0.0-gone"
		}
		if i == len(list)-1 || rnd.IntN(2) == 0 {
			for _, s := range aside {
				e += "," + s
			}
			aside = nil
		}
		if rnd.IntN(6) == 0 {
			e += ",0.0.0-lost"
		}
		if rnd.IntN(3) == 0 {
			e += fmt.Sprintf("~>=%s/<%s", plain(list[rnd.IntN(i+1)]), plain(v))
		}
		last, out = v, append(out, e)
	}
	rnd.Shuffle(len(out), func(i, k int) { out[i], out[k] = out[k], out[i] })
	return strings.Join(out, " ")
}

func plain(v string) string { v, _, _ = strings.Cut(v, "-"); v, _, _ = strings.Cut(v, "+"); return v }

func randomRequest(rnd *rand.Rand, cfg *declcfg.DeclarativeConfig) Request {
	rng := func() Range {
		a, b := cfg.Bundles[rnd.IntN(len(cfg.Bundles))].Name, cfg.Bundles[rnd.IntN(len(cfg.Bundles))].Name
		r := []Range{{a, ""}, {"", b}, {a, a}, {a, b}, {plain(a), ""}, {}}[rnd.IntN(6)]
		if r.Check() != nil {
			r.Min, r.Max = r.Max, r.Min
		}
		return r
	}
	req := Request{Default: cfg.Channels[rnd.IntN(len(cfg.Channels))].Name}
	if rnd.IntN(2) == 0 {
		req.Range, req.Default = rng(), ""
	} else {
		for _, c := range cfg.Channels {
			if c.Name == req.Default || rnd.IntN(2) == 0 {
				req.Channels = append(req.Channels, Channel{c.Name, rng()})
			}
		}
	}
	if rnd.IntN(4) == 0 {
		req.Also = []string{cfg.Bundles[rnd.IntN(len(cfg.Bundles))].Name}
	}
	return req
}

// TestRandom filters made-up packages. A result is valid, is the same again, has
// what was asked of each channel, lets each of these be updated to the newest, and
// has nothing else that could be left out.
func TestRandom(t *testing.T) {
	t.Parallel()
	runs, filtered, connectors := 100, 0, 0
	if os.Getenv("SATCHEL_SOAK") != "" {
		runs = 1000
	}
	for seed := range uint64(runs) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		cfg := randomPackage(rnd)
		if _, err := declcfg.ConvertToModel(*cfg); err != nil {
			t.Fatalf("seed %d: the generator: %v\n%s", seed, err, drawn(cfg))
		}
		for range 10 {
			req := randomRequest(rnd, cfg)
			out, err := Package(cfg, req)
			if err != nil {
				if e, ok := errors.AsType[*Error](err); !ok || e.Field == "" || !strings.Contains(e.Why, "there") && !strings.Contains(e.Why, "default") {
					t.Errorf("seed %d, %+v: %v\n%s", seed, req, err, drawn(cfg))
				}
				continue
			}
			filtered++
			validate(t, &out.Config)
			if again, err := Package(cfg, req); err != nil || drawn(&again.Config) != drawn(&out.Config) {
				t.Errorf("seed %d: another result: %v", seed, err)
			}
			for _, c := range cfg.Channels {
				connectors += checkChannel(t, c, out, req)
			}
			if t.Failed() {
				t.Fatalf("seed %d, %+v\nof   %s\ngot  %s\nnotes %q", seed, req, drawn(cfg), drawn(&out.Config), out.Notes)
			}
		}
	}
	if filtered < 5*runs || connectors < runs/10 {
		t.Errorf("only %d results with %d connectors", filtered, connectors)
	}
}

// checkChannel holds one channel against what was asked of it, by rules of its
// own, and counts the connectors.
func checkChannel(t *testing.T, c declcfg.Channel, out *Result, req Request) int {
	t.Helper()
	want := askedOf(c, req)
	var got []declcfg.ChannelEntry
	for _, k := range out.Config.Channels {
		if k.Name == c.Name {
			got = k.Entries
		}
	}
	if len(want) == 0 || len(got) == 0 {
		if len(want)+len(got) > 0 {
			t.Errorf("channel %s: asked %q, got %v", c.Name, want, got)
		}
		return 0
	}
	kept := map[string]bool{}
	for _, e := range got {
		kept[e.Name] = true
	}
	top := got[heads(got)[0]].Name
	alive := reachable(c.Entries, c.Entries[heads(c.Entries)[0]].Name, nil)
	stay := reachable(c.Entries, top, nil)
	n := 0
	for _, v := range want {
		if alive[v] && !kept[v] || kept[v] && !stay[v] {
			t.Errorf("channel %s: %s is asked, kept %t, with a way to the head %t, to %s %t", c.Name, v, kept[v], alive[v], top, stay[v])
		}
	}
	if noted := slices.ContainsFunc(want, func(v string) bool { return !stay[v] }); noted && !strings.Contains(fmt.Sprint(out.Notes), "left out: no update") {
		t.Errorf("channel %s: it does not report what is left out", c.Name)
	}
	for _, edges := range [][]declcfg.ChannelEntry{c.Entries, got} { // as it was, and as it is now
		below := reachable(edges, top, kept)
		for v := range kept {
			if !below[v] {
				t.Errorf("channel %s: no update from %s to %s", c.Name, v, top)
			}
		}
	}
	for v := range kept {
		if slices.Contains(want, v) {
			continue
		}
		n++
		kept[v] = false
		below := reachable(c.Entries, top, kept)
		if !slices.ContainsFunc(want, func(w string) bool { return kept[w] && !below[w] }) && v != top {
			t.Errorf("channel %s: %s could be left out", c.Name, v)
		}
		kept[v] = true
	}
	if !slices.Contains(want, top) {
		checkJoint(t, c, top, slices.DeleteFunc(slices.Clone(want), func(v string) bool { return !alive[v] }))
	}
	return n
}

// checkJoint wants a head that was not asked for to be the lowest that joins what was,
// and nothing that was asked for to do that.
func checkJoint(t *testing.T, c declcfg.Channel, top string, want []string) {
	t.Helper()
	for _, e := range c.Entries {
		below := reachable(c.Entries, e.Name, nil)
		joins := !slices.ContainsFunc(want, func(v string) bool { return !below[v] })
		v := semver.MustParse(e.Name)
		if joins && (slices.Contains(want, e.Name) || v.LT(semver.MustParse(top))) {
			t.Errorf("channel %s: %s joins %q, and not only %s", c.Name, e.Name, want, top)
		}
	}
}

// askedOf lists the bundles of a channel that a request means.
func askedOf(c declcfg.Channel, req Request) []string {
	rng, asked := req.Range, len(req.Channels) == 0
	for _, k := range req.Channels {
		if k.Name == c.Name {
			rng, asked = k.Range, true
		}
	}
	var want []string
	for i, e := range c.Entries {
		v := semver.MustParse(e.Name)
		in := asked
		switch {
		case !asked:
		case rng == Range{}:
			in = i == heads(c.Entries)[0]
		default:
			for _, b := range []struct {
				text string
				sign int
			}{{rng.Min, -1}, {rng.Max, 1}} {
				if b.text != "" {
					suffixed := b.sign < 0 && plain(e.Name) == b.text
					in = in && (v.Compare(semver.MustParse(b.text)) != b.sign || suffixed)
				}
			}
		}
		if in || slices.Contains(req.Also, e.Name) {
			want = append(want, e.Name)
		}
	}
	return want
}

// reachable gives what can be updated to top in steps within a set.
func reachable(entries []declcfg.ChannelEntry, top string, within map[string]bool) map[string]bool {
	seen := map[string]bool{top: true}
	for grown := true; grown; {
		grown = false
		for _, to := range entries {
			if !seen[to.Name] {
				continue
			}
			for _, from := range entries {
				if !seen[from.Name] && (within == nil || within[from.Name]) && updates(to, from.Name) {
					seen[from.Name], grown = true, true
				}
			}
		}
	}
	return seen
}

func updates(to declcfg.ChannelEntry, from string) bool {
	if to.Replaces == from || slices.Contains(to.Skips, from) {
		return true
	}
	in, err := semver.ParseRange(to.SkipRange)
	v := semver.MustParse(from)
	return err == nil && to.SkipRange != "" && v.LT(semver.MustParse(to.Name)) && in(v)
}
