package inuse

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/manifests/octest"
	"github.com/satchel-airgap/satchel/oci"
)

// fetched is what the line of a query writes, of a cluster that has some objects and refuses some
// resources.
func fetched(id string, objects []string, refused ...string) string {
	cv := strings.Replace(clusterVersion("4.16.2", oci.Digest(nil)), "metadata", "apiVersion: config.openshift.io/v1\nspec: {clusterID: "+id+"}\nmetadata", 1)
	return octest.Answer(manifests.ClusterQuery("f"), append([]string{cv}, objects...), refused...)
}

// TestWhole: a cluster's whole answer says all three; what it did not answer is not known, and none
// of several clusters stands for another.
func TestWhole(t *testing.T) {
	t.Parallel()
	const subscriptions = "subscriptions.operators.coreos.com"
	cron := "kind: CronJob\napiVersion: batch/v1\nmetadata: {name: c, namespace: ns}\nspec: {jobTemplate: {spec: {template: {spec: {containers: [{image: 'q.io/cron:1'}]}}}}}\n"
	whole := func(id string) string {
		return fetched(id, []string{"apiVersion: v1\n" + pod("q.io/a:1", ""), cron})
	}
	other := filepath.Join(t.TempDir(), "other.yaml")
	if err := os.Rename(write(t, whole("b")), other); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		files                         Files
		pods, versions, subscriptions bool
	}{
		"one":           {Files{Whole: []string{write(t, whole("a"))}}, true, true, true},
		"no pods":       {Files{Whole: []string{write(t, fetched("a", nil, "pods"))}}, false, true, true},
		"no owners":     {Files{Whole: []string{write(t, fetched("a", []string{"apiVersion: v1\n" + pod("q.io/a:1", "")}, "cronjobs.batch"))}}, false, true, true},
		"no OLM":        {Files{Whole: []string{write(t, fetched("a", []string{"apiVersion: v1\n" + pod("q.io/a:1", "")}, subscriptions))}}, true, true, false},
		"two":           {Files{Whole: []string{write(t, whole("a")), other}}, true, true, true},
		"one twice":     {Files{Whole: []string{write(t, whole("a")), write(t, whole("a"))}}, true, true, true},
		"and a version": {Files{Whole: []string{write(t, whole("a"))}, ClusterVersions: []string{write(t, fetched("b", nil))}}, false, true, false},
		"by kind too": {Files{Whole: []string{write(t, whole("a"))}, ClusterVersions: []string{write(t, fetched("b", nil))}, Pods: []string{write(t, pod("q.io/b:1", ""))},
			Subscriptions: []string{write(t, subscription("etcd.v1"))}}, true, true, true},
	} {
		read, err := Read(c.files)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if pods, versions, subscriptions := read.knows(); pods != c.pods || versions != c.versions || subscriptions != c.subscriptions {
			t.Errorf("%s: %v, %v, %v; %v", name, pods, versions, subscriptions, read.notes)
		}
		if _, ok := read.use.Tags["q.io/cron:1"]; ok != strings.Contains("one two one twice and a version by kind too", name) {
			t.Errorf("%s: a CronJob's image: %v", name, ok)
		}
	}
	if _, err := Read(Files{Whole: []string{write(t, whole("a")), write(t, whole("b"))}}); err == nil || !strings.Contains(err.Error(), "is called file too") {
		t.Errorf("two of one name: %v", err)
	}
	if _, err := Read(Files{Whole: []string{"absent"}}); err == nil || !strings.Contains(err.Error(), "absent") {
		t.Errorf("no file: %v", err)
	}
}
