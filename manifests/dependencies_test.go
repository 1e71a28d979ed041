package manifests

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
)

// needy is a package with one channel of versions, each of which replaces the one
// before, with properties of each, as "VERSION=PROPERTIES".
func needy(pkg string, versions ...string) string {
	var entries []string
	out := fmt.Sprintf("---\nschema: olm.package\nname: %s\ndefaultChannel: stable\n", pkg)
	last := ""
	for _, v := range versions {
		v, props, _ := strings.Cut(v, "=")
		name := pkg + ".v" + v
		entries = append(entries, fmt.Sprintf("{name: %s, replaces: '%s'}", name, last))
		last = name
		out += fmt.Sprintf("---\nschema: olm.bundle\npackage: %s\nname: %s\nimage: example.com/%s:%s\nproperties:\n- {type: olm.package, value: {packageName: %s, version: %s}}\n%s\n", pkg, name, pkg, v, pkg, v, props)
	}
	return out + fmt.Sprintf("---\nschema: olm.channel\npackage: %s\nname: stable\nentries: [%s]\n", pkg, strings.Join(entries, ", "))
}

func property(kind, value string) string {
	return "- {type: " + kind + ", value: " + value + "}\n"
}

const foo = "{group: example.com, kind: Foo, version: v1}"

func TestDependencies(t *testing.T) {
	provides, requires := property("olm.gvk", foo), property("olm.gvk.required", foo)
	within := func(name, versions string) string {
		return property("olm.package.required", "{packageName: "+name+", versionRange: '"+versions+"'}")
	}
	tests := []struct{ name, first, second, in, bundles, note string }{
		{"an API", needy("app", "1.0.0="+requires) + needy("foo", "1.0.0="+provides, "2.0.0="+provides, "3.0.0"), "", "{name: app}", "app:1.0.0 foo:2.0.0", ""},
		{"a package", needy("app", "1.0.0="+within("foo", "<2.0.0")) + needy("foo", "1.0.0", "1.5.0", "2.0.0"), "", "{name: app}", "app:1.0.0 foo:1.5.0", ""},
		{"only of what is chosen", needy("app", "1.0.0="+requires, "2.0.0") + needy("foo", "1.0.0="+provides), "", "{name: app}", "app:2.0.0", ""},
		{"what is chosen already", needy("app", "1.0.0="+within("foo", "<2.0.0")) + needy("foo", "1.0.0", "1.5.0", "2.0.0"), "", "{name: app}, {name: foo, minVersion: 1.0.0, maxVersion: 1.0.0}", "app:1.0.0 foo:1.0.0", ""},
		{"beside what is chosen", needy("app", "1.0.0="+within("foo", "<2.0.0")) + needy("foo", "1.0.0", "1.5.0", "1.7.0-x", "2.0.0", "3.0.0"), "", "{name: app}, {name: foo}", "app:1.0.0 foo:1.7.0-x foo:2.0.0 foo:3.0.0", ""},
		{"over two steps", needy("app", "1.0.0="+within("lib", ">0.0.0")) + needy("lib", "1.0.0="+requires), needy("foo", "1.0.0="+provides), "{name: app}", "app:1.0.0 foo:1.0.0 lib:1.0.0", ""},
		{"in a circle", needy("app", "1.0.0="+requires) + needy("foo", "1.0.0="+provides+within("app", ">=1.0.0")), "", "{name: app}", "app:1.0.0 foo:1.0.0", ""},
		{"all of one bundle", needy("app", "1.0.0="+property("olm.constraint", "{all: {constraints: [{gvk: "+foo+"}, {package: {packageName: foo, versionRange: '<2.0.0'}}]}}")) + needy("foo", "1.0.0="+provides, "1.1.0", "2.0.0="+provides), "", "{name: app}", "app:1.0.0 foo:1.0.0", ""},
		{"any, and not", needy("app", "1.0.0="+property("olm.constraint", "{all: {constraints: [{any: {constraints: [{package: {packageName: none, versionRange: '>1.0.0'}}, {package: {packageName: foo, versionRange: '>0.1.0'}}]}}, {not: {constraints: [{package: {packageName: foo, versionRange: '2.0.0'}}]}}]}}")) + needy("foo", "1.0.0", "2.0.0"), "", "{name: app}", "app:1.0.0 foo:1.0.0", ""},
		{"the same catalog first", needy("app", "1.0.0="+requires) + needy("zoo", "1.0.0="+provides), needy("foo", "1.0.0="+provides), "{name: app}", "app:1.0.0 zoo:1.0.0", ""},
		{"the default channel first", needy("app", "1.0.0="+requires) + needy("foo", "1.0.0="+provides) +
			"---\nschema: olm.bundle\npackage: foo\nname: foo.v2.0.0\nimage: example.com/foo:2.0.0\nproperties:\n- {type: olm.package, value: {packageName: foo, version: 2.0.0}}\n" + provides +
			"---\nschema: olm.channel\npackage: foo\nname: candidate\nentries: [{name: foo.v2.0.0}]\n", "", "{name: app}", "app:1.0.0 foo:1.0.0", ""},
		{"nowhere", needy("app", "1.0.0="+requires) + needy("foo", "1.0.0"), "", "{name: app}", "app:1.0.0",
			"operator app 1.0.0: it requires the API example.com/v1 Foo, which nothing in the catalogs of the configuration provides; add the catalog that has it"},
		{"undecided", needy("app", "1.0.0="+property("olm.constraint", "{cel: {rule: 'true'}}")), "", "{name: app}", "app:1.0.0",
			"operator app 1.0.0: what it requires cannot be looked for: its olm.constraint is of a kind that only a cluster can decide"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			h := asktest.NewCatalogs()
			h.PutCatalog(t, asktest.TestCatalog, map[string]string{"x": tc.first})
			in := "  - catalog: " + asktest.TestCatalog + "\n    packages: [" + tc.in + "]\n"
			if tc.second != "" {
				h.PutCatalog(t, "example.com/other:v2", map[string]string{"x": needy("alone", "1.0.0") + tc.second})
				in += "  - catalog: example.com/other:v2\n    packages: [{name: alone}]\n"
				tc.bundles = "alone:1.0.0 " + tc.bundles
			}
			c := asktest.ParseOperators(t, in)
			plainDigest := c.Digest()
			without, err := Resolve(t.Context(), c, h)
			if err != nil {
				t.Fatal(err)
			}
			c.Extra.WithDependencies = true
			if c.Digest() == plainDigest {
				t.Error("the digest does not tell that dependencies are asked for")
			}
			h.Notes = nil
			inv, err := Resolve(t.Context(), c, h)
			if err != nil {
				t.Fatal(err)
			}
			if got := bundlesOf(inv); !slices.Equal(got, slices.Sorted(slices.Values(strings.Fields(tc.bundles)))) {
				t.Errorf("got %s, want %s; without %s", got, tc.bundles, bundlesOf(without))
			}
			if notes := strings.Join(unusual(h.Notes), "\n"); tc.note == "" && notes != "" || !strings.Contains(notes, tc.note) {
				t.Errorf("notes %q, want %q", notes, tc.note)
			}
		})
	}
}

