package check

import (
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
