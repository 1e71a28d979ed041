package emit

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/blang/semver/v4"
	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/operatorhub"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
)

const redhatIndex = "registry.redhat.io/redhat/redhat-operator-index"

// indexes are catalogs of one repository by tag.
func indexes(repo string, tags ...string) (list []emitImage) {
	for _, tag := range tags {
		list = append(list, emitImage{Origin: origin.Catalog, Source: repo + ":" + tag, Tags: []string{tag}})
	}
	return list
}

// sourcesOf lists "file name tag" of the CatalogSources that were written.
func sourcesOf(t *testing.T, files map[string]string) (list []string) {
	t.Helper()
	for name, body := range files {
		rest, ok := strings.CutPrefix(name, "catalogsource-")
		if !ok {
			continue
		}
		var cs kube.CatalogSource
		must(t, yaml.Unmarshal([]byte(body), &cs))
		list = append(list, strings.TrimSuffix(rest, ".yaml")+"="+cs.Metadata.Name)
	}
	slices.Sort(list)
	return list
}

// TestCatalogsByVersion: the plain name is for the version that runs; later ones wait.
func TestCatalogsByVersion(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		runs   string
		images []emitImage
		names  map[string]string
		want   string
		note   string
	}{
		"not known":             {"", indexes(redhatIndex, "v4.16", "v4.17"), nil, "redhat-operators-v4-16=redhat-operators-v4-16 redhat-operators=redhat-operators", ""},
		"the lower one":         {"4.16.3", indexes(redhatIndex, "v4.16", "v4.17"), nil, "redhat-operators-after-4.17=redhat-operators redhat-operators=redhat-operators", ""},
		"the higher one":        {"4.17.0", indexes(redhatIndex, "v4.16", "v4.17"), nil, "redhat-operators=redhat-operators", ""},
		"two later ones":        {"4.16.0-rc.1", indexes(redhatIndex, "v4.16", "v4.17", "v4.18"), nil, "redhat-operators-after-4.17=redhat-operators redhat-operators-after-4.18=redhat-operators redhat-operators=redhat-operators", ""},
		"only a later one":      {"4.16.3", indexes(redhatIndex, "v4.17"), nil, "redhat-operators-after-4.17=redhat-operators", "the catalog redhat-operators for 4.17 and not for 4.16"},
		"only an earlier one":   {"4.16.3", indexes(redhatIndex, "v4.15"), nil, "", "the catalog redhat-operators for 4.15 and not for 4.16"},
		"a tag with a date":     {"4.16.3", indexes(redhatIndex, "v4.16-1711601986", "v4.17-1711601986"), nil, "redhat-operators-after-4.17=redhat-operators redhat-operators=redhat-operators", ""},
		"5 comes after 4":       {"4.23.0", indexes(redhatIndex, "v4.23", "v5.0"), nil, "redhat-operators-after-5.0=redhat-operators redhat-operators=redhat-operators", ""},
		"9 before 10":           {"4.9.0", indexes(redhatIndex, "v4.9", "v4.10"), nil, "redhat-operators-after-4.10=redhat-operators redhat-operators=redhat-operators", ""},
		"a product's versions":  {"4.16.3", indexes("quay.io/acme/catalog", "v4.17", "v4.18"), nil, "catalog-v4-17=catalog-v4-17 catalog=catalog", ""},
		"not of OpenShift":      {"4.16.3", indexes("quay.io/acme/catalog", "v1.2", "v1.3"), nil, "catalog-v1-2=catalog-v1-2 catalog=catalog", ""},
		"as OpenShift's":        {"4.16.3", indexes("quay.io/acme/catalog", "v4.16", "v4.17"), nil, "catalog-after-4.17=catalog catalog=catalog", ""},
		"a name by hand":        {"4.16.3", indexes(redhatIndex, "v4.16", "v4.17"), map[string]string{redhatIndex + ":v4.16": "ours"}, "ours-after-4.17=ours ours=ours", ""},
		"one name for both":     {"4.16.3", indexes(redhatIndex, "v4.16", "v4.17"), map[string]string{redhatIndex: "ours"}, "ours-after-4.17=ours ours=ours", ""},
		"a name for the later":  {"4.16.3", indexes(redhatIndex, "v4.16", "v4.17"), map[string]string{redhatIndex + ":v4.17": "next"}, "next-after-4.17=next redhat-operators=redhat-operators", ""},
		"a name with after":     {"4.16.3", indexes(redhatIndex, "v4.16", "v4.17"), map[string]string{redhatIndex + ":v4.16": "ours-after-hours"}, "ours-after-hours-after-4.17=ours-after-hours ours-after-hours=ours-after-hours", ""},
		"several repositories":  {"4.16.3", append(indexes(redhatIndex, "v4.16", "v4.17"), indexes("registry.redhat.io/redhat/certified-operator-index", "v4.16")...), nil, "certified-operators=certified-operators redhat-operators-after-4.17=redhat-operators redhat-operators=redhat-operators", ""},
		"OKD's community":       {"4.17.0-okd-scos.1", indexes("registry.access.redhat.com/redhat/community-operator-index", "v4.17"), nil, "community-operators=community-operators", ""},
		"an earlier one beside": {"4.17.3", indexes(redhatIndex, "v4.14", "v4.16", "v4.18"), nil, "redhat-operators-after-4.18=redhat-operators", "for 4.14, 4.16 and 4.18 and not for 4.17"},
	} {
		files, notes := pagesOf(t, emitInput{Mirror: "m.example/ns", Images: c.images, CatalogNames: c.names}, func(s *site.Site) {
			if c.runs != "" {
				s.Cluster = clusterOf(t, c.runs, nil)
			}
		})
		if got := strings.Join(sourcesOf(t, files), " "); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if c.note != "" && !strings.Contains(notes, c.note) || c.note == "" && strings.Contains(notes, "which the cluster runs") {
			t.Errorf("%s: notes %q, want %q", name, notes, c.note)
		}
		for file := range files {
			later := strings.Contains(file, "-after-4.") || strings.Contains(file, "-after-5.") || c.runs == "" && strings.Contains(file, "redhat-operators-v4-")
			if synced := files["gitops/"+file] != ""; strings.HasPrefix(file, "catalogsource-") && synced == later {
				t.Errorf("%s: %s is in GitOps: %t", name, file, synced)
			}
		}
		for _, line := range strings.Split(files[handover.FileApply], "\n") {
			if strings.Contains(line, "oc apply") && (strings.Contains(line, "-after-4.") || strings.Contains(line, "-after-5.") || strings.Contains(line, "redhat-operators-v4-")) {
				t.Errorf("%s: a catalog for another version is applied: %s", name, line)
			}
		}
	}
}

