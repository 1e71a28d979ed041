package filter

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/operator-framework/operator-registry/alpha/declcfg"
	"github.com/operator-framework/operator-registry/alpha/property"
)

// made makes a package "p" of channels, each "NAME: ENTRY ENTRY ...", an entry
// being VERSION[>REPLACES][,SKIPS...][~SKIPRANGE with / for a space]. Its default
// channel is the first.
func made(channels ...string) *declcfg.DeclarativeConfig {
	cfg := &declcfg.DeclarativeConfig{}
	seen := map[string]bool{}
	for _, c := range channels {
		name, entries, _ := strings.Cut(c, ":")
		ch := declcfg.Channel{Schema: declcfg.SchemaChannel, Package: "p", Name: name}
		for _, e := range strings.Fields(entries) {
			e, skipRange, _ := strings.Cut(e, "~")
			list := strings.Split(e, ",")
			v, old, _ := strings.Cut(list[0], ">")
			ch.Entries = append(ch.Entries, declcfg.ChannelEntry{Name: v, Replaces: old, Skips: list[1:], SkipRange: strings.ReplaceAll(skipRange, "/", " ")})
			if !seen[v] {
				seen[v] = true
				cfg.Bundles = append(cfg.Bundles, bundleOf(v))
			}
		}
		cfg.Channels = append(cfg.Channels, ch)
	}
	first, _, _ := strings.Cut(channels[0], ":")
	cfg.Packages = []declcfg.Package{{Schema: declcfg.SchemaPackage, Name: "p", DefaultChannel: first}}
	return cfg
}

// bundleOf is one whose name is its version, or its version and release parted by
// a colon.
func bundleOf(name string) declcfg.Bundle {
	prop := property.MustBuildPackage("p", name)
	if v, release, ok := strings.Cut(strings.TrimPrefix(name, "p-v"), "_"); ok {
		prop = property.MustBuildPackageRelease("p", v, release)
		name = "p-v" + v + "-" + release
	}
	return declcfg.Bundle{Schema: declcfg.SchemaBundle, Package: "p", Name: name, Image: "example.com/p:1", Properties: []property.Property{prop, {Type: "olm.deprecated", Value: []byte(`{ }`)}}}
}

// drawn writes channels as made reads them.
func drawn(cfg *declcfg.DeclarativeConfig) string {
	var out []string
	for _, c := range cfg.Channels {
		line := c.Name + ":"
		for _, e := range c.Entries {
			line += " " + e.Name
			if e.Replaces != "" {
				line += ">" + e.Replaces
			}
			for _, s := range e.Skips {
				line += "," + s
			}
		}
		out = append(out, line)
	}
	return strings.Join(out, "; ")
}

