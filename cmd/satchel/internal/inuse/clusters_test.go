package inuse

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
)

// TestClusters counts clusters, however many a file has, and the files of pods and Subscriptions
// that are different.
func TestClusters(t *testing.T) {
	t.Parallel()
	cv := func(id string) string {
		return strings.Replace(clusterVersion("4.16.2", oci.Digest(nil)), "metadata", "spec: {clusterID: "+id+"}\nmetadata", 1)
	}
	join := func(bodies ...string) string { return strings.Join(bodies, "---\n") }
	plain := clusterVersion("4.16.2", oci.Digest(nil))
	hosted := "apiVersion: hypershift.openshift.io/v1beta1\nkind: HostedCluster\nmetadata: {name: %[1]s}\nspec: {clusterID: %[1]s, release: {image: 'quay.io/openshift-release-dev/ocp-release:4.16.2-x86_64'}}\n"
	one, two := write(t, pod("q.io/a:1", "")), write(t, pod("q.io/b:1", ""))
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(one, link); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		versions, pods []string
		want           bool // the pods of all are known
	}{
		"one":                       {[]string{cv("a")}, []string{one}, true},
		"two in one file":           {[]string{join(cv("a"), cv("b"))}, []string{one}, false},
		"the same, and both files":  {[]string{join(cv("a"), cv("b"))}, []string{one, two}, true},
		"two without an ID":         {[]string{join(plain, plain)}, []string{one}, false},
		"one in two files":          {[]string{cv("a"), join(cv("a"), cv("a"))}, []string{one}, true},
		"a file twice":              {[]string{cv("a"), cv("b")}, []string{one, one}, false},
		"a file by two names":       {[]string{cv("a"), cv("b")}, []string{one, link}, false},
		"one that another one runs": {[]string{join(cv("a"), fmt.Sprintf(hosted, "b"))}, []string{one}, false},
		"from inside and outside":   {[]string{join(cv("a"), fmt.Sprintf(hosted, "b")), cv("b")}, []string{one, two}, true},
	} {
		f := Files{Pods: c.pods}
		for _, body := range c.versions {
			f.ClusterVersions = append(f.ClusterVersions, write(t, body))
		}
		for _, file := range c.pods {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			f.Subscriptions = append(f.Subscriptions, write(t, string(body)+"---\n"+subscription("etcd.v1")))
		}
		read, err := Read(f)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if pods, versions, _ := read.knows(); pods != c.want || !versions {
			t.Errorf("%s: %v, %v; %v", name, pods, versions, read.use.Clusters)
		}
	}
}

// TestAnotherName has an image stay that is named by another name of the mirror, and none of the
// mirror's own other repositories.
func TestAnotherName(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for image, stays := range map[string]bool{
		"mirror.alias/ns/app/tool:v1":         true,
		"10.0.0.5:5000/ns/app/tool:v1":        true,
		"ns.alias.example/app/tool:v1":        true,
		"alias.example/docker/ns/app/tool:v1": true,
		host + "/ns/app/tool:v1":              true,
		"mirror.alias/ns/app/tool:v3":         false,
		"mirror.alias/ns/app/other-tool:v1":   false,
		"mirror.alias/app/x/tool:v1":          false,
		host + "/app/tool:v1":                 false,
	} {
		f := Files{Pods: []string{write(t, "kind: CronJob\nmetadata: {name: c, namespace: ns}\nspec: {jobTemplate: {spec: {template: {spec: {containers: [{image: '"+image+"'}]}}}}}\n---\n"+pod("q.io/a:1", ""))}}
		c, err := Read(f)
		if err != nil {
			t.Fatal(err)
		}
		k, err := Keep(t.Context(), Question{Clusters: c, Host: host, Receipts: s.bundles, Mirror: s})
		if err != nil {
			t.Fatal(err)
		}
		if why := k.Digest("ns/app/tool", s.names["tool 1"].Digest); (why != "") != stays {
			t.Errorf("%s: %q", image, why)
		}
		if why := k.Digest("ns/app/tool", s.names["tool 2"].Digest); why != "" {
			t.Errorf("%s: another tag: %q", image, why)
		}
	}
}
