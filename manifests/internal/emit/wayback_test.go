package emit

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/operatorhub"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/octest"
)

// site418 is a cluster of 4.18 with objects of others, before the first week.
const site418 = `
apiVersion: config.openshift.io/v1
kind: ClusterVersion
metadata: {name: version}
spec: {channel: stable-4.18}
status: {desired: {version: 4.18.3}, history: [{state: Completed, version: 4.18.3}]}
---
apiVersion: config.openshift.io/v1
kind: Image
metadata: {name: cluster}
spec: {additionalTrustedCA: {name: company}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: company, namespace: openshift-config}
data: {other.example: an authority, m.example..5000: "an authority of before\n"}
---
apiVersion: config.openshift.io/v1
kind: OperatorHub
metadata: {name: cluster}
spec: {}
---
apiVersion: config.openshift.io/v1
kind: Proxy
metadata: {name: cluster}
spec: {noProxy: a.example}
---
apiVersion: machineconfiguration.openshift.io/v1
kind: MachineConfigPool
metadata: {name: worker}
---
apiVersion: v1
kind: Node
metadata: {name: node-a, labels: {node-role.kubernetes.io/master: "", node-role.kubernetes.io/worker: "", kubernetes.io/os: linux}}
status: {conditions: [{type: Ready, status: "True"}]}
---
apiVersion: olm.operatorframework.io/v1
kind: ClusterCatalog
metadata: {name: openshift-redhat-operators}
spec: {source: {type: Image, image: {ref: "registry.redhat.io/redhat/redhat-operator-index:v4.18"}}}
---
apiVersion: olm.operatorframework.io/v1
kind: ClusterCatalog
metadata: {name: openshift-community-operators}
spec: {availabilityMode: Unavailable, source: {type: Image, image: {ref: "registry.redhat.io/redhat/community-operator-index:v4.18"}}}
---
apiVersion: helm.openshift.io/v1beta1
kind: HelmChartRepository
metadata: {name: openshift-helm-charts}
spec: {disabled: true, connectionConfig: {url: "https://charts.openshift.io"}}
---
apiVersion: olm.operatorframework.io/v1
kind: ClusterExtension
metadata: {name: chosen}
spec: {source: {catalog: {packageName: acme, selector: {matchLabels: {olm.operatorframework.io/metadata.name: openshift-redhat-operators}}}}}
---
apiVersion: operators.coreos.com/v1alpha1
kind: Subscription
metadata: {name: tool, namespace: team}
spec: {name: tool, channel: stable, source: redhat-operators, sourceNamespace: openshift-marketplace}
`

// laterObjects are what others do before the second week: oc-mirror's rules and catalogs for this
// mirror, a catalog of the company, and a Subscription to each.
const laterObjects = `
apiVersion: config.openshift.io/v1
kind: ImageDigestMirrorSet
metadata: {name: idms-operator-0, annotations: {createdBy: oc-mirror v2}, resourceVersion: "8", uid: u-1}
spec: {imageDigestMirrors: [{source: q.example/team/tool, mirrors: ["m.example:5000/ocp/team/tool"]}]}
---
apiVersion: operators.coreos.com/v1alpha1
kind: CatalogSource
metadata: {name: cs-community-operator-index-v4-18, namespace: openshift-marketplace}
spec: {sourceType: grpc, image: "m.example:5000/ocp/redhat/community-operator-index:v4.18"}
---
apiVersion: operators.coreos.com/v1alpha1
kind: CatalogSource
metadata: {name: company, namespace: openshift-marketplace}
spec: {sourceType: grpc, image: "registry.example/company/catalog:v1"}
---
apiVersion: operators.coreos.com/v1alpha1
kind: Subscription
metadata: {name: net.of-two, namespace: team}
spec: {name: net, channel: stable, source: cs-community-operator-index-v4-18, sourceNamespace: openshift-marketplace}
---
apiVersion: operators.coreos.com/v1alpha1
kind: Subscription
metadata: {name: elsewhere, namespace: team}
spec: {name: net, channel: stable, source: cs-community-operator-index-v4-18, sourceNamespace: team}
---
apiVersion: olm.operatorframework.io/v1
kind: ClusterCatalog
metadata: {name: cc-redhat-operator-index-v4-18}
spec: {source: {type: Image, image: {ref: "m.example:5000/ocp/redhat/redhat-operator-index:v4.18"}}}
`

// wayWeek is the input of the first week, or of later ones, which have more.
func wayWeek(t *testing.T, later bool) emitInput {
	in := emitInput{Mirror: "m.example:5000/ocp", CA: testCA(t), Images: []emitImage{
		{Origin: origin.Catalog, Source: "registry.redhat.io/redhat/redhat-operator-index:v4.18", Tags: []string{"v4.18"}},
		{Origin: origin.Operator, Source: "q.example/team/tool:1"},
	}}
	if later {
		in.Images = append(in.Images,
			emitImage{Origin: origin.Catalog, Source: "registry.redhat.io/redhat/community-operator-index:v4.18", Tags: []string{"v4.18"}},
			emitImage{Origin: origin.Catalog, Source: "registry.example/company/catalog:v2"})
		in.CatalogNames = map[string]string{"registry.example/company/catalog:v2": "company", "registry.redhat.io/redhat/community-operator-index:v4.18": "community-operators"}
	}
	return in
}

