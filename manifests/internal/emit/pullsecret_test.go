package emit

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/login"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
)

// TestEmitNodeSecret: which entries nodes get for the mirror, and what the page does with them.
func TestEmitNodeSecret(t *testing.T) {
	t.Parallel()
	const node, push = "bm9kZTpub2RlLXNlY3JldA==", "cHVzaDpwdXNoLXNlY3JldA=="
	auths := func(pairs ...string) string {
		all := map[string]map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			all[pairs[i]] = map[string]string{"auth": pairs[i+1]}
		}
		b, err := json.Marshal(map[string]any{"auths": all})
		must(t, err)
		return string(b)
	}
	images := []emitImage{{Origin: origin.Additional, Source: "registry.example/team/app:v1", Platforms: []string{"linux/amd64"}}, {Origin: origin.Additional, Source: "registry.example/team/tool:v1"}}
	const toAdd, toAddMissing = "--add " + handover.FileMirrorSecret, "--add-missing " + handover.FileMirrorSecret
	for name, c := range map[string]struct {
		in      emitInput
		entries map[string]string
		step    string // in the commands of the page; "" for none
		idle    bool
	}{
		"nodes' own": {emitInput{NodeSecret: auths("m.example:5000", node, "quay.io", push)}, map[string]string{"m.example:5000": node}, toAdd, false},
		"that of the namespace": {emitInput{NodeSecret: auths("m.example:5000", push, "m.example:5000/ocp", node)},
			map[string]string{"m.example:5000/ocp": node}, toAdd, false},
		"another one for a part": {emitInput{NodeSecret: auths("m.example:5000", push, "m.example:5000/ocp/team/app", node)},
			map[string]string{"m.example:5000": push, "m.example:5000/ocp/team/app": node}, toAdd, false},
		"the one that pushes": {emitInput{PushOnNodes: true}, map[string]string{"m.example:5000": push}, toAddMissing, false},
		"none":                {emitInput{}, nil, "--covers m.example:5000/ocp " + login.SecretNow, false},
		"the cluster has it":  {emitInput{NodeSecret: auths("m.example:5000", node), PullSecret: auths("m.example:5000", node)}, map[string]string{"m.example:5000": node}, "", true},
		"it has another":      {emitInput{NodeSecret: auths("m.example:5000", node), PullSecret: auths("m.example:5000", push)}, map[string]string{"m.example:5000": node}, toAdd, false},
		"it has one of its own": {emitInput{PushOnNodes: true, PullSecret: auths("m.example:5000/ocp", node)},
			map[string]string{"m.example:5000": push}, toAddMissing, false},
		"it has the host's":   {emitInput{PushOnNodes: true, PullSecret: auths("m.example:5000", node)}, map[string]string{"m.example:5000": push}, "", true},
		"it has one, no file": {emitInput{PullSecret: auths("m.example:5000", node)}, nil, "", true},
		"it has none":         {emitInput{PullSecret: auths("quay.io", node)}, nil, "--covers m.example:5000/ocp " + login.SecretNow, false},
		"two addresses": {emitInput{PullFrom: []string{"lb.example/all", "[fd00::1]:5000/ocp"}, NodeSecret: auths("lb.example", node)},
			map[string]string{"lb.example": node, "[fd00::1]:5000": node}, toAdd, false},
		"two addresses, the mirror's": {emitInput{PullFrom: []string{"a.example/ocp", "b.example/ocp"}, NodeSecret: auths("b.example", push, "m.example:5000", node)},
			map[string]string{"a.example": node, "b.example": push}, toAdd, false},
		"two addresses, pushed with": {emitInput{PullFrom: []string{"a.example/x", "a.example/y"}, PushOnNodes: true}, map[string]string{"a.example": push}, toAddMissing, false},
		"two addresses, one known": {emitInput{PullFrom: []string{"a.example/ocp", "b.example/ocp"}, PullSecret: auths("a.example", node)},
			nil, "--covers a.example/ocp --covers b.example/ocp " + login.SecretNow, false},
	} {
		c.in.Mirror, c.in.Images, c.in.Username, c.in.Password = "m.example:5000/ocp", images, "push", "push-secret"
		files, _ := emit(t, c.in)
		var got struct{ Auths map[string]map[string]string }
		text, public := "", ""
		for _, f := range files {
			if strings.HasPrefix(f.Name, "secrets/") != (f.Name == handover.FileMirrorSecret) || strings.Contains(f.Name, "secret") && f.Mode != 0o600 {
				t.Errorf("%s: %s has mode %o", name, f.Name, f.Mode)
			}
			switch {
			case f.Name == handover.FileMirrorSecret:
				must(t, json.Unmarshal(f.Body, &got))
			case f.Mode == handover.ModePublic:
				public += string(f.Body)
			}
			if f.Name == handover.FileApply {
				text = string(f.Body)
			}
		}
		entries := map[string]string{}
		for host, entry := range got.Auths {
			entries[host] = entry["auth"]
		}
		if !maps.Equal(entries, c.entries) {
			t.Errorf("%s: nodes get %v, want %v", name, entries, c.entries)
		}
		if strings.Contains(public, node) || strings.Contains(public, push) || strings.Contains(public, "push-secret") {
			t.Errorf("%s: a public file has a credential", name)
		}
		todo := commands(t, files, handover.FileApply)
		if c.step == "" && strings.Contains(todo, "satchel pull-secret") || !strings.Contains(todo, c.step) {
			t.Errorf("%s: the text lacks %q:\n%s", name, c.step, todo)
		}
		if sets := strings.Contains(todo, "oc set data"); sets != (c.step == toAdd || c.step == toAddMissing) {
			t.Errorf("%s: the pull secret is set: %t", name, sets)
		}
		if idle := strings.Contains(text, "Nothing to do: the pull secret"); idle != c.idle {
			t.Errorf("%s: nothing to do: %t", name, idle)
		}
		for _, m := range append(c.in.PullFrom[:len(c.in.PullFrom):len(c.in.PullFrom)], "m.example:5000/ocp")[:max(1, len(c.in.PullFrom))] {
			if want := "crictl pull " + page.Shell(m+"/team/app@"+images[0].image(t).Root.Digest.String()); !strings.Contains(todo, want) {
				t.Errorf("%s: no node is looked at: %s", name, want)
			}
		}
	}
}

