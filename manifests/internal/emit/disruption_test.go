package emit

import (
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/manifests/octest"
)

// TestDisruption: what is no drain elsewhere is one where the cluster builds images of nodes, or has a
// policy of its own for what a change does; where that is not known, a person looks.
func TestDisruption(t *testing.T) {
	t.Parallel()
	const layered = `{"apiVersion":"machineconfiguration.openshift.io/v1","kind":"MachineOSConfig","metadata":{"name":"x"},"spec":{"machineConfigPool":{"name":"gpu"}}}`
	const policy = `{"apiVersion":"operator.openshift.io/v1","kind":"MachineConfiguration","metadata":{"name":"cluster"},"spec":{"nodeDisruptionPolicy":{"files":[
{"path":"/etc/containers/registries.conf","actions":[{"type":"Drain"},{"type":"Restart","restart":{"serviceName":"crio.service"}}]},
{"path":"/etc/other","actions":[{"type":"Reboot"}]}]}}}`
	both := []string{"MachineOSConfig", "MachineConfiguration"}
	for name, c := range map[string]struct {
		version string
		asked   []string
		objects []string
		alone   bool // GitOps applies the rules by itself
		want    []string
	}{
		"neither":       {"4.20.1", both, nil, true, []string{"!But nodes of", "!policy of its own", "!Some clusters drain"}},
		"images":        {"4.20.1", both, []string{layered}, false, []string{". Pull secret", "**But nodes of `gpu` run images", "oc set data", ". Rules", "no drain and no reboot", "**But nodes of `gpu` run images", "oc apply", "!Some clusters drain"}},
		"a policy":      {"4.20.1", both, []string{policy}, false, []string{". Rules", "no drain and no reboot", "for `/etc/containers/registries.conf`, which counts instead: Drain, Restart crio.service.", "oc apply", "!config.json`, which counts"}},
		"not known":     {"4.20.1", nil, nil, false, []string{"## 1. ", "Some clusters drain", "openshift-config-user-ca-bundle.crt", "If one prints something, expect", "oc get machineosconfigs", "!But nodes of"}},
		"no version":    {"", nil, nil, false, []string{"## 1. ", "Some clusters drain"}},
		"older than it": {"4.15.1", nil, nil, true, []string{"!Some clusters drain"}},
	} {
		rules := []string{`{"apiVersion":"config.openshift.io/v1","kind":"ImageDigestMirrorSet","metadata":{"name":"x"},"spec":{}}`}
		files, _ := pagesOf(t, emitInput{Mirror: "m.example", Images: manyImages(1), NodeSecret: `{"auths":{"m.example":{"auth":"ZmFrZTpmYWtl"}}}`}, func(s *site.Site) {
			s.Cluster = clusterOf(t, c.version, append(c.asked, ruleKindNames()...), append(rules, c.objects...)...)
		})
		t.Run(name, func(t *testing.T) { order(t, files[handover.FileApply], c.want...) })
		if alone := strings.Contains(files[fileKustomization], "icsp-"); alone != c.alone {
			t.Errorf("%s: GitOps applies the rules by itself: %v", name, alone)
		}
	}
	e := newEmission(&handover.Handover{Site: site.Site{Cluster: clusterOf(t, "4.20.1", both, layered)}})
	p := page.New(false)
	e.PageDisruption(p, handover.NodeRegistries)
	if got := string(p.Bytes()); !strings.Contains(got, "may drain and reboot each of them") {
		t.Errorf("got %q", got)
	}
	e = newEmission(&handover.Handover{Site: site.Site{Cluster: clusterOf(t, "4.20.1", both, layered, strings.Replace(policy, "/etc/other", handover.NodeBundle, 1))}})
	p = page.New(false)
	e.trust.PageTrusted(p)
	order(t, string(p.Bytes()), "no drain and no reboot", "nodes of `gpu`", handover.NodeBundle+"`, which counts instead: Reboot.")
}

// TestLookDisruption: the commands print what there is, and nothing on clusters without the kinds.
func TestLookDisruption(t *testing.T) {
	t.Parallel()
	const objects = `
apiVersion: machineconfiguration.openshift.io/v1
kind: MachineOSConfig
metadata: {name: x}
spec: {machineConfigPool: {name: gpu}}
---
apiVersion: operator.openshift.io/v1
kind: MachineConfiguration
metadata: {name: cluster}
spec: {nodeDisruptionPolicy: {files: []}}
`
	p := page.New(false)
	newEmission(&handover.Handover{}).LookDisruption(p)
	for minor, want := range map[int]string{12: "", 20: `gpu{"files":[]}`} {
		c := octest.New(t, minor, objects)
		var out strings.Builder
		for _, b := range c.Page(t, t.TempDir(), p.Bytes()) {
			out.WriteString(b.Output)
		}
		if got := strings.ReplaceAll(out.String(), "\n", ""); got != want || len(c.Failed()) > 0 {
			t.Errorf("4.%d: printed %q, want %q; failed: %q", minor, got, want, c.Failed())
		}
	}
}

func ruleKindNames() (names []string) {
	for _, kind := range handover.RuleKinds {
		names = append(names, string(kind))
	}
	return names
}
