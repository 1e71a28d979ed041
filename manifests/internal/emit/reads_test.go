package emit

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/manifests/internal/update"
	"github.com/satchel-airgap/satchel/manifests/octest"
	"github.com/satchel-airgap/satchel/oci"
)

// siteObjects are what a site has set in its cluster, beside what every cluster has.
const siteObjects = `
apiVersion: config.openshift.io/v1
kind: ClusterVersion
metadata: {name: version}
spec: {channel: eus-4.18, upstream: "https://updates.example"}
status: {desired: {version: 4.18.9}}
---
apiVersion: config.openshift.io/v1
kind: Image
metadata: {name: cluster}
spec: {additionalTrustedCA: {name: company}, registrySources: {insecureRegistries: [old.example]}}
---
apiVersion: config.openshift.io/v1
kind: OperatorHub
metadata: {name: cluster}
spec: {sources: [{name: community-operators, disabled: false}]}
---
apiVersion: config.openshift.io/v1
kind: Proxy
metadata: {name: cluster}
spec: {httpsProxy: "http://p:3128", noProxy: .example, trustedCA: {name: company-ca}}
status: {httpsProxy: "http://p:3128", noProxy: ".svc,.example"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: company, namespace: openshift-config}
data: {other.example: an authority of the company}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: company-ca, namespace: openshift-config}
data: {ca-bundle.crt: another authority of the company}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: default-ingress-cert, namespace: openshift-config-managed}
data: {ca-bundle.crt: the authority of the router}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: admin-gates, namespace: openshift-config-managed}
---
apiVersion: v1
kind: Secret
metadata: {name: pull-secret, namespace: openshift-config}
data: {.dockerconfigjson: eyJhdXRocyI6e319}
---
apiVersion: v1
kind: Node
metadata: {name: node-a, labels: {node-role.kubernetes.io/master: ""}}
---
apiVersion: machineconfiguration.openshift.io/v1
kind: MachineConfigPool
metadata: {name: master}
---
apiVersion: machineconfiguration.openshift.io/v1
kind: MachineConfigPool
metadata: {name: worker}
---
apiVersion: operators.coreos.com/v1alpha1
kind: CatalogSource
metadata: {name: company, namespace: openshift-marketplace}
spec: {sourceType: grpc, image: "registry.example/catalog:v1"}
---
apiVersion: operators.coreos.com/v1alpha1
kind: ClusterServiceVersion
metadata: {name: update-service-operator.v5.0.3, namespace: openshift-update-service}
---
apiVersion: updateservice.operator.openshift.io/v1
kind: UpdateService
metadata: {name: satchel, namespace: openshift-update-service}
status: {policyEngineURI: "https://service.example"}
`

// pullSecretStub stands for the program: it writes a copy, edited once, and refuses an empty file.
const pullSecretStub = `#!/bin/sh
while [ $# -gt 1 ]; do [ "$1" != --output ] || out=$2; shift; done
[ -s "$1" ] && { cat "$1"; grep -q edited "$1" || echo edited; } > "$out"
`

// TestReadsThatFail: whichever command of a page cannot read what it asks for, nothing becomes
// anything but what it was, or what the whole block makes of it; and pasted twice, a page changes
// nothing more.
func TestReadsThatFail(t *testing.T) {
	t.Parallel()
	inv, given := withGraph(t)
	inv.Images[3].Reasons = []oci.Reason{{Kind: "operator", Name: update.UpdatePackage + " 5.0.3", Catalog: inv.Images[2].Configured().String()}}
	nodes, err := site.ParsePullSecret("nodes", []byte(`{"auths":{"mirror.example:5000":{"auth":"ZmFrZTpmYWtl"}}}`))
	must(t, err)
	given.NodeSecret, given.PlainHTTP = nodes, true
	files, _, err := Emit(inv, given)
	must(t, err)
	p := pasting{dir: t.TempDir(), bin: t.TempDir(), objects: siteObjects}
	writeTo(t, p.dir, files)
	must(t, os.WriteFile(filepath.Join(p.bin, "satchel"), []byte(pullSecretStub), 0o755))
	failing := func(page string) {
		for _, b := range octest.Blocks(fileOf(t, files, page).Body) {
			if changes.MatchString(b.Commands) {
				p.withReadsFailing(t, b)
			}
		}
	}
	failing(handover.FileApply)
	failing(handover.FileCut)
	for _, b := range octest.Blocks(fileOf(t, files, handover.FileApply).Body) {
		if !changes.MatchString(b.Commands) {
			continue
		}
		c, _ := p.run(t, p.dir, b, 0)
		if log := c.Log(); len(log) > 0 {
			t.Errorf("%s\npasted once more, it changes the cluster: %q", b.Commands, log)
		}
	}
	failing(handover.FileRestore)
}

// changes is a command that changes the cluster, or a file for one that does.
var changes = regexp.MustCompile(`oc (adm upgrade|apply|create|delete|extract|label|patch|set) `)

// pasting is a person at a cluster that has objects.
type pasting struct{ dir, bin, objects string }

// run pastes a block, in which one read fails: the first is 1, 0 for none.
func (p *pasting) run(t *testing.T, dir string, b octest.Block, fails int) (c *octest.Cluster, reads int) {
	t.Helper()
	c = octest.New(t, 18, p.objects)
	c.Refuse = func(args []string) bool {
		if args[0] == "get" || args[0] == "extract" {
			reads++
			return reads == fails
		}
		return false
	}
	c.Page(t, dir, []byte("```\n"+b.Commands+"```\n"), p.bin)
	return c, reads
}

// keptSoFar reports whether the state before satchel has a part of what it is to have.
func keptSoFar(key octest.Key, got, is string) bool {
	if key.Name != "satchel-before" {
		return false
	}
	for line := range strings.Lines(got) {
		if !strings.Contains(line, "resourceVersion") && !strings.Contains(is, line) {
			return false
		}
	}
	return true
}

// withReadsFailing runs a block as it is, and then what it would have been with each of its reads
// failing.
func (p *pasting) withReadsFailing(t *testing.T, b octest.Block) {
	t.Helper()
	saved := filepath.Join(t.TempDir(), "saved")
	must(t, os.CopyFS(saved, os.DirFS(p.dir)))
	was := octest.New(t, 18, p.objects).Snapshot()
	good, reads := p.run(t, p.dir, b, 0)
	is := good.Snapshot()
	for n := 1; n <= reads; n++ {
		if n > 8 && n < reads && os.Getenv("SATCHEL_SOAK") == "" {
			continue // a loop that waits repeats one read
		}
		dir := filepath.Join(t.TempDir(), "failed")
		must(t, os.CopyFS(dir, os.DirFS(saved)))
		bad, _ := p.run(t, dir, b, n)
		got := bad.Snapshot()
		for _, objects := range []map[octest.Key]string{was, is, got} {
			for key := range objects {
				if got[key] != was[key] && got[key] != is[key] && !keptSoFar(key, got[key], is[key]) {
					t.Errorf("%s\nread %d fails, and %s is\n%s\nIt was\n%s\nand should become\n%s", b.Commands, n, key, got[key], was[key], is[key])
				}
			}
		}
	}
	p.objects = good.Dump()
}
