package emit

import (
	"fmt"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/operatorhub"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/manifests/octest"
	"github.com/satchel-airgap/satchel/oci"
)

func clusterCatalogJSON(name, ref, rest string) string {
	return fmt.Sprintf(`{"apiVersion":"olm.operatorframework.io/v1","kind":"ClusterCatalog","metadata":{"name":%q},"spec":{"source":{"type":"Image","image":{"ref":%q}}%s}}`, name, ref, rest)
}

func extensionJSON(name, selector string) string {
	return fmt.Sprintf(`{"apiVersion":"olm.operatorframework.io/v1","kind":"ClusterExtension","metadata":{"name":%q},"spec":{"source":{"sourceType":"Catalog","catalog":{"packageName":"pkg-%[1]s"%s}}}}`, name, selector)
}

// TestClusterCatalogs: which clusters get ClusterCatalogs, and what they are called.
func TestClusterCatalogs(t *testing.T) {
	t.Parallel()
	const capabilities = `{"apiVersion":"config.openshift.io/v1","kind":"ClusterVersion","metadata":{"name":"version"},"status":{"desired":{"version":"4.18.1"},"capabilities":{"knownCapabilities":["Console","OperatorLifecycleManagerV1"],"enabledCapabilities":["Console"]}}}`
	for name, c := range map[string]struct {
		runs, mirror string
		objects      []string
		images       []emitImage
		names        map[string]string
		want         string
	}{
		"not known":              {"", "m.example", nil, indexes(redhatIndex, "v4.18"), nil, "redhat-operators"},
		"not known, an old one":  {"", "m.example", nil, indexes(redhatIndex, "v4.17"), nil, ""},
		"4.17":                   {"4.17.9", "m.example", nil, indexes(redhatIndex, "v4.17"), nil, ""},
		"4.18":                   {"4.18.1", "m.example", nil, indexes(redhatIndex, "v4.18"), nil, "redhat-operators"},
		"the highest alone":      {"4.19.1", "m.example", nil, indexes(redhatIndex, "v4.18", "v4.19"), nil, "redhat-operators"},
		"later":                  {"4.17.1", "m.example", nil, indexes(redhatIndex, "v4.17", "v4.18"), nil, "redhat-operators-after-4.18"},
		"left out when set up":   {"", "m.example", []string{capabilities}, indexes(redhatIndex, "v4.18"), nil, ""},
		"oc-mirror's":            {"4.18.1", "m.example", []string{clusterCatalogJSON("cc-redhat-operator-index-v4-18", "m.example/redhat/redhat-operator-index:v4.18", "")}, indexes(redhatIndex, "v4.18"), nil, "cc-redhat-operator-index-v4-18"},
		"a default one's name":   {"4.18.1", "m.example", nil, indexes(redhatIndex, "v4.18"), map[string]string{redhatIndex: "openshift-redhat-operators"}, "satchel-openshift-redhat-operators"},
		"an IPv6 address":        {"", "[fd00::5]:5000", nil, indexes(redhatIndex, "v4.18"), nil, ""},
		"a catalog without tags": {"4.18.1", "m.example", nil, indexes("quay.io/acme/catalog", "latest"), nil, "catalog"},
	} {
		files, notes := pagesOf(t, emitInput{Mirror: c.mirror, Images: c.images, CatalogNames: c.names}, func(s *site.Site) {
			if c.runs != "" || len(c.objects) > 0 {
				s.Cluster = clusterOf(t, c.runs, nil, c.objects...)
			}
		})
		var got []string
		for name, body := range files {
			if rest, ok := strings.CutPrefix(name, "clustercatalog-"); ok {
				got = append(got, strings.TrimSuffix(rest, ".yaml"))
				if strings.Contains(body, "pollInterval") || !strings.Contains(body, "@sha256:") {
					t.Errorf("%s: %s", name, body)
				}
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if (files[operatorhub.FileCatalogsOff] != "") != (c.want != "") {
			t.Errorf("%s: the patch of the default ones is %q", name, files[operatorhub.FileCatalogsOff])
		}
		if strings.Contains(notes, "IPv6") != (c.mirror[0] == '[') {
			t.Errorf("%s: notes %q", name, notes)
		}
	}
}

// TestNotServed: a cluster that does not know ClusterCatalogs gets none, but one that has OLM v1
// only after an update does then.
func TestNotServed(t *testing.T) {
	t.Parallel()
	const mark, cv = "---\nkind: SatchelQuery\n%s\n---\n", "{apiVersion: config.openshift.io/v1, kind: ClusterVersion, metadata: {name: version}, status: {desired: {version: %s}, history: [{state: Completed, version: %[1]s}]}}\n"
	for name, c := range map[string]struct {
		runs, asked string
		tags        []string
		want        bool
	}{
		"not served":     {"4.19.3", "x", []string{"v4.19"}, false},
		"none there":     {"4.19.3", "clustercatalogs.olm.operatorframework.io", []string{"v4.19"}, true},
		"after 4.17":     {"4.17.3", "x", []string{"v4.17", "v4.18"}, true},
		"not after 4.18": {"4.18.3", "x", []string{"v4.18", "v4.19"}, false},
	} {
		var doc string
		for _, m := range []string{"version: 1", "asked: clusterversions.config.openshift.io", "asked: " + c.asked, "answered: clusterversions.config.openshift.io", "answered: " + c.asked} {
			doc += fmt.Sprintf(mark, m)
		}
		s, err := cluster.Read("c", strings.NewReader(doc+fmt.Sprintf(cv, c.runs)+fmt.Sprintf(mark, "end: true")))
		must(t, err)
		files, _ := pagesOf(t, emitInput{Mirror: "m.example", Images: indexes(redhatIndex, c.tags...)}, func(g *site.Site) { g.Cluster = s })
		if has := files[operatorhub.FileCatalogsOff] != ""; has != c.want || strings.Contains(files[fileKustomization], "clustercatalog") && !c.want {
			t.Errorf("%s: it gets ClusterCatalogs: %t", name, has)
		}
	}
}

// TestClusterExtensions: those that select a default catalog are listed with what to select, those
// without a selector too, and others are not.
func TestClusterExtensions(t *testing.T) {
	t.Parallel()
	label := func(name string) string {
		return `,"selector":{"matchLabels":{"` + operatorhub.LabelCatalog + `":"` + name + `"}}`
	}
	files, _ := pagesOf(t, emitInput{Mirror: "m.example", Images: indexes(redhatIndex, "v4.18")}, func(s *site.Site) {
		s.Cluster = clusterOf(t, "4.18.1", nil,
			clusterCatalogJSON("openshift-redhat-operators", "registry.redhat.io/redhat/redhat-operator-index:v4.18", ""),
			clusterCatalogJSON("openshift-community-operators", "registry.redhat.io/redhat/community-operator-index:v4.18", `,"availabilityMode":"Unavailable"`),
			clusterCatalogJSON("company", "registry.example/catalog:v1", ""),
			extensionJSON("a", label("openshift-redhat-operators")),
			extensionJSON("b", `,"selector":{"matchExpressions":[{"key":"`+operatorhub.LabelCatalog+`","operator":"In","values":["openshift-certified-operators","x"]}]}`),
			extensionJSON("c", ""), extensionJSON("d", label("company")),
			extensionJSON("e", `,"selector":{"matchLabels":{"tier":"one"},"matchExpressions":[{"key":"`+operatorhub.LabelCatalog+`","operator":"In","values":["openshift-redhat-operators"]}]}`),
		)
	})
	page := files[handover.FileApply]
	for _, want := range []string{
		"`a` (package `pkg-a`) selects `openshift-redhat-operators`: `oc patch clusterextension a --type=merge -p '{\"spec\":{\"source\":{\"catalog\":{\"selector\":{\"matchExpressions\":null,\"matchLabels\":{\"" + operatorhub.LabelCatalog + "\":\"redhat-operators\"}}}}}}'`",
		"`e` (package `pkg-e`) selects `openshift-redhat-operators`, among other things: edit its selector (`oc edit clusterextension e`), so that it selects `redhat-operators`",
		"`b` (package `pkg-b`) selects `openshift-certified-operators`, which no catalog of this bundle replaces",
		"no selector, and follow the new catalogs at once: `c`.",
		"oc patch clustercatalog openshift-redhat-operators --type=merge --patch-file clustercatalogs-off.yaml\n",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	for _, never := range []string{"pkg-d", "oc patch clustercatalog openshift-community-operators", "oc patch clustercatalog company"} {
		if strings.Contains(page, never) {
			t.Errorf("%q is there", never)
		}
	}
	for i, block := range strings.Split(page, "```\n") {
		if i%2 == 1 && strings.Contains(block, "oc patch clusterextension") {
			t.Errorf("others' objects are changed by pasting: %s", block)
		}
	}
}

// TestCapabilityNotKnown: where only the version is known, the cluster may lack OLM v1, and then
// nothing of it is applied.
func TestCapabilityNotKnown(t *testing.T) {
	t.Parallel()
	files, _ := pagesOf(t, emitInput{Mirror: "m.example", Images: indexes(redhatIndex, "v4.18")}, func(s *site.Site) { s.Cluster = clusterOf(t, "4.18.1", nil) })
	_, step, _ := strings.Cut(files[handover.FileApply], ". Catalogs of OLM v1\n")
	step, _, _ = strings.Cut(step, "\n## ")
	c := octest.New(t, 17, "")
	for _, b := range c.Page(t, t.TempDir(), []byte(step)) {
		if strings.Contains(b.Commands, "oc apply") && b.Err != nil {
			t.Errorf("%s: %v: %s", b.Commands, b.Err, b.Output)
		}
	}
	if asked := c.Asked(); len(asked) > 0 {
		t.Errorf("a cluster without OLM v1 is asked for %q", asked)
	}
}

// TestHelmAndSamples: the console's default repository of charts goes off where it is on; the
// samples operator is never changed.
func TestHelmAndSamples(t *testing.T) {
	t.Parallel()
	helm := func(name, url, rest string) string {
		return fmt.Sprintf(`{"apiVersion":"helm.openshift.io/v1beta1","kind":"HelmChartRepository","metadata":{"name":%q},"spec":{"connectionConfig":{"url":%q}%s}}`, name, url, rest)
	}
	samples := func(state string) string {
		return `{"apiVersion":"samples.operator.openshift.io/v1","kind":"Config","metadata":{"name":"cluster"},"spec":{"managementState":"` + state + `"}}`
	}
	for name, c := range map[string]struct {
		objects, asked []string
		helm, samples  string
	}{
		"not known":       {nil, nil, `url=="https://charts.openshift.io")]}{.metadata.name} {end}{range .items[?(@.spec.connectionConfig.url=="https://redhat-developer.github.io/redhat-helm-charts")]}`, "## 10. Samples"},
		"on":              {[]string{helm("openshift-helm-charts", "https://charts.openshift.io", ""), helm("company", "https://charts.example", ""), samples("Managed")}, nil, "oc patch helmchartrepository openshift-helm-charts --type=merge", "Samples: nothing to change"},
		"its older name":  {[]string{helm("redhat-helm-repo", "https://redhat-developer.github.io/redhat-helm-charts/", "")}, nil, "oc patch helmchartrepository redhat-helm-repo --type=merge", "Samples"},
		"off":             {[]string{helm("openshift-helm-charts", "https://charts.openshift.io", `,"disabled":true`), samples("Removed")}, nil, "", ""},
		"no console":      {[]string{samples("Unmanaged")}, []string{"HelmChartRepository"}, "", ""},
		"another cluster": {[]string{helm("company", "https://charts.example", "")}, nil, "", "Samples"},
	} {
		files, _ := pagesOf(t, emitInput{Mirror: "m.example", Images: indexes(redhatIndex, "v4.18")}, func(s *site.Site) {
			if len(c.objects)+len(c.asked) > 0 {
				s.Cluster = clusterOf(t, "4.18.1", c.asked, c.objects...)
			}
		})
		page := files[handover.FileApply]
		if c.helm == "" && strings.Contains(page, "oc patch helmchartrepository") || !strings.Contains(page, c.helm) || strings.Contains(page, "oc patch helmchartrepository company") {
			t.Errorf("%s: charts:\n%s", name, page)
		}
		cut := files[handover.FileCut]
		if c.samples == "" && strings.Contains(cut, "Samples:") || c.samples != "" && !strings.Contains(cut, "Do not set it to Removed") {
			t.Errorf("%s: samples:\n%s", name, cut)
		}
		if strings.Contains(page+cut, `"managementState":"Removed"`) {
			t.Errorf("%s: it deletes ImageStreams", name)
		}
	}
	charts := []emitImage{{Origin: "chart", Source: "charts.example/web:1.0", Path: "charts/web", Tags: []string{"1.0"}}}
	files, _ := pagesOf(t, emitInput{Mirror: "m.example/ns", Images: append(charts, indexes(redhatIndex, "v4.18")...)}, nil)
	if !strings.Contains(files[handover.FileApply], "oci://m.example/ns/charts/web") {
		t.Error("it does not say how charts of the bundle are installed")
	}
	for name := range files {
		if strings.HasPrefix(name, "helmchartrepository-") && name != operatorhub.FileHelmOff {
			t.Errorf("%s: the console reads no charts from a registry", name)
		}
	}
}

// TestSamplesUsers: builds and workloads that take images from the samples' streams are listed, with
// what the cluster has of it now.
func TestSamplesUsers(t *testing.T) {
	t.Parallel()
	e := newEmission(&handover.Handover{Images: []oci.Image{emitImage{Source: "registry.redhat.io/ubi8/ruby-30:1"}.image(t)}})
	e.Site.Cluster = clusterOf(t, "4.18.1", nil)
	carried := "registry.redhat.io/ubi8/ruby-30@" + string(e.Images[0].Root.Digest)
	e.Site.Cluster.Images = usesOf(
		"ImageStream openshift ruby | openshift/ruby:3.0 | "+carried+" | sample",
		"ImageStream openshift cli | openshift/cli:latest | | ",
		"BuildConfig shop web | openshift/ruby:3.0 | "+carried+" | ",
		"Deployment shop tools | openshift/cli:latest | | ",
		"Pod shop old | openshift/python:3.9 | | ended",
		"CronJob shop night | openshift/python:3.9 | | ",
		"BuildConfig shop own | shop/base:1 | | ",
	)
	lines, _ := e.samplesUsers()
	got := strings.Join(lines, "\n")
	want := "BuildConfig `web` in `shop`: `openshift/ruby:3.0`, now `" + carried + "`, which this bundle has\nCronJob `night` in `shop`: `openshift/python:3.9`"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// usesOf makes uses of lines: kind, namespace and name | stream | ID | sample or ended.
func usesOf(lines ...string) (list []cluster.ImageUse) {
	for _, line := range lines {
		part := strings.Split(line, "|")
		who := strings.Fields(part[0])
		list = append(list, cluster.ImageUse{
			Kind: who[0], Namespace: who[1], Name: who[2], Stream: strings.TrimSpace(part[1]), ID: strings.TrimSpace(part[2]),
			Sample: strings.Contains(part[3], "sample"), Ended: strings.Contains(part[3], "ended"),
		})
	}
	return list
}

// TestKeptSelectors: where the ClusterExtensions are not known, the selectors of those that have one
// are kept, and one without is no reason to stop.
func TestKeptSelectors(t *testing.T) {
	t.Parallel()
	in := wayWeek(t, false)
	in.ClusterVersion = "4.18.3"
	files, _ := emit(t, in)
	c := octest.New(t, 18, site418+"---\napiVersion: olm.operatorframework.io/v1\nkind: ClusterExtension\nmetadata: {name: free}\nspec: {source: {catalog: {packageName: acme}}}\n"+
		"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: "+handover.BeforeName+", namespace: openshift-config}\n")
	for _, b := range pasted(t, c, files, handover.FileApply, "Catalogs of OLM v1") {
		if strings.Contains(b.Output, "STOP") {
			t.Errorf("%s\nprints %s", b.Commands, b.Output)
		}
	}
	kept := c.Snapshot()[octest.Key{Kind: "ConfigMap", Namespace: "openshift-config", Name: handover.BeforeName}]
	order(t, kept, "clusterextension-chosen", "!clusterextension-free")
}