func TestPackage(t *testing.T) {
	t.Parallel()
	chain := []string{"a: 1.0.0 1.1.0>1.0.0 1.2.0>1.1.0 2.0.0>1.2.0", "b: 1.1.0 1.2.0>1.1.0", "c: 2.0.0 3.0.0>2.0.0"}
	named := func(name, low, high string) Request {
		return Request{Channels: []Channel{{name, Range{low, high}}}}
	}
	whole := func(low, high string) Request { return Request{Range: Range{low, high}} }
	suffix := []string{"a: 0.1.0 0.2.0-mas>0.1.0 1.0.0-rhodf>0.2.0-mas"}
	builds := []string{"a: 4.8.3+0.9 4.8.3+0.1675>4.8.3+0.9 4.8.4>4.8.3+0.1675"}
	tests := []struct {
		name     string
		channels []string
		req      Request
		want     string // as drawn, or the error
	}{
		{"heads", chain, Request{}, "a: 2.0.0>1.2.0; b: 1.2.0>1.1.0; c: 3.0.0>2.0.0"},
		{"full", chain, Request{Full: true}, "a: 1.0.0 1.1.0>1.0.0 1.2.0>1.1.0 2.0.0>1.2.0; b: 1.1.0 1.2.0>1.1.0; c: 2.0.0 3.0.0>2.0.0"},
		{"a full channel", chain, Request{Full: true, Channels: []Channel{{Name: "c"}}}, "c: 2.0.0 3.0.0>2.0.0"},
		{"a channel", chain, named("b", "", ""), "b: 1.2.0>1.1.0"},
		{"a range", chain, named("a", "1.1.0", "1.2.0"), "a: 1.1.0>1.0.0 1.2.0>1.1.0"},
		{"from", chain, named("a", "1.2.0", ""), "a: 1.2.0>1.1.0 2.0.0>1.2.0"},
		{"up to", chain, named("a", "", "1.1.0"), "a: 1.0.0 1.1.0>1.0.0"},
		{"of the package", chain, whole("1.2.0", "2.0.0"), "a: 1.2.0>1.1.0 2.0.0>1.2.0; b: 1.2.0>1.1.0; c: 2.0.0"},
		// one version of a package with several channels leaves no channel empty
		{"one version", chain, whole("1.1.0", "1.1.0"), "a: 1.1.0>1.0.0; b: 1.1.0"},
		{"one version elsewhere", chain, whole("3.0.0", "3.0.0"), `name: the default channel of the catalog is "a", which is left out: set defaultChannel to one of c`},
		{"one version elsewhere, default named", chain, Request{Range: Range{"3.0.0", "3.0.0"}, Default: "c"}, "c: 3.0.0>2.0.0"},
		{"one version of a named channel", chain, named("c", "3.0.0", "3.0.0"), "c: 3.0.0>2.0.0"},
		{"default left out", chain, Request{Channels: []Channel{{Name: "b"}, {Name: "c"}}}, `name: the default channel of the catalog is "a", which is left out: set defaultChannel to one of b, c`},
		{"default named", chain, Request{Channels: []Channel{{Name: "b"}, {Name: "c"}}, Default: "c"}, "b: 1.2.0>1.1.0; c: 3.0.0>2.0.0"},
		{"default not left", chain, Request{Channels: []Channel{{Name: "b"}}, Default: "a"}, `defaultChannel: the default channel "a" is not among the channels that are left: name one of b`},
		{"no such channel", chain, named("d", "", ""), `channels[0].name: there is no channel "d"; there are a, b, c`},
		{"nothing between", chain, named("a", "1.3.0", "1.9.0"), `channels[0].minVersion: channel "a": no version is in the range >=1.3.0 <=1.9.0; the nearest that are there are 1.2.0 and 2.0.0`},
		{"nothing above", chain, named("a", "4.0.0", ""), `channels[0].minVersion: channel "a": no version is in the range >=4.0.0; the highest that is there is 2.0.0`},
		{"nothing below", chain, named("a", "", "0.9.0"), `channels[0].maxVersion: channel "a": no version is in the range <=0.9.0; the lowest that is there is 1.0.0`},
		{"nothing anywhere", chain, whole("9.0.0", ""), `minVersion: no version of any channel is in the range >=9.0.0; the highest that is there is 3.0.0`},
		{"upside down", chain, named("a", "2.0.0", "1.0.0"), `channels[0].minVersion: channel "a": minVersion 2.0.0 is higher than maxVersion 1.0.0`},
		// versions that look like prereleases are in the ranges that people mean
		{"suffixes", suffix, whole("0.2.0-mas", ""), "a: 0.2.0-mas>0.1.0 1.0.0-rhodf>0.2.0-mas"},
		{"suffix above a plain bound", suffix, named("a", "0.2.0", ""), "a: 0.2.0-mas>0.1.0 1.0.0-rhodf>0.2.0-mas"},
		{"suffix as bound", suffix, named("a", "", "0.2.0-mas"), "a: 0.1.0 0.2.0-mas>0.1.0"},
		{"one suffix", suffix, named("a", "1.0.0-rhodf", "1.0.0-rhodf"), "a: 1.0.0-rhodf>0.2.0-mas"},
		{"suffix of the bound itself", suffix, named("a", "1.0.0", ""), "a: 1.0.0-rhodf>0.2.0-mas"},
		{"one version by its plain name", suffix, named("a", "1.0.0", "1.0.0"), "a: 1.0.0-rhodf>0.2.0-mas"},
		{"the plain one of two", []string{"a: 1.0.0 1.0.0-mas>1.0.0 2.0.0>1.0.0-mas"}, whole("1.0.0", "1.0.0"), "a: 1.0.0"},
		{"rebuilt", []string{"a: 1.0.0 1.0.0-0.1682321189.p>1.0.0 2.0.0>1.0.0-0.1682321189.p"}, whole("1.0.0", "1.9.0"), "a: 1.0.0 1.0.0-0.1682321189.p>1.0.0"},
		{"before the release", []string{"a: 1.0.0-rc.1 1.0.0>1.0.0-rc.1 2.0.0>1.0.0"}, whole("1.0.0", ""), "a: 1.0.0>1.0.0-rc.1 2.0.0>1.0.0"},
		{"builds", builds, whole("4.8.3", "4.8.3"), "a: 4.8.3+0.9 4.8.3+0.1675>4.8.3+0.9"},
		{"one build", builds, whole("4.8.3+0.9", "4.8.3+0.9"), "a: 4.8.3+0.9"},
		{"from a build", builds, whole("4.8.3+0.10", ""), "a: 4.8.3+0.1675>4.8.3+0.9 4.8.4>4.8.3+0.1675"},
		// connectors
		{"skipped in range", []string{"a: 1.0.0 1.0.1 1.1.0>1.0.0,1.0.1 1.2.0>1.1.0"}, whole("1.0.1", ""), "a: 1.0.1 1.1.0>1.0.0,1.0.1 1.2.0>1.1.0"},
		{"by skipRange", []string{"a: 1.0.0 1.5.0>1.0.0 2.0.0>1.5.0~>=1.0.0/<2.0.0"}, Request{Channels: []Channel{{Name: "a"}}, Also: []string{"1.0.0"}}, "a: 1.0.0 2.0.0>1.0.0"},
		{"several by skipRange", []string{"a: 1.0.0 1.1.0>1.0.0 1.5.0>1.1.0~<1.5.0 2.0.0>1.5.0~<2.0.0"}, Request{Channels: []Channel{{Name: "a"}}, Also: []string{"1.0.0", "1.1.0"}}, "a: 1.0.0 1.1.0>1.0.0 2.0.0>1.1.0"},
		{"apart by skipRange", []string{"a: 1.0.0 1.0.5>1.0.0 1.1.0>1.0.5 2.0.0>1.1.0~<2.0.0"}, Request{Channels: []Channel{{Name: "a"}}, Also: []string{"1.0.0", "1.1.0"}}, "a: 1.0.0 1.1.0>1.0.5 2.0.0>1.1.0,1.0.0"},
		{"a connector", []string{"a: 1.0.0 1.5.0>1.0.0 2.0.0>1.5.0"}, Request{Channels: []Channel{{Name: "a"}}, Also: []string{"1.0.0"}}, "a: 1.0.0 1.5.0>1.0.0 2.0.0>1.5.0"},
		{"one connector of two", []string{"a: 1.0.0 1.5.0>1.0.0 1.6.0>1.5.0 2.0.0>1.6.0,1.5.0"}, Request{Channels: []Channel{{Name: "a"}}, Also: []string{"1.0.0"}}, "a: 1.0.0 1.5.0>1.0.0,1.0.0 2.0.0>1.6.0,1.5.0"},
		{"out of order", []string{"a: 1.0.0 9.0.0>1.0.0 2.0.0>9.0.0"}, whole("", "2.0.0"), "a: 1.0.0 9.0.0>1.0.0 2.0.0>9.0.0"},
		{"no way up", []string{"a: 1.0.0 1.1.0>1.0.0 1.1.5 2.0.0>1.1.0"}, whole("", "1.1.5"), "a: 1.0.0 1.1.0>1.0.0"},
		// versions that only one outside the range joins
		{"joined outside", []string{"a: 1.0.0 1.1.0>1.0.0 1.1.5 2.0.0>1.1.0,1.1.5 2.1.0>2.0.0"}, whole("1.0.0", "1.1.5"), "a: 1.0.0 1.1.0>1.0.0 1.1.5 2.0.0>1.1.0,1.1.5"},
		{"joined below", []string{"a: 1.0.0 1.1.0>1.0.0 0.9.0 1.2.0>1.1.0,0.9.0 2.0.0>1.2.0"}, Request{Channels: []Channel{{Name: "a"}}, Also: []string{"1.1.0", "0.9.0"}}, "a: 1.1.0>1.0.0 0.9.0 1.2.0>1.1.0,0.9.0 2.0.0>1.2.0"},
		{"joined by a skipRange", []string{"a: 1.0.0 1.0.5 1.1.0>1.0.0,1.0.5 1.2.0>1.1.0~<1.2.0 2.0.0>1.2.0"}, whole("1.0.0", "1.0.5"), "a: 1.0.0 1.0.5 1.1.0>1.0.0,1.0.5"},
		{"joined only at the head", []string{"a: 1.0.0 1.0.1 1.5.0>1.0.0 1.6.0,1.0.1 2.0.0>1.5.0,1.6.0"}, whole("1.0.0", "1.0.1"), "a: 1.0.0 1.0.1 1.5.0>1.0.0 1.6.0,1.0.1 2.0.0>1.5.0,1.6.0"},
		// what newer and older operator-registry disagree on
		{"replaced and skipped", []string{"a: 1.0.0 1.1.0>1.0.0 1.1.4>1.1.0,1.1.0"}, Request{Full: true}, "a: 1.0.0 1.1.0>1.0.0,1.0.0 1.1.4>1.1.0,1.1.0"},
		{"two heads, full", []string{"a: 1.0.0 1.1.0>1.0.0 2.0.0"}, Request{Full: true}, "a: 2.0.0"},
		{"a circle behind a skip", []string{"a: 1.0.0>1.1.0 1.1.0>1.0.0 2.0.0>1.1.0,1.1.0,1.0.0"}, Request{Full: true}, "a: 1.0.0>1.1.0 1.1.0>1.0.0 2.0.0,1.1.0,1.0.0"},
		{"skips of nothing", []string{"a: 1.0.0 2.0.0>1.0.0,"}, Request{Full: true}, "a: 1.0.0 2.0.0>1.0.0"},
		{"itself, full", []string{"a: 1.0.0>1.0.0 2.0.0>1.0.0,2.0.0"}, Request{Full: true}, "a: 1.0.0 2.0.0>1.0.0"},
		{"itself", []string{"a: 1.0.0>1.0.0 2.0.0>1.0.0,2.0.0"}, Request{}, "a: 2.0.0>1.0.0"},
		// what is wrong with the catalog
		{"heads of one", []string{"a: 1.0.0 2.0.0"}, Request{}, "a: 2.0.0"},
		{"a circle", []string{"a: 1.0.0>2.0.0 2.0.0>1.0.0"}, whole("1.0.0", ""), `: channel "a": its updates go in a circle around 1.0.0, so that no part of it can be cut out; only the whole catalog can be carried`},
		{"only others", chain, Request{Only: true, Also: []string{"3.0.0"}}, "c: 3.0.0>2.0.0"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			cfg, again := made(tc.channels...), made(tc.channels...)
			out, err := Package(cfg, tc.req)
			got := ""
			if err != nil {
				e, _ := errors.AsType[*Error](err)
				got = e.Field + ": " + err.Error()
			} else {
				got = drawn(&out.Config)
			}
			if got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if !reflect.DeepEqual(cfg, again) {
				t.Error("the input was changed")
			}
			if err == nil {
				validate(t, &out.Config)
			}
		})
	}
}

