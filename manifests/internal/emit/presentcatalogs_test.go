package emit

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/operatorhub"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/manifests/octest"
)

// TestKeepsCatalogNames: which CatalogSource of the cluster a catalog takes the name of.
func TestKeepsCatalogNames(t *testing.T) {
	t.Parallel()
	index := emitImage{Origin: origin.Catalog, Source: "registry.redhat.io/redhat/redhat-operator-index:v4.18", Tags: []string{"v4.18"}}
	older := emitImage{Origin: origin.Catalog, Source: "registry.redhat.io/redhat/redhat-operator-index:v4.17", Tags: []string{"v4.17"}}
	const inMirror = "m.example/ns/redhat/redhat-operator-index"
	for name, c := range map[string]struct {
		present [][2]string // name, image
		images  []emitImage
		want    string
	}{
		"oc-mirror's":                   {[][2]string{{"cs-redhat-operator-index-v4-18", inMirror + ":v4.18"}}, []emitImage{index}, "cs-redhat-operator-index-v4-18"},
		"both versions":                 {[][2]string{{"cs-a-v4-18", inMirror + ":v4.18"}, {"cs-a-v4-17", inMirror + ":v4.17"}}, []emitImage{index, older}, "cs-a-v4-17 cs-a-v4-18"},
		"another version":               {[][2]string{{"cs-a-v4-16", inMirror + ":v4.16"}}, []emitImage{index}, "redhat-operators"},
		"another mirror":                {[][2]string{{"cs-a-v4-18", "other.example/ns/redhat/redhat-operator-index:v4.18"}}, []emitImage{index}, "redhat-operators"},
		"by last week's digest":         {[][2]string{{"ours", inMirror + "@sha256:" + strings.Repeat("a", 64)}}, []emitImage{index}, "ours"},
		"of two, a digest says nothing": {[][2]string{{"ours", inMirror + "@sha256:" + strings.Repeat("a", 64)}}, []emitImage{index, older}, "redhat-operators redhat-operators-v4-17"},
		"the plain name is there too":   {[][2]string{{"cs-a-v4-18", inMirror + ":v4.18"}, {"redhat-operators", "registry.redhat.io/redhat/redhat-operator-index:v4.18"}}, []emitImage{index}, "redhat-operators"},
		"two names":                     {[][2]string{{"b", inMirror + ":v4.18"}, {"a", inMirror + ":v4.18"}}, []emitImage{index}, "a"},
		"by its source":                 {[][2]string{{"mine", "quay.io/acme/catalog:v1"}}, []emitImage{{Origin: origin.Catalog, Source: "quay.io/acme/catalog:v1"}}, "mine"},
		"a name that OLM cannot use":    {[][2]string{{"4.18", inMirror + ":v4.18"}}, []emitImage{index}, "redhat-operators"},
		"no image":                      {[][2]string{{"address", ""}}, []emitImage{index}, "redhat-operators"},
	} {
		var docs []string
		for _, p := range c.present {
			docs = append(docs, fmt.Sprintf("apiVersion: operators.coreos.com/v1alpha1\nkind: CatalogSource\nmetadata: {name: '%s', namespace: openshift-marketplace}\nspec: {image: '%s'}\n", p[0], p[1]))
		}
		files, _ := emit(t, emitInput{Mirror: "m.example/ns", Images: c.images, PresentCatalogSources: strings.Join(docs, "---\n")})
		var names []string
		for _, f := range files {
			if n, ok := strings.CutPrefix(f.Name, "catalogsource-"); ok {
				names = append(names, strings.TrimSuffix(n, ".yaml"))
			}
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	for in, want := range map[string]string{
		"":                                "the file is empty",
		"kind: Secret\n":                  "this is not a CatalogSource",
		"kind: List\nitems:\n- kind: X\n": "f:3:9: this is not a CatalogSource",
		"kind: List\nitems: [a, b]\n":     "another type",
		"apiVersion: operators.coreos.com/v1alpha1\nkind: CatalogSource\nmetadata: {name: A B}\n": "metadata.name is not the name of an object",
	} {
		if _, err := site.ParsePresentCatalogSources("f", []byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
}

// TestReplacedCatalog warns where the cluster has another catalog under the name of one here.
func TestReplacedCatalog(t *testing.T) {
	t.Parallel()
	image := emitImage{Origin: origin.Catalog, Source: "registry.redhat.io/redhat/redhat-operator-index:v4.18", Path: "shop/operator-index", Tags: []string{"v4.18"}}
	for present, warned := range map[string]bool{
		"m.example/ns/redhat/redhat-operator-index:v4.18":       true, // another team's
		"m.example/other/shop/operator-index:v4.18":             true,
		"quay.io/acme/catalog:v1":                               true,
		"m.example/ns/shop/operator-index:v4.17":                false, // last week's
		"old.example/shop/operator-index:v4.18":                 false, // of another mirror
		"registry.redhat.io/redhat/redhat-operator-index:v4.18": false,
	} {
		doc := fmt.Sprintf("apiVersion: operators.coreos.com/v1alpha1\nkind: CatalogSource\nmetadata: {name: redhat-operators, namespace: openshift-marketplace}\nspec: {image: '%s'}\n", present)
		_, notes := emit(t, emitInput{Mirror: "m.example/ns", Images: []emitImage{image}, PresentCatalogSources: doc})
		if got := strings.Contains(strings.Join(notes, "\n"), "serves another catalog, "+present) && strings.Contains(strings.Join(notes, "\n"), "--catalog-name shop/operator-index=NAME"); got != warned {
			t.Errorf("%s: warned %v: %q", present, got, notes)
		}
	}
}

// TestRenamedCatalog: Subscriptions follow a catalog to its other name, but not those of another
// namespace's catalog of that name; and the old one, which is not known to be satchel's, stays, and
// is not deleted by the command that is offered where it cannot be kept.
func TestRenamedCatalog(t *testing.T) {
	t.Parallel()
	const source = "apiVersion: operators.coreos.com/v1alpha1\nkind: CatalogSource\nmetadata: {name: old, namespace: %s}\nspec: {image: 'm.example/ns/redhat/redhat-operator-index:v4.18'}\n---\n"
	const sub = "apiVersion: operators.coreos.com/v1alpha1\nkind: Subscription\nmetadata: {name: %s, namespace: acme}\nspec: {source: old, sourceNamespace: %s}\n---\n"
	plain := "apiVersion: operators.coreos.com/v1alpha1\nkind: CatalogSource\nmetadata: {name: redhat-operators, namespace: openshift-marketplace}\nspec: {image: 'registry.redhat.io/redhat/redhat-operator-index:v4.18'}\n"
	files, _ := emit(t, emitInput{Mirror: "m.example/ns", Images: indexes(redhatIndex, "v4.18"), PresentCatalogSources: fmt.Sprintf(source, operatorhub.Marketplace) + plain})
	_, step, _ := strings.Cut(string(fileOf(t, files, handover.FileApply).Body), "The cluster has these catalogs under another name too:")
	step, _, _ = strings.Cut(step, "\n## ")
	for _, fails := range []bool{true, false} {
		c := octest.New(t, 18, fmt.Sprintf(source, operatorhub.Marketplace)+fmt.Sprintf(source, "acme")+fmt.Sprintf(sub, "ours", operatorhub.Marketplace)+fmt.Sprintf(sub, "theirs", "acme")+
			"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "+handover.BeforeName+", namespace: openshift-config}\n")
		c.Refuse = func(args []string) bool {
			return fails && (args[0] == "patch" && strings.HasPrefix(args[1], "subscriptions") || args[0] == "set")
		}
		c.Page(t, t.TempDir(), []byte(step))
		now := c.Snapshot()
		_, stays := now[octest.Key{Kind: "CatalogSource", Namespace: operatorhub.Marketplace, Name: "old"}]
		moved := strings.Contains(now[octest.Key{Kind: "Subscription", Namespace: "acme", Name: "ours"}], "source: redhat-operators\n")
		touched := !strings.Contains(now[octest.Key{Kind: "Subscription", Namespace: "acme", Name: "theirs"}], "source: old\n")
		if !stays || moved == fails || touched {
			t.Errorf("patches fail: %v; the old catalog stays: %v, the Subscription follows: %v, that of a tenant: %v", fails, stays, moved, touched)
		}
		offered := offeredCommand.FindStringSubmatch(step)[1]
		c.Page(t, t.TempDir(), []byte("```\n"+strings.Join(handover.WithKeep(offered), "\n")+"\n```\n"))
		if _, stays := c.Snapshot()[octest.Key{Kind: "CatalogSource", Namespace: operatorhub.Marketplace, Name: "old"}]; stays != fails {
			t.Errorf("it cannot be kept: %v, and after %s it is there: %v", fails, offered, stays)
		}
	}
	order(t, step, "may drain or restart nodes", "Automatic approval")
}

// TestOperatorsMove: catalogs change nothing on nodes only if no operator follows them by itself.
func TestOperatorsMove(t *testing.T) {
	t.Parallel()
	for approval, moves := range map[string]bool{"Manual": false, "Automatic": true, "": true} {
		files, _ := pagesOf(t, emitInput{Mirror: "m.example/ns", Images: indexes(redhatIndex, "v4.18")}, func(s *site.Site) {
			s.Cluster = clusterOf(t, "4.18.1", []string{"ClusterExtension"}, `{"apiVersion":"operators.coreos.com/v1alpha1","kind":"Subscription","metadata":{"name":"a","namespace":"b"},"spec":{"source":"redhat-operators","sourceNamespace":"openshift-marketplace","installPlanApproval":"`+approval+`"}}`)
		})
		if strings.Contains(files[handover.FileApply], "may drain or restart nodes") != moves {
			t.Errorf("approval %q:\n%s", approval, files[handover.FileApply])
		}
	}
	page := updatePage(t, emitInput{Images: indexes(redhatIndex, "v4.18")})
	order(t, page, ". Catalogs\n", "may drain or restart nodes", ". Catalogs of OLM v1\n", "may drain or restart nodes")
}
