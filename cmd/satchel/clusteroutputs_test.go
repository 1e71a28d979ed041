package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
)

func clusterFile(t *testing.T, dir, name, id, version string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	body := fmt.Sprintf("apiVersion: config.openshift.io/v1\nkind: ClusterVersion\nmetadata: {name: version}\nspec: {clusterID: %s}\nstatus: {desired: {version: %s}}\n", id, version)
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestClusterOutputs: one cluster has OUTDIR, several have a directory each, and what is given of
// one cannot be meant for all.
func TestClusterOutputs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, two := clusterFile(t, dir, "one.yaml", "a", "4.16.9"), clusterFile(t, dir, "two.yaml", "b", "4.17.1")
	rules := filepath.Join(dir, "rules.yaml")
	body := "apiVersion: operator.openshift.io/v1alpha1\nkind: ImageContentSourcePolicy\nmetadata: {name: x}\n"
	if err := os.WriteFile(rules, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		flags siteFlags
		want  string // versions and directories, or what the error says
	}{
		"none":             {siteFlags{}, "? ."},
		"version":          {siteFlags{cluster: clusterFlags{version: "4.18.2"}}, "4.18.2 ."},
		"one":              {siteFlags{cluster: clusterFlags{from: []string{one}}}, "4.16.9 ."},
		"the same version": {siteFlags{cluster: clusterFlags{from: []string{one}, version: "4.16.9"}}, "4.16.9 ."},
		"one, with rules":  {siteFlags{rules: rules, cluster: clusterFlags{from: []string{one}}}, "4.16.9 . x"},
		"rules alone":      {siteFlags{rules: rules}, "? . x"},
		"two":              {siteFlags{cluster: clusterFlags{from: []string{one, two}}}, "4.16.9 one, 4.17.1 two"},
		"two, with rules":  {siteFlags{rules: rules, cluster: clusterFlags{from: []string{one, two}}}, "of one cluster"},
		"two of one name":  {siteFlags{cluster: clusterFlags{from: []string{one, clusterFile(t, t.TempDir(), "one.yaml", "c", "4.17.1")}}}, "another cluster is called one too"},
		"another version":  {siteFlags{cluster: clusterFlags{from: []string{one}, version: "4.16.10"}}, "runs 4.16.9, and not 4.16.10"},
		"no version":       {siteFlags{cluster: clusterFlags{version: "4.18"}}, "is no version"},
		"no file":          {siteFlags{cluster: clusterFlags{from: []string{filepath.Join(dir, "absent")}}}, "no such file"},
	} {
		var job unpack.Options
		tc.flags.outDir = filepath.Join(t.TempDir(), "out")
		err := tc.flags.outputs(&app{}, &job)
		if err != nil {
			if !strings.Contains(err.Error(), tc.want) || exitCode(err) != exitUsage {
				t.Errorf("%s: %v, exit %d", name, err, exitCode(err))
			}
			continue
		}
		var got []string
		for _, out := range append([]unpack.Output{{Cluster: job.Site.Cluster, Dir: job.Out}}, job.More...) {
			v, ok := out.Cluster.Running()
			at, rerr := filepath.Rel(tc.flags.outDir, out.Dir.Path())
			err = errors.Join(err, rerr)
			text := fmt.Sprintf("%s %s", v, at)
			if !ok {
				text = "? " + at
			}
			for _, o := range out.Cluster.Of("ImageContentSourcePolicy") {
				text += " " + o.Name
			}
			if known := []string{"ImageContentSourcePolicy", "ImageDigestMirrorSet", "ImageTagMirrorSet"}; tc.flags.rules != "" && slices.ContainsFunc(known, func(k string) bool { return !out.Cluster.Known(k) }) {
				t.Errorf("%s: rules are not known", name)
			}
			got = append(got, text)
		}
		if err != nil || strings.Join(got, ", ") != tc.want {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}
