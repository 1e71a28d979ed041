package catalogmerge

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/operator-framework/operator-registry/alpha/declcfg"
	"github.com/operator-framework/operator-registry/alpha/property"

	"github.com/satchel-airgap/satchel/manifests/internal/filter"
)

// pkg makes a package of channels, each "NAME: VERSION[>REPLACES][,SKIPS...][~RANGE] ...", in
// which versions stand for bundles. A version has an image of its own, or the one that
// images gives it.
func pkg(images map[string]string, channels ...string) *declcfg.DeclarativeConfig {
	cfg := &declcfg.DeclarativeConfig{}
	seen := map[string]bool{}
	for _, text := range channels {
		name, list, _ := strings.Cut(text, ": ")
		c := declcfg.Channel{Schema: declcfg.SchemaChannel, Package: "p", Name: name}
		for _, word := range strings.Fields(list) {
			e, version := entry(word)
			c.Entries = append(c.Entries, e)
			if !seen[version] {
				seen[version] = true
				cfg.Bundles = append(cfg.Bundles, bundle(version, images[version]))
			}
		}
		cfg.Channels = append(cfg.Channels, c)
	}
	cfg.Packages = []declcfg.Package{{Schema: declcfg.SchemaPackage, Name: "p", DefaultChannel: cfg.Channels[0].Name}}
	return cfg
}

func entry(word string) (e declcfg.ChannelEntry, version string) {
	word, e.SkipRange, _ = strings.Cut(word, "~")
	e.SkipRange = strings.ReplaceAll(e.SkipRange, "/", " ")
	parts := strings.Split(word, ",")
	version, replaces, _ := strings.Cut(parts[0], ">")
	e.Name = "p.v" + version
	if replaces != "" {
		e.Replaces = "p.v" + replaces
	}
	for _, s := range parts[1:] {
		e.Skips = append(e.Skips, "p.v"+s)
	}
	return e, version
}

func bundle(version, image string) declcfg.Bundle {
	if image == "" {
		image = "example.com/p:" + version
	}
	value, _ := json.Marshal(property.Package{PackageName: "p", Version: strings.TrimSuffix(version, "x")})
	return declcfg.Bundle{Schema: declcfg.SchemaBundle, Package: "p", Name: "p.v" + version, Image: image,
		Properties: []property.Property{{Type: property.TypePackage, Value: value}}}
}

// said writes the channels of a package back.
func said(cfg *declcfg.DeclarativeConfig) (list []string) {
	for _, c := range cfg.Channels {
		var words []string
		for _, e := range c.Entries {
			word := strings.TrimPrefix(e.Name, "p.v")
			if e.Replaces != "" {
				word += ">" + strings.TrimPrefix(e.Replaces, "p.v")
			}
			for _, s := range e.Skips {
				word += "," + strings.TrimPrefix(s, "p.v")
			}
			words = append(words, word)
		}
		slices.Sort(words)
		list = append(list, c.Name+": "+strings.Join(words, " "))
	}
	slices.Sort(list)
	return list
}

// joined merges and filters, as pack does.
func joined(today, kept *declcfg.DeclarativeConfig, req filter.Request) (*Merged, *declcfg.DeclarativeConfig, error) {
	m, err := Package(today, kept)
	if err != nil {
		return nil, nil, err
	}
	req.Keep, req.KeepDefault = m.Keep, m.Default
	out, err := filter.Package(&m.Config, req)
	if err != nil {
		return nil, nil, err
	}
	return m, &out.Config, Check(m.Keep, &out.Config)
}

func modelled(t *testing.T, cfg *declcfg.DeclarativeConfig) {
	t.Helper()
	if _, err := declcfg.ConvertToModel(*cfg); err != nil {
		t.Errorf("operator-registry refuses %q: %v", said(cfg), err)
	}
}

var heads1 = filter.Request{}

