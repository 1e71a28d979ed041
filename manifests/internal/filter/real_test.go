package filter

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/operator-framework/operator-registry/alpha/declcfg"
	"github.com/operator-framework/operator-registry/alpha/property"
)

const realData = "../../../../shared/data/fbc"

// realPackages reads catalogs as they are published, package by package.
func realPackages(t *testing.T) (list []*declcfg.DeclarativeConfig) {
	t.Helper()
	if _, err := os.Stat(realData); err != nil {
		t.Skipf("the catalogs of other projects are not here: %v", err)
	}
	all := &declcfg.DeclarativeConfig{}
	err := filepath.WalkDir(realData, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.Contains(p, "/templates/") || strings.Contains(p, "v4.12/") || strings.Contains(p, "v4.16/trident") || strings.HasSuffix(p, ".db") {
			return err
		}
		f, err := os.Open(p)
		if err != nil {
			return err
		}
		one, err := declcfg.LoadReader(f)
		if err == nil {
			for i := range one.Packages { // packages are in several catalogs
				one.Packages[i].Description = filepath.Dir(p)
			}
			all.Merge(one)
		}
		return errors.Join(err, f.Close())
	})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, p := range all.Packages {
		if seen[p.Name] {
			continue
		}
		seen[p.Name] = true
		cfg := &declcfg.DeclarativeConfig{Packages: []declcfg.Package{p}}
		there := map[string]bool{}
		for _, c := range all.Channels {
			if c.Package == p.Name && !there["c "+c.Name] {
				there["c "+c.Name] = true
				cfg.Channels = append(cfg.Channels, c)
			}
		}
		for _, b := range all.Bundles {
			if b.Package == p.Name && !there[b.Name] {
				there[b.Name] = true
				b.RelatedImages, b.Objects, b.CsvJSON = nil, nil, ""
				b.Properties = slices.DeleteFunc(b.Properties, func(p property.Property) bool { return p.Type != property.TypePackage })
				cfg.Bundles = append(cfg.Bundles, b)
			}
		}
		if len(cfg.Bundles) == 0 {
			cfg.Bundles = fromNames(cfg)
		}
		list = append(list, cfg)
	}
	return list
}

// fromNames makes the bundles of a catalog of which only the channels are here.
func fromNames(cfg *declcfg.DeclarativeConfig) (list []declcfg.Bundle) {
	there := map[string]bool{}
	for _, c := range cfg.Channels {
		for _, e := range c.Entries {
			if _, v, ok := strings.Cut(e.Name, ".v"); ok && !there[e.Name] {
				there[e.Name] = true
				v = strings.Replace(v, "-0.", "+0.", 1)
				list = append(list, declcfg.Bundle{Schema: declcfg.SchemaBundle, Package: c.Package, Name: e.Name, Image: "example.com/p:1", Properties: []property.Property{property.MustBuildPackage(c.Package, v)}})
			}
		}
	}
	return list
}

// TestRealRanges selects ranges of real packages at random: every version of a range
// from which the catalog's channel leads to its head is in the result, and reaches the
// head there.
func TestRealRanges(t *testing.T) {
	t.Parallel()
	packages := realPackages(t)
	checkThreescale(t, packages)
	runs := 400
	if os.Getenv("SATCHEL_SOAK") != "" {
		runs = 4400
	}
	done, joined := 0, 0
	for seed := range uint64(runs) {
		rnd := rand.New(rand.NewPCG(seed, 14))
		cfg := packages[rnd.IntN(len(packages))]
		if len(cfg.Channels) == 0 {
			continue
		}
		req := realRequest(rnd, cfg)
		out, err := Package(cfg, req)
		if err != nil {
			if fault, ok := errors.AsType[*Error](err); !ok || fault.Field == "" {
				t.Errorf("seed %d: %s, %+v: %v", seed, cfg.Packages[0].Name, req, err)
			}
			continue
		}
		done++
		validate(t, &out.Config)
		for _, c := range cfg.Channels {
			checkReach(t, cfg, c, out, req, fmt.Sprintf("seed %d: %s, %+v", seed, cfg.Packages[0].Name, req))
		}
		if strings.Contains(fmt.Sprint(out.Notes), "is carried too") {
			joined++
		}
	}
	t.Logf("%d of %d selections are results, %d with a version that joins others", done, runs, joined)
	if done < runs/2 || joined == 0 {
		t.Errorf("%d results, %d joined", done, joined)
	}
}