// TestOlderCatalog: a catalog for an earlier version never takes the place of one for a later one,
// in no kind, and GitOps keeps what is there.
func TestOlderCatalog(t *testing.T) {
	t.Parallel()
	const label, place = `"labels":{"app.kubernetes.io/managed-by":"satchel"}`, "m.example/ns/redhat/redhat-operator-index"
	byDigest := place + "@sha256:" + strings.Repeat("a", 64)
	source := func(image, meta string) string {
		return fmt.Sprintf(`{"apiVersion":"operators.coreos.com/v1alpha1","kind":"CatalogSource","metadata":{"name":"redhat-operators","namespace":"openshift-marketplace"%s},"spec":{"sourceType":"grpc","image":%q}}`, meta, image)
	}
	served := func(version string) string {
		return fmt.Sprintf(`{"apiVersion":"olm.operatorframework.io/v1","kind":"ClusterCatalog","metadata":{"name":"redhat-operators",%s,"annotations":{%q:%q}},"spec":{"source":{"type":"Image","image":{"ref":%q}}}}`, label, site.IndexVersion, version, byDigest)
	}
	noted := func(version string) string {
		return fmt.Sprintf(`,%s,"annotations":{%q:%q}`, label, site.IndexVersion, version)
	}
	for name, c := range map[string]struct {
		present string
		tag     string
		names   map[string]string
		left    string // the kind that is left out; both where the cluster has none of the name to stay
	}{
		"satchel's, later":       {source(byDigest, noted("4.19")), "v4.18", nil, "CatalogSource"},
		"by its tag":             {source(place+":v4.19", ""), "v4.18", nil, "CatalogSource"},
		"of another mirror":      {source("other.example/x:v4.19", ""), "v4.18", nil, "CatalogSource"},
		"as old":                 {source(byDigest, noted("4.18")), "v4.18", nil, ""},
		"older":                  {source(byDigest, noted("4.17")), "v4.18", nil, ""},
		"not known":              {source(byDigest, ","+label), "v4.18", nil, ""},
		"too late for it":        {source(byDigest, noted("4.20")), "v4.19", nil, ""},
		"the cluster's default":  {source(redhatIndex+":v4.19", `,"annotations":{"operatorframework.io/managed-by":"marketplace-operator"}`), "v4.18", nil, "both"},
		"asked for by name":      {source(byDigest, noted("4.19")), "v4.18", map[string]string{redhatIndex: "redhat-operators"}, ""},
		"a name of its own":      {source(byDigest, noted("4.19")), "v4.18", map[string]string{redhatIndex: "old"}, ""},
		"of OLM v1 alone":        {served("4.19"), "v4.18", nil, "both"},
		"of OLM v1, older still": {served("4.17"), "v4.18", nil, "both"},
	} {
		files, notes := pagesOf(t, emitInput{Mirror: "m.example/ns", Images: indexes(redhatIndex, c.tag), CatalogNames: c.names}, func(s *site.Site) {
			s.Cluster = clusterOf(t, "4.19.3", asked, c.present)
		})
		page := files[handover.FileApply]
		text, note := "**Left out: the catalog "+redhatIndex+":v4.18 is for 4.18, and the "+c.left, "that one stays as it is"
		if c.left == "both" {
			text, note = "**Left out: `"+redhatIndex+":v4.18`, because this cluster runs 4.19", "is left out (carry the catalog for 4.19"
		}
		if said := strings.Contains(page, text); said != (c.left != "") || strings.Contains(notes, note) != said {
			t.Errorf("%s: said %t, notes %s", name, said, notes)
		}
		for _, kind := range []string{"CatalogSource", "ClusterCatalog"} {
			file := strings.ToLower(kind) + "-redhat-operators.yaml"
			out := c.left == kind || c.left == "CatalogSource" || c.left == "both" || c.names[redhatIndex] == "old"
			if has := files[file] != ""; has == out {
				t.Errorf("%s: %s is written: %t", name, file, has)
			}
			if strings.Contains(page, "&& oc delete "+strings.ToLower(kind)) || strings.Contains(page, "\noc delete "+strings.ToLower(kind)) {
				t.Errorf("%s: the page deletes what stays:\n%s", name, page)
			}
		}
		kind := c.left
		if kind == "both" {
			kind = "ClusterCatalog"
		}
		if ours := strings.Contains(c.present, label); ours && c.left != "" && !strings.Contains(files["gitops/"+strings.ToLower(kind)+"-redhat-operators.yaml"], byDigest) {
			t.Errorf("%s: GitOps does not keep what is there: %s", name, files[fileKustomization])
		}
	}
}

