package check_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/check"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// carried gives a source of the world's images by the end of its repository: HOST/REPOSITORY@DIGEST.
func carried(t *testing.T, o check.Options, end string) string {
	t.Helper()
	r := o.Receipts[0]
	for _, repo := range r.Repositories {
		for _, s := range repo.Sources {
			for _, img := range r.Images {
				if strings.HasSuffix(s.Name, end) && img.Repo == repo.Name && img.Subject == "" {
					return s.Name + "@" + img.Digest.String()
				}
			}
		}
	}
	t.Fatalf("no image of %s is carried", end)
	return ""
}

const (
	deployments = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: %s, namespace: shop}, spec: {template: {spec: {containers: [{name: c, image: '%s'}]}}}}"
	clusterOf   = "{apiVersion: config.openshift.io/v1, kind: ClusterVersion, metadata: {name: version}, spec: {clusterID: one}, status: {desired: {version: 4.18.0}, history: [{state: Completed, version: 4.18.0}]}}"
	settingsOf  = "{apiVersion: config.openshift.io/v1, kind: Image, metadata: {name: cluster}}\n---\n{apiVersion: config.openshift.io/v1, kind: Proxy, metadata: {name: cluster}}"
	subscribed  = "{apiVersion: operators.coreos.com/v1alpha1, kind: Subscription, metadata: {name: %s, namespace: ops}, spec: {name: %[1]s, channel: stable, source: %s, sourceNamespace: openshift-marketplace}, status: {installedCSV: %s}}"
)

func clusterWith(t *testing.T, objects ...string) *manifests.Cluster {
	t.Helper()
	c, err := manifests.ReadCluster("one", strings.NewReader("---\n"+clusterOf+"\n---\n"+settingsOf+"\n---\n"+strings.Join(objects, "\n---\n")))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// foundOf lists the findings that fail, of objects of the cluster, as KIND OBJECT.
func foundOf(r *check.Report, without ...check.Kind) (list []string) {
	for _, f := range r.Findings {
		if f.Fails && f.Object != "" && !slices.Contains(without, f.Kind) {
			list = append(list, fmt.Sprintf("%s %s", f.Kind, f.Object))
		}
	}
	slices.Sort(list)
	return list
}

// failing counts the findings by which something of all namespaces would fail, of objects and of images alone.
func failing(r *check.Report) (n int) {
	for _, f := range r.Findings {
		if f.Fails && f.Kind != check.Unknown && f.Namespace == "" {
			n++
		}
	}
	return n
}

// TestAudit holds clusters against one mirror.
func TestAudit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 211, kind{images: 3})
	t.Run("found", func(t *testing.T) { testAuditFound(t, w) })
	t.Run("unknown", func(t *testing.T) { testAuditUnknown(t, w) })
	t.Run("pushed", func(t *testing.T) { testAuditPushed(t, w) })
	t.Run("target", func(t *testing.T) { testAuditTarget(t, w) })
	t.Run("multi", func(t *testing.T) { testAuditMulti(t, w) })
	t.Run("many", func(t *testing.T) { testAuditMany(t, w) })
}