// TestEmitGitOpsSecret: the whole pull secret is written only where it was given, and Insights
// stays out of it once it is known to be out.
func TestEmitGitOpsSecret(t *testing.T) {
	t.Parallel()
	const present = `{"auths":{"cloud.openshift.com":{"auth":"ZmFrZTpmYWtl"},"q":{"auth":"ZmFrZTpmYWtl"}}}`
	in := emitInput{Mirror: "m.example", Images: manyImages(1), PullSecret: present, NodeSecret: `{"auths":{"m.example":{"auth":"bm9kZTpub2Rl"}}}`}
	names := func(files []handover.File, name string) []string {
		var s kube.Secret
		must(t, yaml.Unmarshal(fileOf(t, files, name).Body, &s))
		var in struct{ Auths map[string]any }
		must(t, json.Unmarshal(s.Data[".dockerconfigjson"], &in))
		return slices.Sorted(maps.Keys(in.Auths))
	}
	files, _ := emit(t, in)
	if got := names(files, handover.FileGitOpsSecret); !slices.Equal(got, []string{"cloud.openshift.com", "m.example", "q"}) {
		t.Errorf("%v", got)
	}
	if got := names(files, handover.FileGitOpsAfterCut); !slices.Equal(got, []string{"m.example", "q"}) {
		t.Errorf("after the cut: %v", got)
	}
	if !strings.HasPrefix(string(fileOf(t, files, handover.FileGitOpsSecret).Body), "# Only before the cut") || strings.HasPrefix(string(fileOf(t, files, handover.FileGitOpsAfterCut).Body), "#") {
		t.Error("the secret with Insights does not say until when it is for")
	}
	inv, given := in.parse(t)
	given.Cluster = cluster.NewState("cut", []cluster.Object{{Kind: "ConfigMap", Namespace: "openshift-config", Name: handover.BeforeName,
		Body: []byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"satchel-before","namespace":"openshift-config"},"data":{"cut":"true"}}`)}}, "ConfigMap")
	files, _, err := Emit(inv, given)
	must(t, err)
	if got := names(files, handover.FileGitOpsSecret); !slices.Equal(got, []string{"m.example", "q"}) {
		t.Errorf("a cluster that is cut off gets %v", got)
	}
	in.PullSecret = ""
	files, _ = emit(t, in)
	for _, f := range files {
		if strings.HasPrefix(f.Name, "gitops/secrets/") {
			t.Errorf("%s, and no pull secret was given", f.Name)
		}
	}
}

// TestEmitHostedSecret: a hosted cluster's pull secret is that of its HostedCluster, elsewhere.
func TestEmitHostedSecret(t *testing.T) {
	t.Parallel()
	in := emitInput{Mirror: "m.example", Images: manyImages(1), NodeSecret: `{"auths":{"m.example":{"auth":"bm9kZTpub2Rl"}}}`}
	inv, given := in.parse(t)
	given.Cluster = cluster.NewState("hosted", []cluster.Object{{Kind: "Infrastructure", Name: "cluster",
		Body: []byte(`{"apiVersion":"config.openshift.io/v1","kind":"Infrastructure","metadata":{"name":"cluster"},"status":{"controlPlaneTopology":"External","infrastructureName":"hosted-x7k2p"}}`)}}, "Infrastructure")
	files, _, err := Emit(inv, given)
	must(t, err)
	checkCommands(t, files)
	for _, name := range []string{handover.FileApply, handover.FileCut, handover.FileRestore} {
		page := commands(t, files, name)
		if strings.Contains(page, "secret/pull-secret ") || !strings.Contains(page, `oc set data secret/"$NAME" -n "$NAMESPACE" `) {
			t.Errorf("%s changes a pull secret that is written over:\n%s", name, page)
		}
		inOrder(t, page, `NAME=$(oc get hostedclusters -A -o jsonpath='{.items[?(@.spec.infraID=="hosted-x7k2p")].spec.pullSecret.name}')`, `oc extract secret/"$NAME"`, "satchel-before-hosted-x7k2p")
		if !strings.Contains(string(fileOf(t, files, name).Body), "for the management cluster") {
			t.Errorf("%s does not say which cluster its commands are for", name)
		}
	}
}
