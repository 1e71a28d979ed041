package check

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// TestAddress: what a mirror has is looked for in that mirror, whoever else is laid out the same way, and under
// the address that nodes use.
func TestAddress(t *testing.T) {
	t.Parallel()
	of := func(host string) *receipt.Receipt {
		return &receipt.Receipt{Mirror: oci.Mirror{Host: host, Namespace: "in"}, Repositories: []receipt.Repository{{Name: "in/x/y", Sources: []receipt.SourceRepository{{Name: "source.example/x/y"}}}}}
	}
	first, second := of("first.example"), of("second.example")
	for mirrors, want := range map[string]string{
		"old.example/x/y, first.example/in/x/y": "first.example/in",
		"old.example/x/y, alias.example/in/x/y": "alias.example/in",
		"alias.example/in/x/y":                  "alias.example/in",
		"old.example/z":                         "first.example/in",
	} {
		h, err := manifests.ReadHandover(handoverTo(mirrors))
		if err != nil {
			t.Fatal(err)
		}
		c := &checking{Options: Options{Handover: h, Receipts: []*receipt.Receipt{second, first}}}
		if c.rules, err = manifests.NodeRulesOf(h, nil); err != nil {
			t.Fatal(err)
		}
		if got := c.address(first.Mirror); got != want {
			t.Errorf("%s: %s, want %s", mirrors, got, want)
		}
	}
	c := &checking{Options: Options{Receipts: []*receipt.Receipt{first}}, rules: &manifests.NodeRules{}}
	if got := c.address(second.Mirror); got != "second.example/in" {
		t.Errorf("of another mirror: %s", got)
	}
	first.Repositories[0].Name = "in"
	c.rules = rulesTo(t, "first.example/in")
	if got := c.address(first.Mirror); got != "first.example/in" {
		t.Errorf("of the namespace itself: %s", got)
	}
	for repo, want := range map[string]string{"in": "", "in/x": "/x", "inside/x": "/inside/x"} { // oc puts releases into the namespace itself
		if got := within(first.Mirror, repo); got != want {
			t.Errorf("%s: %s, want %s", repo, got, want)
		}
	}
	if got := within(oci.Mirror{Host: "first.example"}, "x/y"); got != "/x/y" {
		t.Errorf("without a namespace: %s", got)
	}
}

// TestNodeMirrors: what the files for the cluster have as the mirror is reached, also under the name of a registry that
// images come from; but not where somebody led one rule to such a registry.
func TestNodeMirrors(t *testing.T) {
	t.Parallel()
	type rule struct{ source, mirror string }
	for name, tc := range map[string]struct {
		rules []rule
		named string
		want  []string
	}{
		"one name":             {[]rule{{"q.io/a", "m.corp/in/a"}, {"corp.io/b", "m.corp/in/b"}}, "m.corp/in/c", []string{"m.corp"}},
		"two names":            {[]rule{{"q.io/a", "n.corp/in/a"}}, "m.corp/in/c", []string{"m.corp", "n.corp"}},
		"a source with a port": {[]rule{{"q.io/a", "m.corp:443/in/a"}, {"m.corp/b", "m.corp:443/in/b"}}, "m.corp:443/in/c", []string{"m.corp:443"}},
		"a source":             {[]rule{{"q.io/a", "m.corp/in/a"}, {"m.corp/b", "m.corp/in/b"}}, "m.corp/in/c", []string{"m.corp"}},
		"a changed rule":       {[]rule{{"q.io/a", "m.corp/in/a"}, {"corp.io/b", "q.io/b"}}, "m.corp/in/c", []string{"m.corp"}},
		"a changed object":     {[]rule{{"q.io/a", "m.corp/in/a"}, {"corp.io/b", "m.corp/b"}}, "q.io/c", []string{"m.corp"}},
		"one source alone":     {[]rule{{"q.io/a", "q.io/b"}}, "m.corp/in/c", []string{"m.corp"}},
	} {
		var objects []string
		conf := ""
		for _, r := range tc.rules {
			objects = append(objects, "{source: "+r.source+", mirrors: ["+r.mirror+"]}")
			conf += fmt.Sprintf("[[registry]]\nprefix = %[1]q\nlocation = %[1]q\n[[registry.mirror]]\nlocation = %[2]q\npull-from-mirror = \"digest-only\"\n", r.source, r.mirror)
		}
		h, err := manifests.ReadHandover(fstest.MapFS{
			"registries.conf":              {Data: []byte(conf)},
			"icsp-generic.yaml":            {Data: []byte("apiVersion: operator.openshift.io/v1alpha1\nkind: ImageContentSourcePolicy\nmetadata: {name: a}\nspec: {repositoryDigestMirrors: [" + strings.Join(objects, ", ") + "]}\n")},
			"catalogsource-operators.yaml": {Data: []byte("kind: CatalogSource\nmetadata: {name: a}\nspec: {image: '" + tc.named + ":v1'}\n")},
		})
		if err != nil {
			t.Fatal(err)
		}
		c := &checking{Options: Options{Handover: h}, carried: &carried{}, report: &Report{}}
		if c.rules, err = manifests.NodeRulesOf(h, nil); err != nil {
			t.Fatal(err)
		}
		if got := c.nodeConfig().Inside; !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// TestLaidOut: a repository that only one rule has in another namespace is not where it was pushed to.
func TestLaidOut(t *testing.T) {
	t.Parallel()
	rules := rulesTo(t, "alias.example/other/x/y, alias.example/other/x/z, alias.example/wrong/x/y")
	c := &checking{rules: rules, carried: &carried{mirrors: []oci.Mirror{{Host: "push.example", Namespace: "in"}}}}
	for place, want := range map[string]bool{"alias.example/other/x/y": true, "alias.example/wrong/x/y": false, "push.example/in/x/y": true, "alias.example/other/x/z": false} {
		ref, err := oci.ParseRef(place + ":v1")
		if err != nil {
			t.Fatal(err)
		}
		if got := c.laidOut(ref, "in/x/y"); got != want {
			t.Errorf("%s: %t", place, got)
		}
	}
}

// rulesTo are the rules of a node that lead from source.example/x/y to mirrors.
func rulesTo(t *testing.T, mirrors string) *manifests.NodeRules {
	t.Helper()
	h, err := manifests.ReadHandover(handoverTo(mirrors))
	if err != nil {
		t.Fatal(err)
	}
	rules, err := manifests.NodeRulesOf(h, nil)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func handoverTo(mirrors string) fstest.MapFS {
	return fstest.MapFS{
		"registries.conf":              {},
		"icsp-generic.yaml":            {Data: []byte("apiVersion: operator.openshift.io/v1alpha1\nkind: ImageContentSourcePolicy\nmetadata: {name: a}\nspec: {repositoryDigestMirrors: [{source: source.example/x/y, mirrors: [" + mirrors + "]}]}\n")},
		"catalogsource-operators.yaml": {Data: []byte("kind: CatalogSource\nmetadata: {name: a}\nspec: {image: alias.example/in/cat:v1}\n")},
	}
}
