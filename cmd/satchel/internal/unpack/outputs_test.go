package unpack_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/outdir"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/manifests"
)

// TestOutputs writes a directory for each cluster, for that cluster, each with the receipt. What an
// earlier run wrote for one of them alone goes from the directory above.
func TestOutputs(t *testing.T) {
	t.Parallel()
	s, out := newSite(t, 91), t.TempDir()
	cluster := func(name, pods string) *manifests.Cluster {
		t.Helper()
		c, err := manifests.ReadCluster(name, strings.NewReader("apiVersion: v1\nitems:\n- "+strings.ReplaceAll("{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: NS}, spec: {containers: [{image: 'q.io/a:1'}]}}", "NS", pods)+"\nkind: List\n"))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	one, two := outdir.Cluster{Name: "one", ID: "id-1"}, outdir.Cluster{Name: "two", ID: "id-2"}
	before, _, err := outdir.ForClusters(out, []outdir.Cluster{one})
	if err == nil {
		err = before[0].Write([]manifests.File{{Name: "APPLY.md", Mode: 0o600, Body: []byte("of last week")}})
	}
	if err != nil {
		t.Fatal(err)
	}
	dirs, _, err := outdir.ForClusters(out, []outdir.Cluster{one, two})
	if err != nil {
		t.Fatal(err)
	}
	o := s.options(t, filepath.Join(out, "one"))
	o.Out = dirs[0]
	o.Site.Cluster, o.Report = cluster("one", "openshift-one"), &unpack.Report{}
	o.More = []unpack.Output{{Cluster: cluster("two", "openshift-two"), Dir: dirs[1]}}
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one", "two"} {
		page, err := os.ReadFile(filepath.Join(out, name, "APPLY.md"))
		if err != nil || !strings.Contains(string(page), "openshift-"+name) {
			t.Errorf("%s: the page is not of this cluster: %v", name, err)
		}
		for _, file := range []string{"receipt.json", "hub.json"} {
			if _, err := os.Stat(filepath.Join(out, name, file)); err != nil || !slices.Contains(o.Report.Files, name+"/"+file) {
				t.Errorf("%s: %v, reported %q", name, err, o.Report.Files)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(out, "APPLY.md")); err == nil || !strings.Contains(s.Log.String(), "deleted 1 file of an earlier run for cluster one from "+out) {
		t.Errorf("of last week: %v\n%s", err, s.Log.String())
	}
	if o.Report.OutputDir != out || !strings.Contains(s.Log.String(), "two: wrote ") {
		t.Errorf("reported %q\n%s", o.Report.OutputDir, s.Log.String())
	}
}