// testAuditFound: what of a cluster would not go on with the mirror is found, each by its object.
func testAuditFound(t *testing.T, w *world) {
	o := w.options()
	byDigest, index := carried(t, o, "/app2"), carried(t, o, "/app1")
	tagged, _, _ := strings.Cut(carried(t, o, "/app0"), "@")
	var source, served string
	for _, n := range o.Handover.Named {
		switch n.Kind {
		case "CatalogSource":
			source = n.Name
		case "ClusterCatalog":
			served = n.Name
		}
	}
	extension := func(selector string) string {
		return "{apiVersion: olm.operatorframework.io/v1, kind: ClusterExtension, metadata: {name: x}, spec: {source: {catalog: {packageName: etcd" + selector + "}}}, status: {install: {bundle: {name: etcd.v1.0.0, version: 1.0.0}}}}"
	}
	catalog := func(name string) string {
		return "{apiVersion: olm.operatorframework.io/v1, kind: ClusterCatalog, metadata: {name: " + name + ", labels: {team: ours}}, spec: {source: {type: Image, image: {ref: 'registry.example/index:v4.18'}}}}"
	}
	sourceOf := func(name, image string) string {
		return "{apiVersion: operators.coreos.com/v1alpha1, kind: CatalogSource, metadata: {name: " + name + ", namespace: openshift-marketplace}, spec: {image: '" + image + "'}}"
	}
	const selects = ", selector: {matchLabels: {team: ours}}"
	node := func(arch string) string {
		return "{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {nodeInfo: {architecture: " + arch + "}}}"
	}
	pod := func(name, image, more string) string {
		return fmt.Sprintf("{apiVersion: v1, kind: Pod, metadata: {name: %s-7-x, namespace: shop, labels: {pod-template-hash: '7'}, ownerReferences: [{kind: ReplicaSet, name: %[1]s-7, controller: true}]}, spec: {nodeName: n1, containers: [{name: c, image: '%[2]s'%[3]s}]}, status: {phase: Running, containerStatuses: [{name: c, imageID: '%[2]s'}]}}", name, image, more)
	}
	policy := func(kind, namespace, scope string) string {
		return strings.Replace(string(w.policy(kind, namespace)), w.Proxy.Host+"/vendor", scope, 1)
	}
	repo := func(ref string) string { name, _, _ := strings.Cut(ref, "@"); return name }
	gone := repo(byDigest) + "@" + digest.FromString("gone").String()
	for name, tc := range map[string]struct {
		objects []string
		want    []string
		says    string // of the first that fails
	}{
		"nothing":                        {[]string{node("amd64"), pod("a", byDigest, ""), pod("b", index, ""), fmt.Sprintf(subscribed, "etcd", source, "etcd.v1.0.0"), fmt.Sprintf(deployments, "c", byDigest)}, nil, ""},
		"missing":                        {[]string{pod("a", gone, "")}, []string{"missing shop/deployment/a c"}, "is not there"},
		"missing, on the node":           {[]string{pod("a", gone, ", imagePullPolicy: IfNotPresent")}, []string{"missing shop/deployment/a c"}, "it starts again on the node where it is"},
		"without a rule":                 {[]string{fmt.Sprintf(deployments, "c", w.Proxy.Host+"/never/carried:1")}, []string{"noRule shop/deployment/c c"}, "it has no pod now"},
		"by tag":                         {[]string{pod("a", tagged+":v1", "")}, []string{"byTag shop/deployment/a c"}, "only rules for digests cover"},
		"in the mirror":                  {[]string{pod("a", w.mirror.Host+"/in/none:1", "")}, []string{"missing shop/deployment/a c"}, ""},
		"for other nodes":                {[]string{node("s390x"), pod("b", index, "")}, []string{"architecture shop/deployment/b c"}, "its nodes are s390x, and there is only"},
		"single, for others":             {[]string{node("s390x"), pod("a", byDigest, "")}, []string{"architecture shop/deployment/a c"}, "its nodes are s390x, and there is only linux/amd64"},
		"for some of the nodes":          {[]string{node("amd64"), pod("a", byDigest, ""), strings.NewReplacer("name: n1", "name: n2", "amd64", "s390x").Replace(node("amd64")), strings.Replace(pod("b", byDigest, ""), "nodeName: n1", "nodeName: n2", 1)}, []string{"architecture shop/deployment/b c"}, "its nodes are s390x"},
		"unsigned":                       {[]string{pod("a", byDigest, ""), policy("ClusterImagePolicy", "", repo(byDigest))}, []string{"unsigned shop/deployment/a c"}, "when they pull"},
		"unsigned, namespaced":           {[]string{pod("a", byDigest, ", imagePullPolicy: IfNotPresent"), policy("ImagePolicy", "\n  namespace: shop", repo(byDigest))}, []string{"unsigned shop/deployment/a c"}, "whenever a container is made"},
		"unsigned, never pulled":         {[]string{pod("a", byDigest, ", imagePullPolicy: Never"), policy("ImagePolicy", "\n  namespace: shop", repo(byDigest))}, []string{"unsigned shop/deployment/a c"}, "whenever a container is made"},
		"never pulled":                   {[]string{pod("a", gone, ", imagePullPolicy: Never")}, nil, ""},
		"unsigned, where another counts": {[]string{pod("a", byDigest, ", imagePullPolicy: IfNotPresent"), policy("ClusterImagePolicy", "", repo(byDigest)), policy("ImagePolicy", "\n  namespace: shop", repo(index))}, []string{"unsigned shop/deployment/a c"}, "whenever a container is made"},
		"another namespace's":            {[]string{pod("a", byDigest, ""), policy("ImagePolicy", "\n  namespace: other", repo(byDigest))}, nil, ""},
		"no package":                     {[]string{fmt.Sprintf(subscribed, "none", source, "none.v1.0.0")}, []string{"operator ops/subscription/none"}, "does not have the package"},
		"no way to the head":             {[]string{fmt.Sprintf(subscribed, "zoo", source, "zoo.v1.0.0")}, []string{"operator ops/subscription/zoo"}, "no updates lead from it"},
		"no source":                      {[]string{fmt.Sprintf(subscribed, "etcd", "certified-operators", "etcd.v1.0.0")}, []string{"operator ops/subscription/etcd"}, ""},
		"a source without a rule":        {[]string{fmt.Sprintf(subscribed, "etcd", "mine", "etcd.v1.0.0"), "{apiVersion: operators.coreos.com/v1alpha1, kind: CatalogSource, metadata: {name: mine, namespace: openshift-marketplace}, spec: {image: 'registry.example/index:v4.18'}}"}, []string{"operator openshift-marketplace/catalogsource/mine", "operator ops/subscription/etcd"}, "no rule leads to a mirror for registry.example/index:v4.18"},
		"a source that nobody follows":   {[]string{fmt.Sprintf(subscribed, "etcd", source, "etcd.v1.0.0"), sourceOf("mine", "registry.example/index:v4.18")}, []string{"operator openshift-marketplace/catalogsource/mine"}, "OLM updates none of 1 Subscription"},
		"one that is not in the mirror":  {[]string{fmt.Sprintf(subscribed, "etcd", source, "etcd.v1.0.0"), sourceOf("mine", gone)}, []string{"operator openshift-marketplace/catalogsource/mine"}, "is not there"},
		"a default one is switched off":  {[]string{fmt.Sprintf(subscribed, "etcd", source, "etcd.v1.0.0"), sourceOf("community-operators", "registry.example/index:v4.18")}, nil, ""},
		"an extension":                   {[]string{extension(selects), catalog(served), catalog("openshift-redhat-operators")}, nil, ""},
		"a catalog without a rule":       {[]string{extension(""), catalog("mine")}, []string{"operator clusterextension/x"}, "mine (no rule leads to a mirror for registry.example/index:v4.18)"},
		"a catalog that nothing selects": {[]string{extension(selects), catalog(served), strings.NewReplacer("team: ours", "team: theirs", "registry.example/index:v4.18", gone).Replace(catalog("mine"))}, nil, ""},
		"a catalog without extensions":   {[]string{fmt.Sprintf(subscribed, "etcd", source, "etcd.v1.0.0"), strings.Replace(catalog("mine"), "registry.example/index:v4.18", gone, 1)}, nil, ""},
		"one where nobody subscribes":    {[]string{extension(selects), catalog(served), strings.Replace(sourceOf("mine", gone), "openshift-marketplace", "elsewhere", 1)}, nil, ""},
		"the proxy":                      {[]string{"{apiVersion: config.openshift.io/v1, kind: Proxy, metadata: {name: cluster}, status: {httpProxy: 'http://p.example:1', httpsProxy: 'http://p.example:1', noProxy: .svc}}"}, nil, ""}, // loopback is never asked through a proxy
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := w.options()
			o.Depth, o.Cluster = check.Configs, clusterWith(t, tc.objects...)
			r, err := w.run(o)
			var fails *check.FailsError
			if err != nil && !errors.As(err, &fails) {
				t.Fatal(err)
			}
			if got := foundOf(r, check.Unknown); !slices.Equal(got, tc.want) {
				t.Fatalf("found %q, want %q\n%+v", got, tc.want, r.Findings)
			}
			for _, f := range r.Findings {
				if f.Fails && f.Do == "" && f.Kind != check.Unknown {
					t.Errorf("nobody says what to do about %+v", f)
				}
			}
			if n := failing(r); n != len(tc.want) {
				t.Errorf("%d things fail, want %d: %+v", n, len(tc.want), r.Findings)
			}
			i := slices.IndexFunc(r.Findings, func(f check.Finding) bool { return f.Fails && f.Kind != check.Unknown && f.Object != "" })
			if tc.says != "" && (i < 0 || !strings.Contains(r.Findings[i].Wrong, tc.says)) {
				t.Errorf("%+v does not say %s", r.Findings, tc.says)
			}
		})
	}
}

