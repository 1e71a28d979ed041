package inuse

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

func deleteConfig(t *testing.T, body string) *manifests.DeleteConfig {
	t.Helper()
	c, err := manifests.ParseDelete("delete.yaml", []byte("kind: DeleteImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\ndelete: "+body+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// going lists the names of what goes.
func (s *site) going(n *Named) string {
	var list []string
	for name, d := range s.names {
		for _, repo := range factsOf(s.bundles).manifests[d.Digest] {
			if n.Goes(repo, d.Digest) {
				list = append(list, name)
			}
		}
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), ", ")
}

// TestName: what a delete configuration names, and nothing that something else has too.
func TestName(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const first = "own 4.16.1, payload 4.16.1, signature 4.16.1"
	for name, tc := range map[string]struct{ config, want, note string }{
		"a release":              {`{platform: {channels: [{name: stable-4.16, minVersion: 4.16.1, maxVersion: 4.16.1}]}}`, first, ""},
		"up to a release":        {`{platform: {channels: [{name: stable-4.16, maxVersion: 4.16.1}]}}`, first, ""},
		"both":                   {`{platform: {channels: [{name: stable-4.16, full: true}]}}`, "own 4.16.1, own 4.16.2, payload 4.16.1, payload 4.16.2, shared, signature 4.16.1, signature 4.16.2", ""},
		"in two channels":        {`{platform: {channels: [{name: stable-4.16, maxVersion: 4.16.1}, {name: fast-4.16, minVersion: 4.16.2}]}}`, "own 4.16.1, own 4.16.2, payload 4.16.1, payload 4.16.2, shared, signature 4.16.1, signature 4.16.2", ""},
		"of another minor":       {`{platform: {channels: [{name: stable-4.15, full: true}]}}`, "", "no receipt has a release of stable-4.15"},
		"of another kind":        {`{platform: {channels: [{name: 4-stable, type: okd, full: true}]}}`, "", "no receipt has a release"},
		"of another machine":     {`{platform: {architectures: [arm64], channels: [{name: stable-4.16, full: true}]}}`, "", "no receipt has a release"},
		"the newest":             {`{platform: {channels: [{name: stable-4.16}]}}`, "", "which release is the newest of the channel is not known here"},
		"the shortest way":       {`{platform: {channels: [{name: stable-4.16, minVersion: 4.16.1, maxVersion: 4.16.9, shortestPath: true}]}}`, first, "which releases are on the way"},
		"a payload":              {`{platform: {release: "quay.io/openshift-release-dev/ocp-release:4.16.1-x86_64"}}`, first, ""},
		"a payload's digest":     {`{platform: {release: "quay.io/openshift-release-dev/ocp-release@` + s.names["payload 4.16.1"].Digest.String() + `"}}`, first, ""},
		"the graph":              {`{platform: {graph: true}}`, "graph 1, graph 2", ""},
		"a version":              {`{operators: [{catalog: "r.io/redhat/index:v4.16", packages: [{name: etcd, maxVersion: 1.0.0}]}]}`, "bundle 1.0.0, operand 1.0.0", ""},
		"a package":              {`{operators: [{catalog: "r.io/redhat/index:v4.16", packages: [{name: etcd}]}]}`, "bundle 1.0.0, bundle 2.0.0, operand 1.0.0, operand 2.0.0", ""},
		"a catalog":              {`{operators: [{catalog: "r.io/redhat/index:v4.16"}]}`, "bundle 1.0.0, bundle 2.0.0, catalog 1.0.0, catalog 2.0.0, operand 1.0.0, operand 2.0.0", ""},
		"another catalog":        {`{operators: [{catalog: "r.io/redhat/index:v4.15"}]}`, "", "no receipt has the catalog r.io/redhat/index:v4.15"},
		"a package that is none": {`{operators: [{catalog: "r.io/redhat/index:v4.16", packages: [{name: none}]}]}`, "", "has what is asked for of package none"},
		"by a tag":               {`{additionalImages: [{name: "q.io/app/tool:v1"}]}`, "tool 1", ""},
		"by the mirror's name":   {`{additionalImages: [{name: "` + host + `/ns/app/tool:v1"}]}`, "tool 1", ""},
		"by a tag that moved":    {`{additionalImages: [{name: "docker://q.io/app/web:latest"}]}`, "app 1, app 2, child 1, child 2", ""},
		"by a digest":            {`{additionalImages: [{name: "q.io/app/web@` + s.names["app 1"].Digest.String() + `"}]}`, "app 1, child 1", ""},
		"by another's tag":       {`{additionalImages: [{name: "q.io/app/tool:v1", targetRepo: else/where}]}`, "", "delete.additionalImages[0]: no receipt has q.io/app/tool:v1"},
		"an operand alone":       {`{additionalImages: [{name: "q.io/etcd/operand@` + s.names["operand 1.0.0"].Digest.String() + `"}]}`, "", ""},
		"a chart":                {`{helm: {local: [{name: web, version: 1.0.0}]}}`, "", "no receipt has the chart web 1.0.0"},
		"a chart by its path":    {`{helm: {local: [{path: /charts/web.tgz}]}}`, "", "which chart /charts/web.tgz was is not known here"},
		"charts":                 {`{helm: {repositories: [{name: r, url: "https://charts.example"}]}}`, "", "which charts it had is not known here"},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := Name(t.Context(), deleteConfig(t, tc.config), host, s.bundles, s, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.going(n); got != tc.want {
				t.Errorf("goes: %s\nwant: %s", got, tc.want)
			}
			if notes := strings.Join(n.Notes(), "\n"); !strings.Contains(notes, tc.note) || tc.note == "" && notes != "" {
				t.Errorf("notes: %q, want %q", n.Notes(), tc.note)
			}
		})
	}
}

// TestNameShared: what another catalog has too, or one that cannot be read may have, stays.
func TestNameShared(t *testing.T) {
	t.Parallel()
	const body = `{operators: [{catalog: "r.io/redhat/index:v4.16"}]}`
	s := newSite(t)
	docs := `{"schema":"olm.package","name":"other","defaultChannel":"a"}
{"schema":"olm.channel","package":"other","name":"a","entries":[{"name":"other.v1"}]}
{"schema":"olm.bundle","package":"other","name":"other.v1","image":"q.io/other:1","properties":[{"type":"olm.package","value":{"packageName":"other","version":"1.0.0"}}],"relatedImages":[{"name":"x","image":"q.io/etcd/operand@` + s.names["operand 1.0.0"].Digest.String() + `"}]}
`
	index, err := s.Catalog("amd64", map[string][]byte{"other/catalog.json": []byte(docs)})
	if err != nil {
		t.Fatal(err)
	}
	s.put("catalog other", oci.Image{Origin: manifests.OriginCatalog, Source: ref("r.io/other/index:v1"), Root: index, Tags: []string{"v1"}, Built: true})
	n, err := Name(t.Context(), deleteConfig(t, body), host, s.bundles, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.going(n), "bundle 1.0.0, bundle 2.0.0, catalog 1.0.0, catalog 2.0.0, operand 2.0.0"; got != want {
		t.Errorf("goes: %s, want %s", got, want)
	}
	s.put("catalog broken", oci.Image{Origin: manifests.OriginCatalog, Source: ref("r.io/broken/index:v1"), Root: s.Image(false, s.Layer(64, ocitest.LayerGzip)), Tags: []string{"v1"}, Built: true})
	if n, err = Name(t.Context(), deleteConfig(t, body), host, s.bundles, s, nil); err != nil {
		t.Fatal(err)
	}
	if got, want := s.going(n), "catalog 1.0.0, catalog 2.0.0"; got != want || !strings.Contains(strings.Join(n.Notes(), "\n"), "the images of operators stay") {
		t.Errorf("goes: %s, want %s; %q", got, want, n.Notes())
	}
}

// TestNameAlsoElsewhere: what another part of a configuration asked for too stays.
func TestNameAlsoElsewhere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.put("tool again", oci.Image{Origin: manifests.OriginOperator, Source: ref("q.io/app/tool:v1"), Root: s.names["tool 1"], Tags: []string{"v1"}})
	n, err := Name(t.Context(), deleteConfig(t, `{additionalImages: [{name: "q.io/app/tool:v1"}]}`), host, s.bundles, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.going(n); got != "" {
		t.Errorf("goes: %s", got)
	}
}

// chart puts a chart that runs images.
func (s *site) chart(t *testing.T, name, template string) {
	t.Helper()
	layer, err := s.Files(ocitest.LayerGzip,
		ocitest.File{Name: name + "/Chart.yaml", Body: []byte("apiVersion: v2\nname: " + name + "\nversion: 1.0.0\n")},
		ocitest.File{Name: name + "/templates/pod.yaml", Body: []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n" + template)})
	if err != nil {
		t.Fatal(err)
	}
	layer.MediaType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
	config := s.Blob([]byte(`{"name":"`+name+`","version":"1.0.0"}`), "application/vnd.cncf.helm.config.v1+json")
	body, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": oci.MediaTypeManifest, "config": config, "layers": []oci.Descriptor{layer}})
	if err != nil {
		t.Fatal(err)
	}
	s.put("chart "+name, oci.Image{Origin: manifests.OriginChart, Source: ref("charts.local/charts/" + name + ":1.0.0"), Root: s.Blob(body, oci.MediaTypeManifest), Path: manifests.PathCharts + name, Tags: []string{"1.0.0"}, Built: true})
}

// TestNameChart names the images that a chart runs, without those of others.
func TestNameChart(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, name := range []string{"one", "both"} {
		s.put(name, oci.Image{Origin: manifests.OriginChart, Source: ref("q.io/chart/" + name + ":v1"), Root: s.image(), Tags: []string{"v1"}})
	}
	s.chart(t, "web", "  - {name: a, image: 'q.io/chart/one:v1'}\n  - {name: b, image: 'q.io/chart/both:v1'}\n")
	const config = `{helm: {local: [{name: web, version: v1.0.0}]}}`
	for _, step := range []struct{ template, want, note string }{
		{"", "both, chart web, one", "images are named that it runs with its own values"},
		{"  - {name: c, image: 'q.io/chart/both:v1'}\n", "chart web, one", ""},
		{"  - {{ fail \"no\" }}\n", "chart web", "cannot be rendered, and it may run them"},
	} {
		if step.template != "" {
			s.chart(t, "other", step.template)
		}
		n, err := Name(t.Context(), deleteConfig(t, config), host, s.bundles, s, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.going(n); got != step.want || !strings.Contains(strings.Join(n.Notes(), "\n"), step.note) {
			t.Errorf("%q: %s, want %s; %q", step.template, got, step.want, n.Notes())
		}
	}
	s.chart(t, "web", "  - {{ fail \"no\" }}\n")
	n, err := Name(t.Context(), deleteConfig(t, config), host, s.bundles, s, nil)
	if err != nil || !strings.Contains(strings.Join(n.Notes(), "\n"), "the chart web 1.0.0 cannot be rendered, so not all of its images are known") {
		t.Errorf("%v, %q", err, n.Notes())
	}
}