// TestPackage joins pairs of what a catalog has today and what was kept of it.
func TestPackage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		today, kept []string
		req         filter.Request
		want, notes []string
		from        []string // bundles of the kept package
	}{
		{name: "nothing new", today: []string{"a: 1.0.0 1.1.0>1.0.0"}, kept: []string{"a: 1.1.0>1.0.0"}, want: []string{"a: 1.1.0>1.0.0"}},
		{name: "a new head, and the one before stays", today: []string{"a: 1.0.0 1.1.0>1.0.0 1.2.0>1.1.0"}, kept: []string{"a: 1.1.0>1.0.0"}, want: []string{"a: 1.1.0>1.0.0 1.2.0>1.1.0"}},
		{name: "two new heads: what joins them comes too", today: []string{"a: 1.0.0 1.1.0>1.0.0 1.2.0>1.1.0"}, kept: []string{"a: 1.0.0"}, want: []string{"a: 1.0.0 1.1.0>1.0.0 1.2.0>1.1.0"}},
		{name: "a channel that nobody asks for any more", today: []string{"a: 1.0.0", "b: 1.0.0 1.1.0>1.0.0"}, kept: []string{"a: 1.0.0", "b: 1.0.0"}, req: filter.Request{Channels: []filter.Channel{{Name: "a"}}}, want: []string{"a: 1.0.0", "b: 1.0.0"}},
		{name: "a package that nobody asks for any more", today: []string{"a: 1.0.0 1.1.0>1.0.0", "b: 1.1.0"}, kept: []string{"a: 1.0.0"}, req: filter.Request{Only: true}, want: []string{"a: 1.0.0"}},
		{
			name: "a channel that is gone", today: []string{"a: 1.1.0"}, kept: []string{"a: 1.1.0", "b: 0.9.0 1.0.0>0.9.0"},
			want: []string{"a: 1.1.0", "b: 0.9.0 1.0.0>0.9.0"}, from: []string{"p.v0.9.0", "p.v1.0.0"}, notes: []string{"withdrawn from its catalog and kept: channel b"},
		},
		{
			name: "a channel that is gone, of bundles that are there", today: []string{"a: 1.0.0"}, kept: []string{"b: 1.0.0"},
			want: []string{"a: 1.0.0", "b: 1.0.0"}, notes: []string{"withdrawn from its catalog and kept: channel b"},
		},
		{
			name: "a version that is gone, and skipped", today: []string{"a: 1.0.0 1.2.0>1.0.0,1.1.0"}, kept: []string{"a: 1.1.0>1.0.0"},
			want: []string{"a: 1.1.0>1.0.0 1.2.0>1.0.0,1.1.0"}, from: []string{"p.v1.1.0"}, notes: []string{"withdrawn from its catalog and kept: p.v1.1.0 from channel a"},
		},
		{
			name: "a version that is gone, and in a skipRange", today: []string{"a: 1.2.0~>=1.0.0/<1.2.0 1.3.0>1.2.0~>=1.0.0/<1.3.0"}, kept: []string{"a: 1.1.0"},
			want: []string{"a: 1.1.0 1.3.0>1.2.0,1.1.0"}, from: []string{"p.v1.1.0"}, notes: []string{"withdrawn from its catalog and kept: p.v1.1.0 from channel a"},
		},
		{
			name: "the lower end of a channel is gone", today: []string{"a: 1.2.0>1.1.0 1.3.0>1.2.0"}, kept: []string{"a: 1.0.0 1.1.0>1.0.0"},
			want: []string{"a: 1.0.0 1.1.0>1.0.0 1.2.0>1.1.0 1.3.0>1.2.0"}, from: []string{"p.v1.0.0", "p.v1.1.0"}, notes: []string{"withdrawn from its catalog and kept: p.v1.0.0 from channel a, p.v1.1.0 from channel a"},
		},
		{name: "the package is gone", kept: []string{"a: 1.0.0 1.1.0>1.0.0"}, want: []string{"a: 1.0.0 1.1.0>1.0.0"}, from: []string{"p.v1.0.0", "p.v1.1.0"}, notes: []string{"withdrawn from its catalog and kept as a whole"}},
		{name: "the newer entry counts", today: []string{"a: 1.0.0 1.1.0>1.0.0,0.9.0"}, kept: []string{"a: 1.1.0"}, want: []string{"a: 1.1.0>1.0.0,0.9.0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var today *declcfg.DeclarativeConfig
			if tt.today != nil {
				today = pkg(nil, tt.today...)
			}
			kept := pkg(nil, tt.kept...)
			before := fmt.Sprintf("%+v %+v", today, kept)
			m, out, err := joined(today, kept, tt.req)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(said(out), tt.want) {
				t.Errorf("%q, want %q", said(out), tt.want)
			}
			if !slices.Equal(m.Notes, tt.notes) || !slices.Equal(m.Kept, tt.from) {
				t.Errorf("notes %q, kept %q", m.Notes, m.Kept)
			}
			modelled(t, out)
			if after := fmt.Sprintf("%+v %+v", today, kept); after != before {
				t.Errorf("what it was given has changed:\n%s\n%s", before, after)
			}
		})
	}
}