func realRequest(rnd *rand.Rand, cfg *declcfg.DeclarativeConfig) Request {
	c := cfg.Channels[rnd.IntN(len(cfg.Channels))]
	rng := Range{}
	for rng == (Range{}) || rng.Check() != nil {
		var versions []string
		for range 2 {
			name := c.Entries[rnd.IntN(len(c.Entries))].Name
			i := slices.IndexFunc(cfg.Bundles, func(b declcfg.Bundle) bool { return b.Name == name })
			if i < 0 {
				return Request{}
			}
			v, err := versionOf(&cfg.Bundles[i])
			if err != nil {
				return Request{}
			}
			versions = append(versions, v.String())
		}
		rng = Range{versions[0], versions[1]}
		switch rnd.IntN(6) {
		case 0:
			rng.Max = ""
		case 1:
			rng.Min = ""
		}
	}
	if rnd.IntN(2) == 0 {
		return Request{Range: rng, Default: c.Name}
	}
	return Request{Channels: []Channel{{c.Name, rng}}}
}

// checkReach holds a channel of a result against the catalog's.
func checkReach(t *testing.T, cfg *declcfg.DeclarativeConfig, c declcfg.Channel, out *Result, req Request, what string) {
	t.Helper()
	rng := req.Range
	if len(req.Channels) > 0 {
		if rng = req.Channels[0].Range; req.Channels[0].Name != c.Name {
			return
		}
	}
	i := slices.IndexFunc(out.Config.Channels, func(k declcfg.Channel) bool { return k.Name == c.Name })
	if i < 0 || rng == (Range{}) {
		return
	}
	got := out.Config.Channels[i]
	versions := map[string]version{}
	for k := range cfg.Bundles {
		if v, err := versionOf(&cfg.Bundles[k]); err == nil {
			versions[cfg.Bundles[k].Name] = v
		}
	}
	before, err := newGraph(&c, versions)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	after, err := newGraph(&got, versions)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	head, err := before.head()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	b, err := rng.parse()
	if err != nil {
		t.Fatal(err)
	}
	alive, reaches := before.reach(head, before.down, nil), after.reach(heads(got.Entries)[0], after.down, nil)
	exact := slices.ContainsFunc(before.versions, b.exact)
	for k, e := range c.Entries {
		in := b.has(before.versions[k])
		if exact {
			in = b.exact(before.versions[k])
		}
		at := slices.IndexFunc(got.Entries, func(o declcfg.ChannelEntry) bool { return o.Name == e.Name })
		if in && alive[k] && (at < 0 || !reaches[at]) {
			t.Errorf("%s: channel %s: %s is lost", what, c.Name, e.Name)
		}
	}
}

// checkThreescale asks for a range of a published catalog of which a later version joins
// the two ends.
func checkThreescale(t *testing.T, packages []*declcfg.DeclarativeConfig) {
	t.Helper()
	for _, cfg := range packages {
		if cfg.Packages[0].Name != "3scale-operator" {
			continue
		}
		out, err := Package(cfg, Request{Channels: []Channel{{"threescale-2.12", Range{"0.8.2", "0.8.3+0.1646619125.p"}}}})
		if err != nil {
			t.Fatal(err)
		}
		validate(t, &out.Config)
		want := "threescale-2.12: 3scale-operator.v0.8.2>3scale-operator.v0.8.1 3scale-operator.v0.8.3 3scale-operator.v0.8.3-0.1645735250.p 3scale-operator.v0.8.3-0.1646619125.p 3scale-operator.v0.8.3-0.1649688682.p>3scale-operator.v0.8.2,3scale-operator.v0.8.3,3scale-operator.v0.8.3-0.1646742992.p,3scale-operator.v0.8.3-0.1646619125.p,3scale-operator.v0.8.3-0.1645735250.p"
		if got := drawn(&out.Config); got != want || len(out.Notes) != 2 || out.Notes[0] != `channel "threescale-2.12": 3scale-operator.v0.8.3-0.1649688682.p is carried too: it is the lowest version that all in the range can be updated to` {
			t.Errorf("got  %s\nwant %s\n%q", got, want, out.Notes)
		}
		return
	}
	t.Error("the package is not there")
}