// testAuditUnknown: of a must-gather nobody knows what applications run, and that is no success.
func testAuditUnknown(t *testing.T, w *world) {
	o := w.options()
	o.Cluster = clusterWith(t, "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: openshift-x}, spec: {containers: [{name: c, image: '"+w.mirror.Host+"/in/x@"+digest.FromString("x").String()+"'}]}, status: {phase: Succeeded}}")
	r, err := w.run(o)
	var fails *check.FailsError
	if !errors.As(err, &fails) || !slices.Equal(foundOf(r), []string{"unknown cluster one"}) {
		t.Errorf("%v, %q", err, foundOf(r))
	}
	if o.Cluster, err = manifests.ReadCluster("one", strings.NewReader("---\n"+clusterOf)); err != nil {
		t.Fatal(err)
	}
	if r, err = w.run(o); !errors.As(err, &fails) || !slices.Equal(foundOf(r), []string{"unknown cluster one", "unknown image.config.openshift.io/cluster", "unknown proxy.config.openshift.io/cluster"}) {
		t.Errorf("%v, %q", err, foundOf(r))
	}
	o.Audit.Pods = true
	o.Cluster = clusterWith(t, fmt.Sprintf("{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: shop}, spec: {containers: [{name: c, image: '%s'}]}, status: {phase: Succeeded}}", "q.io/x:1"))
	if r, err = w.run(o); err != nil || len(foundOf(r)) > 0 || !strings.Contains(strings.Join(r.Notes, "\n"), "only pods were read") {
		t.Errorf("%v, %q, %q", err, foundOf(r), r.Notes)
	}
}