// TestCatalogSwitch: after the update, the later catalogs take the names of those before, kept
// ones too, and the Automatic Subscriptions that follow are listed.
func TestCatalogSwitch(t *testing.T) {
	t.Parallel()
	inv, given := emitInput{Mirror: "m.example/ns", Images: indexes(redhatIndex, "v4.17", "v4.18")}.parse(t)
	sub := func(name, source, approval string) string {
		return fmt.Sprintf(`{"apiVersion":"operators.coreos.com/v1alpha1","kind":"Subscription","metadata":{"name":%q,"namespace":"ns-%[1]s"},"spec":{"name":"pkg","channel":"stable","source":%q,"sourceNamespace":"openshift-marketplace","installPlanApproval":%q},"status":{"installedCSV":"pkg.v1"}}`, name, source, approval)
	}
	given.Cluster = clusterOf(t, "4.17.3", nil,
		`{"apiVersion":"operators.coreos.com/v1alpha1","kind":"CatalogSource","metadata":{"name":"cs-redhat-operator-index-v4-17","namespace":"openshift-marketplace"},"spec":{"sourceType":"grpc","image":"m.example/ns/redhat/redhat-operator-index:v4.17"}}`,
		sub("auto", "cs-redhat-operator-index-v4-17", "Automatic"), sub("unset", "cs-redhat-operator-index-v4-17", ""), sub("manual", "cs-redhat-operator-index-v4-17", "Manual"), sub("other", "other", "Automatic"),
	)
	e := newEmission(&handover.Handover{Site: given, Images: inv.Images})
	must(t, e.hub.EmitCatalogs())
	p := page.New(false)
	e.hub.StepCatalogSwitch(p, semver.MustParse("4.18.2"))
	got := string(p.Bytes())
	for _, want := range []string{
		"## 1. Catalogs for 4.18\n", "oc apply -f catalogsource-cs-redhat-operator-index-v4-17-after-4.18.yaml",
		"oc wait catalogsource/cs-redhat-operator-index-v4-17 -n openshift-marketplace --for=jsonpath='{.status.connectionState.lastObservedState}'=READY",
		"`auto` in `ns-auto`: package `pkg`, channel `stable`, installed `pkg.v1`", "`unset` in `ns-unset`",
		"oc apply -f clustercatalog-redhat-operators-after-4.18.yaml", operatorhub.FileCatalogsOff, // 4.18 is the first with OLM v1
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "ns-manual") || strings.Contains(got, "ns-other") {
		t.Errorf("these do not follow:\n%s", got)
	}
	p = page.New(false)
	if e.hub.StepCatalogSwitch(p, semver.MustParse("4.19.0")); p.Count() != 0 {
		t.Errorf("there are no catalogs for 4.19:\n%s", p.Bytes())
	}
}