// TestRefused says why what cannot be joined cannot.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		today, kept []string
		images      map[string]string // of today
		want        string
	}{
		{name: "a second head", today: []string{"a: 1.0.0 1.2.0>1.0.0"}, kept: []string{"a: 1.1.0>1.0.0"}, want: `channel "a": p.v1.1.0 was withdrawn from it, and no version that it has today updates p.v1.1.0: it would be a second head beside p.v1.2.0`},
		{name: "the head was withdrawn", today: []string{"a: 1.0.0"}, kept: []string{"a: 1.1.0>1.0.0"}, want: `channel "a": p.v1.1.0 was withdrawn from it`},
		{name: "a range that is lower", today: []string{"a: 1.0.0~>=0.1.0/<9.0.0"}, kept: []string{"a: 1.1.0"}, want: "a second head beside p.v1.0.0"},
		{name: "another image", today: []string{"a: 1.0.0"}, kept: []string{"b: 1.0.0"}, images: map[string]string{"1.0.0": "example.com/other"}, want: `channel "b": the bundle p.v1.0.0 was withdrawn from it, and the same name stands for another image today: example.com/other, not example.com/p:1.0.0`},
		{name: "the same version", today: []string{"a: 1.0.0x"}, kept: []string{"b: 1.0.0"}, want: "the bundle p.v1.0.0 was withdrawn, and p.v1.0.0x has the same version today, 1.0.0"},
		{name: "no update leads on", today: []string{"a: 1.0.0 1.1.0>1.0.0 2.0.0"}, kept: []string{"a: 1.1.0>1.0.0"}, want: `channel "a": no update leads from p.v1.1.0 to its head any more`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := joined(pkg(tt.images, tt.today...), pkg(nil, tt.kept...), heads1)
			var refused *Error
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v", err)
			}
		})
	}
	nameless := pkg(nil, "a: 1.0.0")
	nameless.Bundles = nil
	if _, err := Package(pkg(nil, "b: 1.1.0"), nameless); err == nil || !strings.Contains(err.Error(), "nothing says what that is") {
		t.Errorf("an entry without a bundle: %v", err)
	}
}

// TestDocuments: today's documents count, and what is deprecated or built again is named.
func TestDocuments(t *testing.T) {
	t.Parallel()
	reference := func(schema, name string) declcfg.DeprecationEntry {
		return declcfg.DeprecationEntry{Reference: declcfg.PackageScopedReference{Schema: schema, Name: name}, Message: "old"}
	}
	today, kept := pkg(map[string]string{"1.0.0": "example.com/new"}, "a: 1.0.0 1.1.0>1.0.0"), pkg(nil, "a: 1.0.0", "b: 0.9.0", "c: 0.8.0")
	today.Deprecations = []declcfg.Deprecation{{Schema: declcfg.SchemaDeprecation, Package: "p", Entries: []declcfg.DeprecationEntry{
		reference(declcfg.SchemaBundle, "p.v1.0.0"), reference(declcfg.SchemaPackage, ""), reference(declcfg.SchemaBundle, "p.v1.1.0"),
	}}}
	kept.Deprecations = []declcfg.Deprecation{{Schema: declcfg.SchemaDeprecation, Package: "p", Entries: []declcfg.DeprecationEntry{
		reference(declcfg.SchemaChannel, "b"), reference(declcfg.SchemaBundle, "p.v0.8.0"), reference(declcfg.SchemaChannel, "a"), reference(declcfg.SchemaPackage, ""),
	}}}
	m, out, err := joined(today, kept, heads1)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"withdrawn from its catalog and kept: channel b, channel c",
		"deprecated since by its catalog: bundle p.v1.0.0",
		"with another image under the same name since: p.v1.0.0",
	}
	if !slices.Equal(m.Notes, want) {
		t.Errorf("%q", m.Notes)
	}
	if i := slices.IndexFunc(out.Bundles, func(b declcfg.Bundle) bool { return b.Name == "p.v1.0.0" }); out.Bundles[i].Image != "example.com/new" {
		t.Errorf("it has %s", out.Bundles[i].Image)
	}
	var got []string
	for _, d := range out.Deprecations {
		for _, e := range d.Entries {
			got = append(got, e.Reference.Schema+" "+e.Reference.Name)
		}
	}
	slices.Sort(got)
	if all := []string{"olm.bundle p.v0.8.0", "olm.bundle p.v1.0.0", "olm.bundle p.v1.1.0", "olm.channel b", "olm.package "}; !reflect.DeepEqual(got, all) {
		t.Errorf("deprecated: %q", got)
	}
	modelled(t, out)
}

// TestDefaultChannel: the one of the kept package stays where today's was never kept.
func TestDefaultChannel(t *testing.T) {
	t.Parallel()
	today, kept := pkg(nil, "new: 2.0.0", "a: 1.0.0", "b: 1.0.0"), pkg(nil, "b: 1.0.0", "a: 1.0.0")
	_, out, err := joined(today, kept, filter.Request{Only: true})
	if err != nil || out.Packages[0].DefaultChannel != "b" || len(out.Channels) != 2 {
		t.Errorf("%+v %v", out, err)
	}
}