// testAuditPushed: the address that images were pushed to, and no node asks, need not be reached without
// the proxy; the policies that satchel cannot judge by are no success.
func testAuditPushed(t *testing.T, w *world) {
	o := w.options()
	o.Receipts[0].Mirror.Host = "push.example:5000"
	o.Cluster = clusterWith(t, fmt.Sprintf(deployments, "a", carried(t, o, "/app2")), "{apiVersion: config.openshift.io/v1, kind: Proxy, metadata: {name: cluster}, status: {httpsProxy: 'http://p.example:1', noProxy: .svc}}")
	if r, err := w.run(o); r == nil || len(foundOf(r, check.Unknown)) > 0 {
		t.Errorf("%v, %q", err, foundOf(r, check.Unknown))
	}
	repo, _, _ := strings.Cut(carried(t, o, "/app2"), "@")
	o.Cluster = clusterWith(t, fmt.Sprintf(deployments, "a", carried(t, o, "/app2")), "{apiVersion: config.openshift.io/v1, kind: ClusterImagePolicy, metadata: {name: p}, spec: {scopes: ['"+repo+"'], policy: {rootOfTrust: {policyType: Other}}}}")
	r, err := w.run(o)
	if r == nil || !slices.Contains(foundOf(r), "unknown signatures") || !slices.ContainsFunc(r.Findings, func(f check.Finding) bool {
		return f.Kind == check.Unknown && f.Fails && strings.Contains(f.Wrong, "demands were not judged")
	}) {
		t.Errorf("%v, %q", err, foundOf(r))
	}
}

