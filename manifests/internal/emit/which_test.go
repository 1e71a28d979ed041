package emit

import (
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/octest"
)

// TestWhichCluster: each page names the cluster that it is for, and its first commands say whether
// the reader is logged in to that one.
func TestWhichCluster(t *testing.T) {
	t.Parallel()
	const version = "apiVersion: config.openshift.io/v1\nkind: ClusterVersion\nmetadata: {name: version}\nspec: {clusterID: %}\nstatus: {desired: {version: 4.16.3, image: 'q.example/r@sha256:3333333333333333333333333333333333333333333333333333333333333333'}}\n"
	of := func(id string) string { return strings.Replace(version, "%", id, 1) }
	in := weekOf(t)
	in.Images = append(in.Images, emitImage{Origin: origin.Release, Source: "quay.io/ocp/rel:v", Path: origin.PathPayload, Tags: []string{"4.16.3-x86_64"}})
	files := emitOn(t, in, weekState(t, connectedImage, connectedHub, of("aaaa-1"),
		"apiVersion: config.openshift.io/v1\nkind: Infrastructure\nmetadata: {name: cluster}\nstatus: {apiServerURL: 'https://api.east.example:6443'}\n"))
	for name, heading := range map[string]string{handover.FileApply: "Check the cluster", handover.FileCut: "Look before", handover.FileRestore: "What was there"} {
		head, _, _ := strings.Cut(string(fileOf(t, files, name).Body), "## 1.")
		if !strings.Contains(head, "**For the cluster c, https://api.east.example:6443 (its ID: `aaaa-1`).**") {
			t.Errorf("%s does not name its cluster at the top:\n%s", name, head)
		}
		for id, want := range map[string]string{"aaaa-1": "This is the right cluster.", "bbbb-2": "STOP: this is not the cluster of this page. Its ID is: bbbb-2"} {
			c := octest.New(t, 16, of(id))
			if blocks := pasted(t, c, files, name, heading); len(blocks) == 0 || !strings.Contains(blocks[0].Output, want) {
				t.Errorf("%s on the cluster %s says %v, want %q", name, id, blocks, want)
			}
		}
	}
	if page := string(fileOf(t, files, fileInstall).Body); !strings.Contains(page, "APPLY.md is for (c) does not") {
		t.Errorf("%s does not name the cluster:\n%s", fileInstall, page)
	}
}