// readFrom is what satchel reads of a cluster.
func readFrom(t *testing.T, c *octest.Cluster) *cluster.State {
	t.Helper()
	var list []string
	for _, o := range c.Snapshot() {
		list = append(list, o)
	}
	slices.Sort(list)
	return weekState(t, list...)
}

// written puts files into a directory, in place of those of last week.
func written(t *testing.T, dir string, files []handover.File) {
	t.Helper()
	for _, f := range files {
		name := filepath.Join(dir, f.Name)
		must(t, os.MkdirAll(filepath.Dir(name), 0o700))
		must(t, os.WriteFile(name, f.Body, f.Mode))
	}
}

// offeredCommand is a command in a list, for a person to decide on.
var offeredCommand = regexp.MustCompile("(?m)^- .*`((?:keep [^`]+ && )?oc (?:delete|patch) [^`]+)`")

// follow runs the commands of a page, each block as often as it is told, but those of the pull
// secret; then what the lists offer, as a person does who agrees to all of it.
func follow(t *testing.T, c *octest.Cluster, dir string, page []byte, times int) {
	t.Helper()
	before := len(c.Failed())
	for _, b := range octest.Blocks(page) {
		if strings.Contains(b.Step, "pull secret") {
			continue
		}
		for range times {
			c.Page(t, dir, []byte("```\n"+b.Commands+"```\n"))
		}
	}
	for _, m := range offeredCommand.FindAllSubmatch(page, -1) {
		if strings.HasPrefix(string(m[1]), "oc delete imagedigestmirrorset ") {
			t.Errorf("it is deleted also where it is not kept: %s", m[1])
		}
		c.Page(t, dir, []byte("```\n"+strings.Join(handover.WithKeep(string(m[1])), "\n")+"\n```\n"))
	}
	for _, f := range c.Failed()[before:] {
		t.Error(f)
	}
}

// TestWayBack: in any week, what of others a page changes, replaces or offers for deletion is kept
// before, and the way back sets it as it was: also where it stops anywhere and begins again, and
// where each block is pasted twice.
func TestWayBack(t *testing.T) {
	t.Parallel()
	c, dir := octest.New(t, 18, site418), t.TempDir()
	week := func(later bool) []handover.File {
		files := emitOn(t, wayWeek(t, later), readFrom(t, c))
		written(t, dir, files)
		follow(t, c, dir, fileOf(t, files, handover.FileApply).Body, 2)
		return files
	}
	week(false)
	checkBack(t, c, dir, octest.New(t, 18, site418).Snapshot(), 0)
	c.Put(t, laterObjects)
	week(true)
	for _, gone := range []octest.Key{{Kind: "ImageDigestMirrorSet", Name: "idms-operator-0"}, {Kind: "CatalogSource", Namespace: operatorhub.Marketplace, Name: "cs-community-operator-index-v4-18"}} {
		if _, has := c.Snapshot()[gone]; has {
			t.Errorf("week 2 did not offer %s for deletion", gone)
		}
	}
	files := week(true)
	if page := string(fileOf(t, files, handover.FileApply).Body); strings.Contains(page, "keep ") {
		t.Errorf("nothing of others is left to change in week 3:\n%s", page)
	}
	checkBack(t, c, dir, octest.New(t, 18, site418+"---"+laterObjects).Snapshot(), 7)
}

// TestWayBackOfLittle: the way back of a week that knows image.config alone, when satchel's
// values are in it already, goes to the state before satchel, and leaves what others have added.
func TestWayBackOfLittle(t *testing.T) {
	t.Parallel()
	objects := strings.Replace(site418, "spec: {additionalTrustedCA: {name: company}}", "spec: {}", 1)
	for others, named := range map[string]bool{"": false, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: registry-config, namespace: openshift-config}\ndata: {more.example: theirs}\n": true} {
		c, dir := octest.New(t, 18, objects), t.TempDir()
		files := emitOn(t, wayWeek(t, false), readFrom(t, c))
		written(t, dir, files)
		follow(t, c, dir, fileOf(t, files, handover.FileApply).Body, 1)
		in := wayWeek(t, false)
		in.PresentImage = c.Snapshot()[octest.Key{Kind: "Image", Name: "cluster"}]
		if c.Put(t, others); !strings.Contains(in.PresentImage, "name: registry-config") {
			t.Fatalf("image.config is %s", in.PresentImage)
		}
		at := t.TempDir()
		files, _ = emit(t, in)
		written(t, at, files)
		want := octest.New(t, 18, objects+"---\n"+others).Snapshot()
		if named {
			want[octest.Key{Kind: "Image", Name: "cluster"}] = in.PresentImage
		}
		checkBack(t, c, at, want, 0)
	}
}