// TestPodConfig: what the pods of catalogs have, by version, as the default ones of that version.
func TestPodConfig(t *testing.T) {
	t.Parallel()
	const hosted = `{"apiVersion":"config.openshift.io/v1","kind":"Infrastructure","metadata":{"name":"cluster"},"status":{"controlPlaneTopology":"External"}}`
	for name, c := range map[string]struct {
		runs, image, object, want string
		built                     bool
	}{
		"not known":      {"", redhatIndex + ":v4.16", "", "nodeSelector priorityClassName securityContextConfig tolerations", false},
		"4.9":            {"4.9.1", redhatIndex + ":v4.9", "", "", false},
		"4.11":           {"4.11.1", redhatIndex + ":v4.11", "", "nodeSelector priorityClassName tolerations", false},
		"4.12":           {"4.12.1", redhatIndex + ":v4.12", "", "nodeSelector priorityClassName securityContextConfig tolerations", false},
		"4.15":           {"4.15.1", redhatIndex + ":v4.15", "", "extractContent nodeSelector priorityClassName securityContextConfig tolerations", false},
		"an older index": {"4.15.1", redhatIndex + ":v4.14", "", "nodeSelector priorityClassName securityContextConfig tolerations", false},
		"filtered":       {"4.16.1", redhatIndex + ":v4.16", "", "nodeSelector priorityClassName securityContextConfig tolerations", true},
		"another's":      {"4.16.1", "quay.io/acme/catalog:v4.16", "", "nodeSelector priorityClassName securityContextConfig tolerations", false},
		"hosted":         {"4.16.1", redhatIndex + ":v4.16", hosted, "extractContent securityContextConfig", false},
	} {
		e := newEmission(&handover.Handover{})
		if c.runs != "" {
			var objects []string
			if c.object != "" {
				objects = append(objects, c.object)
			}
			e.Site.Cluster = clusterOf(t, c.runs, nil, objects...)
		}
		img := emitImage{Origin: origin.Catalog, Source: c.image}.image(t)
		img.Built = c.built
		config := e.hub.PodConfig(operatorhub.CatalogObject{Image: img})
		var keys []string
		for k := range config {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		if got := strings.Join(keys, " "); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// TestPodConfigOfTemplate: what a template says stays.
func TestPodConfigOfTemplate(t *testing.T) {
	t.Parallel()
	in := emitInput{Mirror: "m.example", Images: indexes("quay.io/acme/catalog", "v1")}
	files, _ := pagesOf(t, in, func(s *site.Site) {
		spec := map[string]any{"priority": 7, "grpcPodConfig": map[string]any{"securityContextConfig": "legacy", "nodeSelector": map[string]any{"a": "b"}}}
		s.Templates = []documents.CatalogTemplate{{Catalog: "quay.io/acme/catalog:v1", Spec: spec}}
	})
	var cs kube.CatalogSource
	must(t, yaml.Unmarshal([]byte(files["catalogsource-catalog.yaml"]), &cs))
	config := cs.Spec.GRPCPodConfig
	if cs.Spec.Priority != 7 || config["securityContextConfig"] != "legacy" || fmt.Sprint(config["nodeSelector"]) != "map[a:b]" || config["priorityClassName"] != "system-cluster-critical" || len(config["tolerations"].([]any)) != 3 {
		t.Errorf("%s", files["catalogsource-catalog.yaml"])
	}
}

// TestCatalogsThere: what the cluster has already is not applied again, and said so.
func TestCatalogsThere(t *testing.T) {
	t.Parallel()
	in := emitInput{Mirror: "m.example", Images: indexes(redhatIndex, "v4.18")}
	hub := `{"apiVersion":"config.openshift.io/v1","kind":"OperatorHub","metadata":{"name":"cluster"},"spec":{"disableAllDefaultSources":true}}`
	asked := []string{"CatalogSource", "Subscription", "ClusterCatalog", "ClusterExtension", "HelmChartRepository"}
	first, _ := pagesOf(t, in, func(s *site.Site) { s.Cluster = clusterOf(t, "4.18.1", asked, hub) })
	object := func(file string) string {
		body, err := yaml.YAMLToJSON([]byte(first[file]))
		must(t, err)
		return string(body)
	}
	files, _ := pagesOf(t, in, func(s *site.Site) {
		s.Cluster = clusterOf(t, "4.18.1", asked, hub, object("catalogsource-redhat-operators.yaml"), object("clustercatalog-redhat-operators.yaml"))
	})
	page := files[handover.FileApply]
	nothing, _, _ := strings.Cut(page[strings.Index(page, "Nothing to do: "):], "\n")
	for _, want := range []string{"the default catalogs", "the catalogs", "the catalogs of OLM v1", "the console's Helm charts"} {
		if !strings.Contains(nothing, want) {
			t.Errorf("%q is not in %q", want, nothing)
		}
	}
	for _, never := range []string{"oc apply -f catalogsource", "oc apply -f clustercatalog", "oc patch operatorhub", "oc patch clustercatalog", "oc patch helmchart"} {
		if strings.Contains(page, never) {
			t.Errorf("%s, though it is there", never)
		}
		if strings.Contains(never, "apply") && !strings.Contains(first[handover.FileApply], never) {
			t.Errorf("%s is missing in the first week", never)
		}
	}
	if files["catalogsource-redhat-operators.yaml"] == "" || files["clustercatalog-redhat-operators.yaml"] == "" {
		t.Error("the files are the whole desired state")
	}
}

// TestEarlierCatalogs: catalogs of earlier bundles for the versions that updates lead to keep their
// files and steps; where the mirror has none, the page says so before the updates.
func TestEarlierCatalogs(t *testing.T) {
	t.Parallel()
	const step, lacks = "Catalogs for 4.19\n", "**No catalog `redhat-operators` for 4.19 is known to be in the mirror"
	for name, c := range map[string]struct {
		carried, earlier []string
		step, lacks      bool
	}{
		"none":             {[]string{"v4.18"}, nil, false, true},
		"of week 1":        {[]string{"v4.18"}, []string{"v4.19"}, true, false},
		"of both":          {[]string{"v4.18", "v4.19"}, []string{"v4.19"}, true, false},
		"for what runs":    {[]string{"v4.18"}, []string{"v4.18"}, false, true},
		"no catalog now":   {nil, []string{"v4.19"}, true, false},
		"no catalog ever":  {nil, nil, false, false},
		"for what runs no": {nil, []string{"v4.18"}, false, false},
	} {
		in := emitInput{Mirror: "m.example", ClusterVersion: "4.18.10", Images: append(payloads("4.19.14-x86_64"), indexes(redhatIndex, c.carried...)...), Facts: []emitFacts{{Tag: "4.19.14-x86_64", From: []string{"4.18.10"}}}}
		files, _ := pagesOf(t, in, func(s *site.Site) {
			for _, img := range indexes(redhatIndex, c.earlier...) {
				s.EarlierCatalogs = append(s.EarlierCatalogs, img.image(t))
			}
		})
		apply := files[handover.FileApply]
		if got := strings.Contains(apply, step) && files["catalogsource-redhat-operators-after-4.19.yaml"] != ""; got != c.step {
			t.Errorf("%s: the step is there: %t\n%s", name, got, apply)
		}
		if got := strings.Contains(apply, lacks); got != c.lacks {
			t.Errorf("%s: said that it lacks: %t\n%s", name, got, apply)
		}
		if strings.Contains(apply, "-f catalogsource-redhat-operators.yaml") != (len(c.carried) > 0) {
			t.Errorf("%s: what runs is of this bundle alone:\n%s", name, apply)
		}
	}
}