// unusual leaves out the notes that every filtered catalog has.
func unusual(notes []string) []string {
	return slices.DeleteFunc(slices.Clone(notes), func(n string) bool {
		return strings.HasSuffix(n, "versions are carried") || strings.HasSuffix(n, "version are carried")
	})
}

func bundlesOf(inv *oci.Inventory) []string {
	var list []string
	for _, img := range inv.Images {
		if strings.HasSuffix(strings.Join(oci.Words(img.Reasons), ";"), ": bundle") {
			list = append(list, img.Source.Repository+":"+img.Source.Tag)
		}
	}
	slices.Sort(list)
	return list
}

// TestStrandedBundles asks for a range with a bundle that no update leads away from:
// the catalog cannot have it, and whoever has it installed needs its image.
func TestStrandedBundles(t *testing.T) {
	var b strings.Builder
	b.WriteString("---\nschema: olm.package\nname: app\ndefaultChannel: stable\n")
	for _, v := range []string{"1.0.0", "1.0.5", "1.1.0", "1.1.1"} {
		fmt.Fprintf(&b, "---\nschema: olm.bundle\npackage: app\nname: app.v%s\nimage: example.com/app:%[1]s\nproperties:\n- {type: olm.package, value: {packageName: app, version: %[1]s}}\n", v)
	}
	b.WriteString("---\nschema: olm.channel\npackage: app\nname: stable\nentries: [{name: app.v1.0.0}, {name: app.v1.0.5, replaces: app.v1.0.0}, {name: app.v1.1.0, replaces: app.v1.0.0}, {name: app.v1.1.1, replaces: app.v1.1.0}]\n")
	h := asktest.NewCatalogs()
	h.PutCatalog(t, asktest.TestCatalog, map[string]string{"x": b.String()})
	inv, err := Resolve(t.Context(), asktest.ParseOperators(t, "  - catalog: "+asktest.TestCatalog+"\n    packages: [{name: app, minVersion: 1.0.0, maxVersion: 1.1.0}]\n"), h)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range inv.Images {
		if i.Origin == origin.Operator {
			got = append(got, i.Source.Tag)
		}
	}
	if want := []string{"1.0.0", "1.0.5", "1.1.0"}; !slices.Equal(got, want) {
		t.Errorf("carried %v", got)
	}
	if notes := unusual(h.Notes); len(notes) != 1 || !strings.Contains(notes[0], "app.v1.0.5") {
		t.Errorf("notes %q", h.Notes)
	}
}

// TestDependenciesLeft tells what chosen operators require that is not chosen, and of no
// more than a reader can take.
func TestDependenciesLeft(t *testing.T) {
	many := "1.0.0="
	for i := range 30 {
		many += property("olm.package.required", fmt.Sprintf("{packageName: lib%02d, versionRange: '>0.0.0'}", i))
	}
	requires := property("olm.gvk.required", foo)
	for _, tc := range []struct {
		catalog, packages string
		notes             int
		first             string
	}{
		{needy("app", "1.0.0="+requires) + needy("foo", "1.0.0="+property("olm.gvk", foo)), "{name: app}", 1,
			"operator app 1.0.0: it requires the API example.com/v1 Foo, which is not carried: choose it too, or have dependencies added, if a catalog of the configuration has it"},
		{needy("app", "1.0.0="+requires) + needy("foo", "1.0.0="+property("olm.gvk", foo)), "{name: app}, {name: foo}", 0, ""},
		{needy("app", "1.0.0="+requires, "2.0.0"), "{name: app}", 0, ""},
		{needy("app", many), "{name: app}", 21, "operator app 1.0.0: it requires package lib00"},
	} {
		h := asktest.NewCatalogs()
		h.PutCatalog(t, asktest.TestCatalog, map[string]string{"x": tc.catalog})
		if _, err := Resolve(t.Context(), asktest.ParseOperators(t, "  - catalog: "+asktest.TestCatalog+"\n    packages: ["+tc.packages+"]\n"), h); err != nil {
			t.Fatal(err)
		}
		notes := unusual(h.Notes)
		if len(notes) != tc.notes || len(notes) > 0 && !strings.Contains(notes[0], tc.first) {
			t.Errorf("%s: notes %q", tc.packages, notes)
		}
	}
}