// testAuditTarget: the releases of the mirror are the way, and what holds an update back is found.
func testAuditTarget(t *testing.T, w *world) {
	o := w.options()
	o.Cluster = clusterWith(t, "{apiVersion: config.openshift.io/v1, kind: ClusterOperator, metadata: {name: dns}, status: {conditions: [{type: Upgradeable, status: 'False', message: not now}]}}")
	for target, want := range map[string][]string{
		"4.18.1": {"update release/4.18.1"}, // no graph, and the release names none that updates to it
		"4.19.1": {"update clusteroperator/dns", "update release/4.19.1"},
		"4.18.0": nil,
	} {
		v, err := manifests.ParseVersion(target)
		if err != nil {
			t.Fatal(err)
		}
		o.Audit.Target = &v
		r, err := w.run(o)
		var fails *check.FailsError
		if err != nil && !errors.As(err, &fails) {
			t.Fatal(err)
		}
		if got := foundOf(r, check.Unknown); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
}

// testAuditMulti: a cluster with nodes of several architectures takes no release for one of them.
func testAuditMulti(t *testing.T, w *world) {
	o := w.options()
	o.Cluster = clusterWith(t, "{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {nodeInfo: {architecture: amd64}}}", "{apiVersion: v1, kind: Node, metadata: {name: n2}, status: {nodeInfo: {architecture: arm64}}}")
	v, err := manifests.ParseVersion("4.18.1")
	if err != nil {
		t.Fatal(err)
	}
	o.Audit.Target = &v
	r, err := w.run(o)
	if r == nil || !slices.ContainsFunc(r.Findings, func(f check.Finding) bool {
		return f.Object == "release/4.18.1" && strings.Contains(f.Wrong, "does not have the release") && strings.Contains(f.Wrong, "-multi")
	}) {
		t.Errorf("%v, %q", err, foundOf(r))
	}
}

// TestAuditNode: the files of a node are compared with what it should have.
func TestAuditNode(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 214, kind{images: 1, secure: true})
	conf, err := os.ReadFile(filepath.Join(w.out, "registries.conf"))
	if err != nil {
		t.Fatal(err)
	}
	rule := strings.Index(string(conf), "[[registry]]")
	secret := func(text string) *manifests.PullSecret {
		s, err := manifests.ParsePresentPullSecret("config.json", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	right := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, w.mirror.Host, base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
	split := fmt.Sprintf(`{"auths":{%q:{"username":%q,"password":%q}}}`, w.mirror.Host, user, password)
	for name, tc := range map[string]struct {
		conf   string
		secret string
		want   []string
	}{
		"the same":                      {string(conf), right, nil},
		"no rules yet":                  {string(conf[:rule]), right, []string{"nodeFile registries.conf "}},
		"no credential":                 {string(conf), `{"auths":{}}`, []string{"nodeFile config.json "}},
		"fields that nodes do not read": {string(conf), split, []string{"nodeFile config.json "}},
		"a narrower one":                {string(conf), strings.Replace(right, `{"auths":{`, fmt.Sprintf(`{"auths":{%q:{"username":"old","password":"x"},`, w.mirror.Host+"/in"), 1), []string{"nodeFile config.json "}},
	} {
		o := w.options()
		o.Audit.Registries, o.Audit.OnNode = []byte(tc.conf), secret(tc.secret)
		r, err := w.run(o)
		var fails *check.FailsError
		if err != nil && !errors.As(err, &fails) {
			t.Fatal(err)
		}
		got := map[string]bool{}
		for _, line := range foundOf(r) {
			if i := strings.Index(line, w.Proxy.Host); i >= 0 {
				line = line[:i]
			}
			if i := strings.Index(line, w.mirror.Host); i >= 0 {
				line = line[:i]
			}
			got[line] = true
		}
		if list := slices.Sorted(maps.Keys(got)); !slices.Equal(list, tc.want) {
			t.Errorf("%s: %q, want %q", name, list, tc.want)
		}
		for _, f := range r.Findings {
			if strings.Contains(fmt.Sprint(f), password) {
				t.Errorf("%s: a secret is shown: %+v", name, f)
			}
		}
	}
}

// testAuditMany: pods of some images, with SATCHEL_SOAK=1 5,000 of 300, are judged by a registry within the time that the
// command has.
func testAuditMany(t *testing.T, w *world) {
	pods, images := 200, 20 // images more, in the repository of one that is carried
	if os.Getenv("SATCHEL_SOAK") != "" {
		pods, images = 5000, 300
	}
	o := w.options()
	base, _, _ := strings.Cut(carried(t, o, "/app2"), "@")
	place := "in" + strings.TrimPrefix(base, w.Proxy.Host)
	var digests []string
	layer := w.Content.Layer(100, ocitest.LayerGzip)
	for i := range images {
		root := w.Content.ImageFor(fmt.Sprintf("amd64x%d", i), false, layer) // another configuration, and so another image
		if i != 7 {
			if err := ocitest.Push(t.Context(), w.Content, root, "http://"+w.mirror.Host, place, fmt.Sprintf("t%d", i)); err != nil {
				t.Fatal(err)
			}
		}
		digests = append(digests, root.Digest.String())
	}
	var b strings.Builder
	for i := range pods {
		fmt.Fprintf(&b, "\n---\n{apiVersion: v1, kind: Pod, metadata: {name: app%d-%d, namespace: shop}, spec: {containers: [{name: c, image: '%s@%s'}]}, status: {phase: Running}}", i/4, i, base, digests[i%images])
	}
	o.Cluster = clusterWith(t, b.String())
	o.Receipts = nil
	start := time.Now()
	r, err := w.run(o)
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("%v", took)
	}
	var fails *check.FailsError
	if !errors.As(err, &fails) {
		t.Fatal(err)
	}
	n := 0
	for _, f := range r.Findings {
		if f.Kind == check.Missing {
			n++
		}
	}
	if want := (pods-1-7)/images + 1; n != want || r.Cluster.Workloads.Images != images {
		t.Errorf("%d containers whose image is missing, want %d; of %d images", n, want, r.Cluster.Workloads.Images)
	}
}