func validate(t *testing.T, cfg *declcfg.DeclarativeConfig) {
	t.Helper()
	for _, c := range cfg.Channels {
		if cur, _ := circle(c.Entries, indexes(c.Entries), heads(c.Entries)[0]); cur >= 0 {
			t.Errorf("opm 1.26 refuses it: a circle\n%s", drawn(cfg))
		}
	}
	if _, err := declcfg.ConvertToModel(*cfg); err != nil {
		t.Errorf("the model refuses it: %v\n%s", err, drawn(cfg))
	}
}

// TestManyUpdates has a channel of more updates than are looked at: whole, it is carried.
func TestManyUpdates(t *testing.T) {
	t.Parallel()
	list := []string{"a: 1.0.0"}
	for i := 1; i < 3000; i++ {
		list = append(list, fmt.Sprintf("1.%d.0>1.%d.0~<1.%d.0", i, i-1, i))
	}
	cfg := made(strings.Join(list, " "))
	if out, err := Package(cfg, Request{Full: true}); err != nil || len(out.Bundles) != 3000 {
		t.Error(err)
	}
	if _, err := Package(cfg, Request{}); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Error(err)
	}
}

// TestReleases has builds of one version that only their release distinguishes.
func TestReleases(t *testing.T) {
	t.Parallel()
	cfg := made("a: 1.0.0")
	cfg.Bundles = []declcfg.Bundle{bundleOf("1.0.0_2"), bundleOf("1.0.0_10"), bundleOf("1.1.0_1")}
	cfg.Channels[0].Entries = []declcfg.ChannelEntry{{Name: "p-v1.0.0-2"}, {Name: "p-v1.0.0-10", Replaces: "p-v1.0.0-2"}, {Name: "p-v1.1.0-1", Replaces: "p-v1.0.0-10"}}
	for _, tc := range []struct{ low, high, want string }{
		{"1.0.0", "1.0.0", "p-v1.0.0-10 p-v1.0.0-2"},
		{"1.0.0-3", "1.0.0", "p-v1.0.0-10"},
		{"1.0.0-2", "1.0.0-2", "p-v1.0.0-2"},
		{"", "1.0.0-9", "p-v1.0.0-2"},
		{"1.1.0", "", "p-v1.1.0-1"},
	} {
		req := Request{Channels: []Channel{{"a", Range{tc.low, tc.high}}}}
		if req.Channels[0].Check() != nil {
			req.Channels[0].Max = ""
			continue
		}
		out, err := Package(cfg, req)
		if err != nil || strings.Join(out.Bundles, " ") != tc.want {
			t.Errorf("%+v: got %+v, %v", tc, out, err)
		}
	}
}

