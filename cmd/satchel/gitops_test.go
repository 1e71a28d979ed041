package main

import (
	"regexp"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/octest"
)

var (
	// syncAnnotations are those of Argo CD; noAnnotations is what is left where they were the only ones.
	syncAnnotations = regexp.MustCompile(`(?m)^    argocd\.argoproj\.io/.*\n`)
	noAnnotations   = regexp.MustCompile(`(?m)^  annotations:\n(  [a-z])`)
)

// withoutSync is a cluster's objects without what only GitOps needs, and without what a person does.
func withoutSync(objects map[octest.Key]string) map[octest.Key]string {
	list := map[octest.Key]string{}
	for key, body := range objects {
		if key.Kind != "Secret" && key.Name != "satchel-before" {
			list[key] = noAnnotations.ReplaceAllString(syncAnnotations.ReplaceAllString(body, ""), "$1")
		}
	}
	return list
}

// TestGitOpsIsTheSame: server-side apply of the kustomization makes of a cluster what APPLY.md makes
// of it, and takes nothing of others, also when the next week's takes its place.
func TestGitOpsIsTheSame(t *testing.T) {
	t.Parallel()
	byHand, byGit := octest.New(t, 16, connected), octest.New(t, 16, connected)
	before, dir := byGit.Snapshot(), t.TempDir()
	emitFor(t, byHand, dir, weekOf(t, "4.16.3", "quay.io/acme/one"))
	sync := func() {
		t.Helper()
		for _, b := range byGit.Page(t, dir, []byte("```\noc apply --server-side --force-conflicts -k .\n```\n")) {
			if b.Err != nil {
				t.Fatalf("%v: %s", b.Err, b.Output)
			}
		}
	}
	sync()
	for _, f := range runPage(t, byHand, dir, "APPLY.md") {
		t.Error(f)
	}
	want, got := withoutSync(byHand.Snapshot()), withoutSync(byGit.Snapshot())
	for key, body := range want {
		if got[key] != body {
			t.Errorf("%s by hand is\n%s\nby GitOps\n%s", key, body, got[key])
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			t.Errorf("GitOps alone makes %s", key)
		}
	}
	first := byGit.Snapshot()
	emitFor(t, byGit, dir, weekOf(t, "4.16.3", "quay.io/acme/one"))
	sync()
	for key, body := range byGit.Snapshot() {
		if first[key] != body {
			t.Errorf("nothing is new in the second week, and %s became\n%s\nIt was\n%s", key, body, first[key])
		}
	}
	sameObjects(t, before, byGit.Snapshot(), "company-cache", "company-catalog", "acme", "admin-acks", "admin-gates")
}