// TestBackToAuthorities: where satchel was given nothing of the cluster, authorities that others had
// under the mirror's key are kept before they are replaced, and come back.
func TestBackToAuthorities(t *testing.T) {
	t.Parallel()
	const theirs = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: theirs, namespace: openshift-config}\ndata: {m.example..5000: theirs, other.example: more}\n"
	c := octest.New(t, 18, strings.Replace(site418, "name: company}}", "name: theirs}}", 1)+theirs)
	files := emitOn(t, wayWeek(t, false), nil)
	for range 2 {
		pasted(t, c, files, handover.FileApply, "Check the cluster", "certificate authorities")
	}
	has := func() string {
		return c.Snapshot()[octest.Key{Kind: "ConfigMap", Namespace: "openshift-config", Name: "theirs"}]
	}
	order(t, has(), "m.example..5000: |", "BEGIN CERTIFICATE", "other.example: more")
	pasted(t, c, files, handover.FileRestore, "What was there before", "certificate authorities")
	order(t, has(), "m.example..5000: theirs", "other.example: more")
	for _, f := range c.Failed() {
		t.Error(f)
	}
}

// TestBackToRulesOfOthers: creating rules for tags again drains, and the page says so where there are
// some, or may be.
func TestBackToRulesOfOthers(t *testing.T) {
	t.Parallel()
	const drains, none = "creating rules for tags again (ImageTagMirrorSet) drains every node", "The rules of others"
	kept := func(key string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: satchel-before, namespace: openshift-config}\ndata: {" + key + ": x}\n"
	}
	mirrors := func(kind, field string) string {
		return "apiVersion: config.openshift.io/v1\nkind: " + kind + "\nmetadata: {name: theirs, annotations: {createdBy: oc-mirror v2}}\nspec: {" + field + ": [{source: q.example/team/tool, mirrors: ['m.example:5000/ocp/team/tool']}]}\n"
	}
	for name, c := range map[string]struct {
		state *cluster.State
		want  []string
	}{
		"none":            {weekState(t, connectedCV), []string{"!" + none}},
		"kept, by digest": {weekState(t, connectedCV, kept("rules-imagedigestmirrorset-x.yaml")), []string{none, "no drain and no reboot", "oc create -f", "!" + drains}},
		"kept, for tags":  {weekState(t, connectedCV, kept("rules-imagetagmirrorset-x.yaml")), []string{none, drains, "oc create -f", "oc wait"}},
		"offered":         {weekState(t, connectedCV, mirrors("ImageDigestMirrorSet", "imageDigestMirrors")), []string{none, "!" + drains}},
		"offered by tag":  {weekState(t, connectedCV, mirrors("ImageTagMirrorSet", "imageTagMirrors")), []string{none, drains, "oc create -f"}},
		"not known":       {nil, []string{none, drains, "oc create -f"}},
		"before 4.13":     {clusterOf(t, "4.12.9", nil), []string{none, "no drain and no reboot", "!" + drains}},
	} {
		files := emitOn(t, wayWeek(t, false), c.state)
		t.Run(name, func(t *testing.T) { order(t, string(fileOf(t, files, handover.FileRestore).Body), c.want...) })
	}
}

// checkBack follows the way back on copies of a cluster, from the start again after each of some
// blocks, and with each block twice.
func checkBack(t *testing.T, c *octest.Cluster, dir string, want map[octest.Key]string, stops ...int) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(dir, handover.FileRestore))
	must(t, err)
	blocks := octest.Blocks(page)
	for _, stop := range stops {
		now, at := octest.New(t, 18, c.Dump()), t.TempDir()
		must(t, os.CopyFS(at, os.DirFS(dir)))
		for _, b := range blocks[:stop] {
			if !strings.Contains(b.Step, "pull secret") {
				now.Page(t, at, []byte("```\n"+b.Commands+"```\n"))
			}
		}
		follow(t, now, at, page, 2)
		sameCluster(t, now.Snapshot(), want)
	}
}

// sameCluster compares all objects, without what the API server counts.
func sameCluster(t *testing.T, is, want map[octest.Key]string) {
	t.Helper()
	plain := func(s string) string {
		var o map[string]any
		must(t, yaml.Unmarshal([]byte(s), &o))
		meta := o["metadata"].(map[string]any)
		delete(meta, "resourceVersion")
		delete(meta, "uid")
		delete(meta, "generation")
		body, err := yaml.Marshal(o)
		must(t, err)
		return string(body)
	}
	for key, body := range want {
		if have, has := is[key]; !has {
			t.Errorf("%s is not there again", key)
		} else if plain(have) != plain(body) {
			t.Errorf("%s was\n%s\nand is\n%s", key, body, have)
		}
	}
	for key, body := range is {
		if _, was := want[key]; !was {
			t.Errorf("%s is left:\n%s", key, body)
		}
	}
}