func TestRest(t *testing.T) {
	t.Parallel()
	cfg := made("a: 1.0.0 1.1.0>1.0.0", "b: 2.0.0")
	ref := func(schema, name string) declcfg.DeprecationEntry {
		return declcfg.DeprecationEntry{Reference: declcfg.PackageScopedReference{Schema: schema, Name: name}, Message: "old"}
	}
	cfg.Deprecations = []declcfg.Deprecation{{Schema: declcfg.SchemaDeprecation, Package: "p", Entries: []declcfg.DeprecationEntry{
		ref("olm.package", ""), ref("olm.channel", "a"), ref("olm.channel", "b"), ref("olm.bundle", "1.0.0"), ref("olm.bundle", "2.0.0")}}}
	cfg.Others = []declcfg.Meta{{Schema: "custom", Package: "p", Blob: []byte(`{"schema":"custom","package":"p"}`)}}
	out, err := Package(cfg, Request{Channels: []Channel{{Name: "b"}}})
	if err != nil {
		t.Fatal(err)
	}
	validate(t, &out.Config)
	var left []string
	for _, e := range out.Config.Deprecations[0].Entries {
		left = append(left, e.Reference.Schema+" "+e.Reference.Name)
	}
	if got := strings.Join(left, ", "); got != "olm.package , olm.channel b, olm.bundle 2.0.0" {
		t.Errorf("deprecations: %s", got)
	}
	if !reflect.DeepEqual(out.Config.Others, cfg.Others) || !reflect.DeepEqual(out.Config.Bundles, cfg.Bundles[2:]) || !slices.Equal(out.Bundles, []string{"2.0.0"}) {
		t.Errorf("got %+v", out)
	}
	if want := []string{`the default channel of the catalog is "a", which is left out; "b" becomes the default channel`}; !slices.Equal(out.Notes, want) || out.Config.Packages[0].DefaultChannel != "b" {
		t.Errorf("notes %q, %+v", out.Notes, out.Config.Packages)
	}
	cfg.Deprecations[0].Entries = cfg.Deprecations[0].Entries[3:4]
	if out, err = Package(cfg, Request{Channels: []Channel{{Name: "b"}}}); err != nil || len(out.Config.Deprecations) != 0 {
		t.Errorf("an empty deprecation is left: %+v, %v", out, err)
	}
	if len(cfg.Deprecations[0].Entries) != 1 || cfg.Packages[0].DefaultChannel != "a" {
		t.Error("the input was changed")
	}
	cfg.Deprecations[0].Entries = []declcfg.DeprecationEntry{ref("olm.bundle", "none"), ref("olm.package", "p"), ref("x", ""), ref("olm.channel", "a"), ref("olm.channel", "a")}
	cfg.Deprecations = append(cfg.Deprecations, declcfg.Deprecation{Schema: declcfg.SchemaDeprecation, Package: "p", Entries: []declcfg.DeprecationEntry{ref("olm.package", ""), {Reference: declcfg.PackageScopedReference{Schema: "olm.bundle", Name: "1.0.0"}}}})
	out, err = Package(cfg, Request{Full: true})
	if err != nil || len(out.Config.Deprecations) != 1 || len(out.Config.Deprecations[0].Entries) != 2 || len(out.Notes) != 1 || !strings.HasSuffix(out.Notes[0], "left out: olm.bundle none, olm.package p, x, olm.channel a, olm.bundle 1.0.0") {
		t.Errorf("got %+v, %v", out, err)
	}
	validate(t, &out.Config)
}

