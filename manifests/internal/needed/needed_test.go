package needed_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/needed"
	"github.com/satchel-airgap/satchel/manifests/octest"
)

// read makes a cluster of objects, each a document of YAML. It has no others.
func read(t *testing.T, name string, objects ...string) *cluster.State {
	t.Helper()
	s, err := cluster.Read(name, strings.NewReader(octest.Answer(cluster.Query("f"), objects)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func hex(c string) string { return "sha256:" + strings.Repeat(c, 64) }

// version is a ClusterVersion, of which the newest release comes first: VERSION STATE IMAGE.
func version(history ...string) string {
	var b strings.Builder
	b.WriteString("apiVersion: config.openshift.io/v1\nkind: ClusterVersion\nmetadata: {name: version}\nspec: {clusterID: 256f375f-6920-44f0-8c16-f71bb5fc7be6, channel: stable-4.16}\nstatus:\n  desired: {version: 9.9.9, image: 'quay.io/r/desired@" + hex("d") + "'}\n  history:\n")
	for _, h := range history {
		f := strings.Fields(h)
		fmt.Fprintf(&b, "  - {version: %s, state: %s, image: '%s'}\n", f[0], f[1], f[2])
	}
	return b.String()
}

// pod is NAMESPACE/NAME CONTAINER IMAGE [ID [PHASE]].
func pod(line string) string {
	f := append(strings.Fields(line), "", "")
	ns, name, _ := strings.Cut(f[0], "/")
	return fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: %s, namespace: %s}\nspec: {containers: [{name: %s, image: '%s'}]}\nstatus: {phase: '%s', containerStatuses: [{name: %s, imageID: '%s'}]}\n", name, ns, f[1], f[2], f[4], f[1], f[3])
}

func subscription(pkg, channel, source, installed string) string {
	return fmt.Sprintf("apiVersion: operators.coreos.com/v1alpha1\nkind: Subscription\nmetadata: {name: %s, namespace: ops}\nspec: {name: %s, channel: '%s', source: %s, sourceNamespace: openshift-marketplace}\nstatus: {installedCSV: '%s'}\n", pkg, pkg, channel, source, installed)
}

func source(name, image string) string {
	return fmt.Sprintf("apiVersion: operators.coreos.com/v1alpha1\nkind: CatalogSource\nmetadata: {name: %s, namespace: openshift-marketplace}\nspec: {sourceType: grpc, image: '%s'}\n", name, image)
}

const rules = `apiVersion: operator.openshift.io/v1alpha1
kind: ImageContentSourcePolicy
metadata: {name: a}
spec:
  repositoryDigestMirrors:
  - {source: quay.io/openshift-release-dev/ocp-release, mirrors: ['mirror.example.com:5000/ns/openshift/release-images']}
  - {source: quay.io/app, mirrors: [mirror.example.com:5000/ns/app]}
`

// words writes what is needed, a line each.
func words(t *testing.T, n *needed.Needs) string {
	t.Helper()
	var b strings.Builder
	for _, r := range n.Running {
		fmt.Fprintf(&b, "runs %s: %s\n", r.Ref, r.Why)
	}
	for _, i := range n.Installed {
		fmt.Fprintf(&b, "has %s %s %s %s %s\n", i.Package, i.Bundle, i.Version, i.Channel, i.Catalog)
	}
	set, err := n.Pods()
	if err != nil {
		t.Fatal(err)
	}
	images, notes := set.Images()
	for _, p := range images {
		fmt.Fprintf(&b, "uses %s %s: %s\n", p.Ref, p.Tag, p.Why)
	}
	for _, line := range append(n.Notes, notes...) {
		b.WriteString("note " + line + "\n")
	}
	return strings.NewReplacer(hex("a"), "@a", hex("b"), "@b", hex("c"), "@c").Replace(b.String())
}

func TestOf(t *testing.T) {
	t.Parallel()
	const redhat = "registry.redhat.io/redhat/redhat-operator-index"
	for name, tc := range map[string]struct {
		objects []string
		want    string
	}{
		"what runs, by the version": {[]string{version("4.16.5 Completed quay.io/openshift-release-dev/ocp-release@"+hex("a"), "4.16.1 Completed quay.io/r/old@"+hex("b"))},
			"runs quay.io/openshift-release-dev/ocp-release@@a: cluster east\n"},
		"in the middle of an update": {[]string{version("4.16.6 Partial quay.io/r/new@"+hex("b"), "4.16.5 Completed quay.io/r/now@"+hex("a"), "4.16.1 Completed quay.io/r/old@"+hex("c")), subscription("x", "", "mine", "")},
			"runs quay.io/r/new@@b: cluster east\nruns quay.io/r/now@@a: cluster east\nhas x    \n"},
		"a tenant's container of that name": {[]string{pod("shop/mine cluster-version-operator quay.io/r/other:1 quay.io/r/other@" + hex("b")), subscription("x", "c", "mine", "x.v1.2.3")},
			"has x x.v1.2.3 1.2.3 c \nuses quay.io/r/other@@b 1: shop/mine cluster-version-operator\nnote cluster east: it is not known which release it runs: neither its ClusterVersion nor the pod of its version operator was read\n"},
		"what runs, by the version operator": {[]string{pod("openshift-cluster-version/cluster-version-operator-1 cluster-version-operator quay.io/r/now:4.16 quay.io/r/now@" + hex("a")), subscription("x", "c", "mine", "x.v1.2.3")},
			"runs quay.io/r/now@@a: cluster east\nhas x x.v1.2.3 1.2.3 c \nuses quay.io/r/now@@a 4.16: openshift-cluster-version/cluster-version-operator-1 cluster-version-operator\n"},
		"what is not known": {[]string{source("a", "x.io/a:v1")},
			"note cluster east: it is not known which release it runs: neither its ClusterVersion nor the pod of its version operator was read\n"},
		"a hosted cluster": {[]string{version("4.16.5 Completed quay.io/r/now@" + hex("a")), "apiVersion: hypershift.openshift.io/v1beta1\nkind: HostedCluster\nmetadata: {name: h, namespace: clusters}\nspec: {}\nstatus: {version: {history: [{state: Completed, version: 4.15.1, image: 'quay.io/r/hosted@" + hex("b") + "'}]}}\n", subscription("x", "", "mine", "")},
			"runs quay.io/r/hosted@@b: hosted cluster h of cluster east\nruns quay.io/r/now@@a: cluster east\nhas x    \n"},
		"satchel's own update service": {[]string{rules, version("4.16.5 Completed quay.io/r/now@" + hex("a")), "apiVersion: updateservice.operator.openshift.io/v1\nkind: UpdateService\nmetadata: {name: s, namespace: openshift-update-service}\nspec: {graphDataImage: 'mirror.example.com:5000/graphs@" + hex("c") + "'}\n",
			pod("openshift-update-service/s-1 graph-data mirror.example.com:5000/graphs@" + hex("c") + " mirror.example.com:5000/graphs@" + hex("c")), pod("openshift-update-service/old-1 graph-data mirror.example.com:5000/ns/openshift/graph-image@" + hex("b"))},
			"runs quay.io/r/now@@a: cluster east\n"},
		"pods by the names of both ends": {[]string{rules, version("4.16.5 Completed quay.io/r/now@" + hex("a")), pod("shop/a-1 web quay.io/app/web:v1 mirror.example.com:5000/ns/app/web@" + hex("b")), pod("shop/b-1 web mirror.example.com:5000/ns/app/web:v1 quay.io/app/web@" + hex("b")), pod("shop/c-1 web quay.io/app/web@" + hex("b"))},
			"runs quay.io/r/now@@a: cluster east\nuses quay.io/app/web@@b : shop/c-1 web\nuses quay.io/app/web@@b v1: shop/a-1 web, and 1 more\n"},
		"a pool that lags behind": {[]string{version("4.16.5 Completed quay.io/r/now@" + hex("a")), "apiVersion: hypershift.openshift.io/v1beta1\nkind: HostedCluster\nmetadata: {name: h, namespace: clusters}\nspec: {release: {image: 'quay.io/r/h:2'}}\nstatus: {version: {history: [{state: Completed, version: 4.15.2, image: 'quay.io/r/h:2'}, {state: Completed, version: 4.15.1, image: 'quay.io/r/h:1'}, {state: Completed, version: 4.15.0, image: 'quay.io/r/h:0'}]}}\n",
			"apiVersion: hypershift.openshift.io/v1beta1\nkind: NodePool\nmetadata: {name: p, namespace: clusters}\nspec: {clusterName: h, release: {image: 'quay.io/r/h:2'}}\nstatus: {version: 4.15.1}\n"},
			"runs quay.io/r/h:1: node pool p of cluster east\nruns quay.io/r/h:2: hosted cluster h of cluster east, node pool p of cluster east\nruns quay.io/r/now@@a: cluster east\n"},
		"default catalogs": {[]string{version("4.16.5 Completed quay.io/r/now@" + hex("a")), subscription("logging", "stable-5.9", "redhat-operators", "cluster-logging.v5.9.2"), subscription("own", "c", "own", "own.v1"), source("own", "example.com/own/index:v1"),
			"apiVersion: operators.coreos.com/v1alpha1\nkind: ClusterServiceVersion\nmetadata: {name: cluster-logging.v5.9.2, namespace: ops}\nspec: {version: 5.9.2-1}\n"},
			"runs quay.io/r/now@@a: cluster east\nhas logging cluster-logging.v5.9.2 5.9.2-1 stable-5.9 " + redhat + "\nhas own own.v1  c example.com/own/index\n"},
		"OLM v1": {[]string{version("4.18.5 Completed quay.io/r/now@" + hex("a")), "apiVersion: olm.operatorframework.io/v1\nkind: ClusterExtension\nmetadata: {name: e}\nspec: {source: {sourceType: Catalog, catalog: {packageName: argo, channels: [c1, c2], selector: {matchLabels: {olm.operatorframework.io/metadata.name: openshift-redhat-operators}}}}}\nstatus: {install: {bundle: {name: argo.v1.2.0, version: 1.2.0}}}\n"},
			"runs quay.io/r/now@@a: cluster east\nhas argo argo.v1.2.0 1.2.0 c1 " + redhat + "\nhas argo argo.v1.2.0 1.2.0 c2 " + redhat + "\n"},
		"a cluster that is cut off already": {[]string{rules, version("4.16.5 Completed mirror.example.com:5000/ns/openshift/release-images@" + hex("a")), source("redhat-operators", "mirror.example.com:5000/ns/redhat/redhat-operator-index:v4.16"), subscription("x", "c", "redhat-operators", "x.v1.0.0"),
			pod("openshift-marketplace/redhat-1 registry-server mirror.example.com:5000/ns/redhat/redhat-operator-index:v4.16"), pod("shop/web-1 web mirror.example.com:5000/ns/app/web@" + hex("b") + " mirror.example.com:5000/ns/app/web@" + hex("b"))},
			"runs quay.io/openshift-release-dev/ocp-release@@a: cluster east\nhas x x.v1.0.0 1.0.0 c " + redhat + "\nuses quay.io/app/web@@b : shop/web-1 web\n"},
		"pods and owners": {[]string{version("4.16.5 Completed quay.io/r/now@" + hex("a")), subscription("x", "", "mine", ""), pod("shop/web-1 web quay.io/app/web:v1 quay.io/app/web@" + hex("b")), pod("shop/done main quay.io/app/done:v1 - Succeeded"),
			"apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: night, namespace: shop}\nspec: {jobTemplate: {spec: {template: {spec: {containers: [{name: main, image: 'quay.io/app/night:v2'}]}}}}}\n",
			pod("shop/inside main image-registry.openshift-image-registry.svc:5000/shop/own:1"), pod("openshift-marketplace/community-x registry-server registry.redhat.io/redhat/community-operator-index:v4.16")},
			"runs quay.io/r/now@@a: cluster east\nhas x    \nuses quay.io/app/night:v2 v2: shop/night main (CronJob)\nuses quay.io/app/web@@b v1: shop/web-1 web\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := words(t, needed.Of([]*cluster.State{read(t, "east", tc.objects...)})); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}

// TestOfSeveral puts clusters together: what both need is there once, with both names.
func TestOfSeveral(t *testing.T) {
	t.Parallel()
	now := version("4.16.5 Completed quay.io/r/now@" + hex("a"))
	sub := subscription("x", "c", "redhat-operators", "x.v1.0.0")
	got := words(t, needed.Of([]*cluster.State{read(t, "east", now, sub), read(t, "west", now, sub, subscription("z", "c", "redhat-operators", "z.v1.0.0"))}))
	const redhat = " c registry.redhat.io/redhat/redhat-operator-index\n"
	if want := "runs quay.io/r/now@@a: cluster east, cluster west\nhas x x.v1.0.0 1.0.0" + redhat + "has z z.v1.0.0 1.0.0" + redhat; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// some makes a cluster of what a must-gather or a single command gives of it.
func some(t *testing.T, name string, objects ...string) *cluster.State {
	t.Helper()
	s, err := cluster.Read(name, strings.NewReader(strings.Join(objects, "---\n")))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestNotKnown: some Subscriptions are not all of them.
func TestNotKnown(t *testing.T) {
	t.Parallel()
	now := version("4.16.5 Completed quay.io/r/now@" + hex("a"))
	for name, tc := range map[string]struct{ in, want string }{
		"none":   {now, "cluster east: it is not known which operators it has installed: no Subscriptions were read"},
		"some":   {now + "---\n" + subscription("x", "c", "mine", ""), "cluster east: it is not known whether it has installed other operators: Subscriptions were not read of all namespaces"},
		"OLM v1": {strings.ReplaceAll(now, "4.16.5", "4.18.5") + "---\n" + subscription("x", "c", "mine", ""), "cluster east: it is not known whether it has installed other operators: Subscriptions and ClusterExtensions were not read of all namespaces"},
	} {
		if got := strings.Join(needed.Of([]*cluster.State{some(t, "east", tc.in)}).Notes, "\n"); got != tc.want {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// TestApplications: pods of whatever namespaces do not say what applications use; pods of all
// namespaces do only with their owners.
func TestApplications(t *testing.T) {
	t.Parallel()
	pods := []string{pod("openshift-etcd/etcd-1 etcd quay.io/e@" + hex("a")), pod("shop/dns-1 dns quay.io/d@" + hex("a"))}
	err := needed.Applications([]*cluster.State{some(t, "east", pods...)})
	var unknown *needed.UnknownError
	if !errors.As(err, &unknown) || err.Error() != "applications unknown: cluster east: pods were read of 2 namespaces, openshift-etcd, shop, and nothing says that there are no others" || unknown.Hint() == "" {
		t.Errorf("got %v", err)
	}
	if err := needed.Applications([]*cluster.State{read(t, "east", pods...)}); err != nil {
		t.Error(err)
	}
	s, err := cluster.Read("east", strings.NewReader(octest.Answer(cluster.Query("f"), pods, "cronjobs.batch", "buildconfigs.build.openshift.io")))
	if err != nil {
		t.Fatal(err)
	}
	if err := needed.Applications([]*cluster.State{s}); err == nil || err.Error() != "applications unknown: cluster east: not read of all namespaces were CronJob, BuildConfig" {
		t.Errorf("got %v", err)
	}
	for name, tc := range map[string]struct{ more, want string }{
		"refused":                    {"", "cluster east: it is not known which release it runs"},
		"the version operator's pod": {pod("openshift-cluster-version/cvo-1 cluster-version-operator quay.io/r/now@" + hex("b")), ""},
	} {
		objects := slices.Clone(pods)
		if tc.more != "" {
			objects = append(objects, tc.more)
		}
		s, err := cluster.Read("east", strings.NewReader(octest.Answer(cluster.Query("f"), objects, "clusterversions.config.openshift.io")))
		if err != nil {
			t.Fatal(err)
		}
		if err := needed.Applications([]*cluster.State{s}); (err == nil) != (tc.want == "") || err != nil && err.Error() != tc.want {
			t.Errorf("no ClusterVersion, %s: got %v", name, err)
		}
	}
}

// TestReal reads what was taken of a cluster.
func TestReal(t *testing.T) {
	t.Parallel()
	dir := asktest.SharedData(t, "cluster")
	s, err := cluster.ReadDir("sno", os.DirFS(dir+"/sno-ocp-4.13.0-ec.4"))
	if err != nil {
		t.Fatal(err)
	}
	n := needed.Of([]*cluster.State{s})
	if len(n.Running) != 1 || n.Running[0].Ref.String() != "quay.io/openshift-release-dev/ocp-release@sha256:6399a5480485a4fb425557280ce858b9d488d0bb65a0c258504197fcf24cd141" || len(n.Uses) < 50 {
		t.Errorf("got %+v, %d uses", n.Running, len(n.Uses))
	}
}
