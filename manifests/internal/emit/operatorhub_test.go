package emit

import (
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
)

// TestHub: which default catalogs a cluster has, and how they are turned off.
func TestHub(t *testing.T) {
	t.Parallel()
	hub := func(spec string) string {
		return `{"apiVersion":"config.openshift.io/v1","kind":"OperatorHub","metadata":{"name":"cluster"},"spec":{` + spec + `}}`
	}
	for name, c := range map[string]struct {
		runs, hub   string
		asked       []string
		lost, patch string
		step        bool
	}{
		"not known":         {"", "", nil, "certified-operators, community-operators, redhat-marketplace;", "spec:\n  disableAllDefaultSources: true\n", true},
		"4.21":              {"4.21.0", hub(""), nil, "certified-operators, community-operators, redhat-marketplace;", "spec:\n  disableAllDefaultSources: true\n", true},
		"4.22":              {"4.22.0", hub(""), nil, "certified-operators, community-operators;", "spec:\n  disableAllDefaultSources: true\n", true},
		"off":               {"4.16.0", hub(`"disableAllDefaultSources":true`), nil, "", "spec:\n  disableAllDefaultSources: true\n", false},
		"one kept on":       {"4.16.0", hub(`"disableAllDefaultSources":true,"sources":[{"name":"certified-operators","disabled":false},{"name":"redhat-operators","disabled":true}]`), nil, "", "spec:\n  disableAllDefaultSources: true\n  sources:\n  - disabled: true\n    name: certified-operators\n  - disabled: true\n    name: redhat-operators\n", true},
		"kept on, unsaid":   {"4.16.0", hub(`"disableAllDefaultSources":true,"sources":[{"name":"certified-operators"}]`), nil, "", "spec:\n  disableAllDefaultSources: true\n  sources:\n  - disabled: true\n    name: certified-operators\n", true},
		"OKD":               {"4.17.0-okd-scos.1", "", nil, "default catalogs community-operators;", "spec:\n  disableAllDefaultSources: true\n  sources:\n  - disabled: true\n    name: community-operators\n", true},
		"no marketplace":    {"4.16.0", "", []string{"OperatorHub"}, "", "", false},
		"only some are off": {"4.16.0", hub(`"sources":[{"name":"certified-operators","disabled":true}]`), nil, "", "spec:\n  disableAllDefaultSources: true\n", true},
	} {
		index := "v4.16"
		if c.runs != "" {
			index = "v" + c.runs[:4]
		}
		files, notes := pagesOf(t, emitInput{Mirror: "m.example", Images: indexes(redhatIndex, index)}, func(s *site.Site) {
			if c.runs == "" {
				return
			}
			var objects []string
			if c.hub != "" {
				objects = append(objects, c.hub)
			}
			s.Cluster = clusterOf(t, c.runs, c.asked, objects...)
		})
		if c.lost != "" && !strings.Contains(notes, c.lost) {
			t.Errorf("%s: notes %q, want %q", name, notes, c.lost)
		}
		if files[handover.FileHubPatch] != c.patch {
			t.Errorf("%s: the patch is %q, want %q", name, files[handover.FileHubPatch], c.patch)
		}
		if got := strings.Contains(files[handover.FileApply], "oc patch operatorhub.config.openshift.io/cluster --type=merge --patch-file"); got != c.step {
			t.Errorf("%s: patched: %v, want %v", name, got, c.step)
		}
	}
}

// TestHubOrphans: Subscriptions that would lose their catalog are named before the command.
func TestHubOrphans(t *testing.T) {
	t.Parallel()
	sub := func(name, source string) string {
		return `{"apiVersion":"operators.coreos.com/v1alpha1","kind":"Subscription","metadata":{"name":"` + name + `","namespace":"ns"},"spec":{"name":"pkg","source":"` + source + `","sourceNamespace":"openshift-marketplace"}}`
	}
	source := func(name, image string) string {
		return `{"apiVersion":"operators.coreos.com/v1alpha1","kind":"CatalogSource","metadata":{"name":"` + name + `","namespace":"openshift-marketplace"},"spec":{"sourceType":"grpc","image":"` + image + `"}}`
	}
	files, _ := pagesOf(t, emitInput{Mirror: "m.example", Images: indexes(redhatIndex, "v4.16")}, func(s *site.Site) {
		s.Cluster = clusterOf(t, "4.16.1", nil, sub("kept", "redhat-operators"), sub("lost", "certified-operators"), sub("earlier", "community-operators"), sub("own", "company"),
			source("certified-operators", "registry.redhat.io/redhat/certified-operator-index:v4.16"), source("community-operators", "m.example/redhat/community-operator-index:v4.16"), source("company", "registry.example/c:1"))
	})
	page := files[handover.FileApply]
	before, _, ok := strings.Cut(page, "oc patch operatorhub")
	if !ok || !strings.Contains(before, "`lost` in `ns`: package `pkg`, from `certified-operators`") {
		t.Errorf("the Subscription is not named:\n%s", page)
	}
	for _, name := range []string{"kept", "earlier", "own"} {
		if strings.Contains(before, "`"+name+"` in `ns`: package `pkg`, from") {
			t.Errorf("%s loses nothing", name)
		}
	}
}

// TestEarlierIndex: a catalog for an earlier version than runs is for other clusters, unless this
// one has a Subscription to it, or somebody else made its CatalogSource.
func TestEarlierIndex(t *testing.T) {
	t.Parallel()
	source := func(labels string) string {
		return `{"apiVersion":"operators.coreos.com/v1alpha1","kind":"CatalogSource","metadata":{"name":"old","namespace":"openshift-marketplace","labels":{` + labels + `}},"spec":{"sourceType":"grpc","image":"m.example/redhat/redhat-operator-index:v4.16"}}`
	}
	const made = `"app.kubernetes.io/managed-by":"satchel"`
	const sub = `{"apiVersion":"operators.coreos.com/v1alpha1","kind":"Subscription","metadata":{"name":"a","namespace":"ns"},"spec":{"name":"pkg","source":"old","sourceNamespace":"openshift-marketplace"}}`
	for name, c := range map[string]struct {
		objects, asked []string
		want           string
	}{
		"nobody's":   {[]string{source(made)}, []string{"Subscription"}, "redhat-operators=redhat-operators"},
		"subscribed": {[]string{source(made), sub}, nil, "old=old redhat-operators=redhat-operators"},
		"another's":  {[]string{source("")}, []string{"Subscription"}, "old=old redhat-operators=redhat-operators"},
		"not known":  {[]string{source(made)}, nil, "old=old redhat-operators=redhat-operators"},
	} {
		files, _ := pagesOf(t, emitInput{Mirror: "m.example", Images: indexes(redhatIndex, "v4.16", "v4.17")}, func(s *site.Site) { s.Cluster = clusterOf(t, "4.17.1", c.asked, c.objects...) })
		if got := strings.Join(sourcesOf(t, files), " "); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