// TestFaults leaves bundles out that operator-registry refuses, and carries the rest.
func TestFaults(t *testing.T) {
	t.Parallel()
	of := func(edit func(*declcfg.Bundle)) *declcfg.DeclarativeConfig {
		cfg := made("a: 1.0.0 1.1.0>1.0.0,1.0.5 1.0.5 1.2.0>1.1.0~<1.2.0")
		for i := range cfg.Bundles {
			if cfg.Bundles[i].Name == "1.1.0" {
				edit(&cfg.Bundles[i])
			}
		}
		return cfg
	}
	tests := []struct {
		name string
		edit func(*declcfg.Bundle)
		req  Request
		want string // as drawn, and the fault
	}{
		{"no version", func(b *declcfg.Bundle) { b.Properties = nil }, Request{Full: true}, "a: 1.0.0 1.0.5 1.2.0>1.0.5,1.0.0; 1.1.0: bundle \"1.1.0\" must have exactly 1 \"olm.package\" property, found 0"},
		{"no version, not asked", func(b *declcfg.Bundle) { b.Properties = nil }, Request{}, "a: 1.2.0>1.1.0"},
		{"another package", func(b *declcfg.Bundle) { b.Properties[0] = property.MustBuildPackage("q", "1.1.0") }, Request{Range: Range{"1.0.5", ""}}, "a: 1.0.5 1.2.0>1.0.5; 1.1.0: operator-registry refuses it: package \"p\" does not match"},
		{"another package, not asked", func(b *declcfg.Bundle) { b.Properties[0] = property.MustBuildPackage("q", "1.1.0") }, Request{Range: Range{"1.2.0", ""}}, "a: 1.2.0>1.1.0"},
		{"a version twice", func(b *declcfg.Bundle) { b.Properties[0] = property.MustBuildPackage("p", "1.2.0") }, Request{Full: true}, "a: 1.0.0 1.0.5 1.2.0>1.0.5,1.0.0; 1.1.0: bundle \"1.2.0\" has the same version"},
		{"an odd image", func(b *declcfg.Bundle) { b.Image = "Not An Image" }, Request{Range: Range{"1.1.0", "1.1.0"}}, "error: bundle \"1.1.0\": operator-registry refuses it: package \"p\" bundle \"1.1.0\" image: invalid"},
	}
	for _, tc := range tests {
		got := ""
		out, err := Package(of(tc.edit), tc.req)
		if err != nil {
			got = "error: " + err.Error()
		} else {
			validate(t, &out.Config)
			got = drawn(&out.Config)
			for _, f := range out.Faults {
				got += "; " + f.Bundle + ": " + f.Why
			}
		}
		if !strings.HasPrefix(got, tc.want) || strings.Count(got, ";") != strings.Count(tc.want, ";") {
			t.Errorf("%s:\ngot  %s\nwant %s", tc.name, got, tc.want)
		}
	}
}

func TestNotes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ low, high, want string }{
		{"3.0.0", "", `["no version in the range is in a, left out"]`},
		{"1.0.0", "1.0.9", `["no version in the range is in b, left out"]`},
		{"", "1.1.6", `["channel \"a\": 2.0.0 is carried too: it is the lowest version that all in the range can be updated to" "no version in the range is in b, left out"]`},
	} {
		req := Request{Range: Range{tc.low, tc.high}}
		if tc.high == "" {
			req.Default = "b"
		}
		out, err := Package(made("a: 1.0.0 1.1.0>1.0.0 1.1.5 2.0.0>1.1.0,1.1.5", "b: 3.0.0"), req)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%q", out.Notes); got != tc.want {
			t.Errorf("got  %s\nwant %s", got, tc.want)
		}
	}
}
