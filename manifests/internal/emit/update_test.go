package emit

import (
	"fmt"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/payload"
	"github.com/satchel-airgap/satchel/manifests/internal/update"
	"github.com/satchel-airgap/satchel/manifests/octest"
)

// payloads are images of releases by their tags.
func payloads(tags ...string) (list []emitImage) {
	for _, tag := range tags {
		list = append(list, emitImage{Origin: origin.Release, Source: "quay.io/openshift-release-dev/ocp-release:" + tag, Path: origin.PathPayload, Tags: []string{tag}})
	}
	return list
}

type object1 = map[string]any

// in is an object of a cluster: kind, name and namespace, and its other fields in pairs.
func in(kind, namespace, name string, fields ...any) object1 {
	version := "v1"
	switch kind {
	case "Image", "Proxy", "OperatorHub", "Infrastructure", "ClusterVersion":
		version = "config.openshift.io/v1"
	}
	o := object1{"apiVersion": version, "kind": kind, "metadata": object1{"name": name, "namespace": namespace}}
	for i := 0; i < len(fields); i += 2 {
		o[fields[i].(string)] = fields[i+1]
	}
	return o
}

// updatePage is the chapter of the update, and what is above the steps.
func updatePage(t *testing.T, in emitInput) string {
	t.Helper()
	in.Mirror = "m.example"
	files, _ := emit(t, in)
	checkCommands(t, files)
	return string(fileOf(t, files, handover.FileApply).Body)
}

// order is what the page has in this order; a text that begins with ! it does not have at all.
func order(t *testing.T, page string, texts ...string) {
	t.Helper()
	var want []string
	for _, s := range texts {
		if no, ok := strings.CutPrefix(s, "!"); ok {
			if strings.Contains(page, no) {
				t.Errorf("%q is there", no)
			}
			continue
		}
		want = append(want, s)
	}
	inOrder(t, page, want...)
}

func TestUpdateOverTwoMinors(t *testing.T) {
	t.Parallel()
	page := updatePage(t, emitInput{
		ClusterVersion: "4.14.20", Images: payloads("4.14.5-x86_64", "4.14.20-x86_64", "4.15.40-x86_64", "4.16.30-x86_64", "4.16.31-x86_64"),
		Facts: []emitFacts{
			{Tag: "4.15.40-x86_64", From: []string{"4.14.20!Slow"}, Gates: map[string]string{"ack-4.15-kube-1.29-api-removals-in-4.16": "APIs go\naway."}},
			{Tag: "4.16.30-x86_64", From: []string{"4.15.40"}},
			{Tag: "4.16.31-x86_64", From: []string{"4.15.41"}},
		},
		Cluster: []object1{
			in("ConfigMap", "openshift-config-managed", "admin-gates", "data", object1{"ack-4.14-kube-1.28-api-removals-in-4.15": "Some `API`s go.", "ack-4.13-old": "x"}),
			in("ConfigMap", "openshift-config", "admin-acks", "data", object1{"ack-4.14-kube-1.28-api-removals-in-4.15": "true"}),
			in("MachineConfigPool", "", "master"), in("MachineConfigPool", "", "worker"), in("MachineConfigPool", "", "infra"),
		},
	})
	order(t, page, "Prepare the update to 4.16.30",
		"runs 4.14.20. It is updated to 4.15.40, then to 4.16.30", "Nothing to do for the other releases", "4.14.5, 4.14.20", "**Stop: do not update to 4.16.31. No update that satchel knows of leads there from 4.14.20:**",
		"olm.maxOpenShiftVersion", "cluster-backup.sh",
		"Pause the pools of worker nodes", "no rules, no certificate authority and no pull secret", "Each must be 4.16 or newer: else the cluster stays on 4.15, with paused nodes.", `oc patch machineconfigpool infra --type=merge -p '{"spec":{"paused":true}}'`, "oc patch machineconfigpool worker",
		"Update to 4.15.40", "known problems", "Slow: Some clusters slow.", "Do what the last one says", "oc get configmap admin-gates", "**Acknowledge only a gate that the first command shows now:**", "`ack-4.14-kube-1.28-api-removals-in-4.15`: Some 'API's go. (Acknowledged already.)",
		"control plane nodes", "STOP: what the cluster runs could not be read", "oc adm upgrade", "the update begins by itself, and drains", "`oc adm upgrade --clear`", "wait-for-stable-cluster", "oc wait $("+handover.NotPaused+")",
		"Before the update to 4.16.30, the operators that are installed must be through too", "oc get csv -A",
		"Update to 4.16.30", "oc get configmap admin-gates", "`ack-4.15-kube-1.29-api-removals-in-4.16`: APIs go away. Is it there, and have you checked", "oc adm upgrade", "wait-for-stable-cluster",
		"Resume the pools of worker nodes", "drains and restarts every node of these pools", `oc patch machineconfigpool worker --type=merge -p '{"spec":{"paused":false}}'`, "oc wait $("+handover.NotPaused+")", "!You may leave out",
		"!--force", "!ack-4.13-old", "!sigstore", "!machineconfigpool master")
	for i, block := range strings.Split(page, "```") {
		if i%2 == 1 && strings.Contains(block, "patch configmap admin-acks") {
			t.Error("an acknowledgement is to be pasted")
		}
	}
}

// TestUpdateBackups: etcd is backed up before each pair of updates that worker nodes wait for, and
// before each other update to another minor version; and before a pause, the page lists what operators
// may be on at most.
func TestUpdateBackups(t *testing.T) {
	t.Parallel()
	in := emitInput{Mirror: "m.example", ClusterVersion: "4.12.9"}
	for minor := 13; minor <= 17; minor++ {
		tag := fmt.Sprintf("4.%d.9-x86_64", minor)
		in.Images = append(in.Images, payloads(tag)...)
		in.Facts = append(in.Facts, emitFacts{Tag: tag, Previous: []string{fmt.Sprintf("4.%d.9", minor-1)}})
	}
	files, _ := emit(t, in)
	const backup = "cluster-backup.sh"
	page := string(fileOf(t, files, handover.FileApply).Body)
	order(t, page, ". Prepare the update", backup, ". Pause the pools", ". Update to 4.14.9", ". Resume the pools", ". Pause the pools", backup, ". Update to 4.16.9", ". Resume the pools", ". Update to 4.17.9", backup, "oc adm upgrade")
	if n := strings.Count(page, backup); n != 3 {
		t.Errorf("%d backups", n)
	}
	csv := func(name, properties string) string {
		return "---\napiVersion: operators.coreos.com/v1alpha1\nkind: ClusterServiceVersion\nmetadata: {name: " + name + ", namespace: ns, annotations: {" + properties + "}}\n"
	}
	c := running(t, "4.12.9", csv("a.v1", `olm.properties: '[{"type":"olm.package","value":{"version":"1.0.0"}},{"type":"olm.maxOpenShiftVersion","value":"4.13"},{"type":"x","value":1}]'`)+csv("b.v1", `olm.properties: '[{"type":"olm.maxOpenShiftVersion","value":4.14}]'`)+csv("c.v1", "olm.properties: '[]'"))
	if got := pasted(t, c, files, handover.FileApply, "Pause the pools")[0]; got.Output != "ns a.v1 4.13\nns b.v1 4.14\n" {
		t.Errorf("%s prints\n%s", got.Commands, got.Output)
	}
}

// TestUpdateNoWay: where no update is known to lead from the running release to that of the bundle,
// the page stops, and no command begins one.
func TestUpdateNoWay(t *testing.T) {
	t.Parallel()
	tag := func(v string) string { return v + "-x86_64" }
	week2 := func(facts emitFacts, earlier ...emitFacts) emitInput {
		return emitInput{ClusterVersion: "4.14.20", Images: payloads(facts.Tag), Facts: []emitFacts{facts}, EarlierReleases: earlier}
	}
	two := emitFacts{Tag: tag("4.15.40"), Previous: []string{"4.14.30"}}
	for name, c := range map[string]struct {
		in   emitInput
		want []string // on the page, and the releases that it updates to
	}{
		"nothing said": {week2(emitFacts{Tag: tag("4.15.40")}), []string{"The update: stop", "No update is to be begun now", "**Stop: do not update to 4.15.40."}},
		"another one":  {week2(two), []string{"**Stop: do not update to 4.15.40.", "No update that satchel knows of leads there from 4.14.20"}},
		"over the release of last week": {week2(two, emitFacts{Tag: tag("4.14.30"), Previous: []string{"4.14.20"}}), []string{"It is updated to 4.14.30, then to 4.15.40.", "!Stop:",
			"That of 4.14.30 came with the bundle that brought it", "Update to 4.14.30", "An earlier bundle brought this release", "--to-image quay.io/openshift-release-dev/ocp-release@", "Update to 4.15.40"}},
		"of another architecture": {week2(two, emitFacts{Tag: "4.14.30-aarch64", Previous: []string{"4.14.20"}}), []string{"**Stop: do not update to 4.15.40."}},
		"newer than this bundle":  {week2(emitFacts{Tag: tag("4.14.30"), Previous: []string{"4.14.20"}}, two), []string{"It is updated to 4.14.30.", "!4.15.40"}},
		"behind the cluster":      {week2(emitFacts{Tag: tag("4.14.30"), Previous: []string{"4.14.20"}}, emitFacts{Tag: tag("4.14.10")}), []string{"It is updated to 4.14.30.", "!4.14.10"}},
		"not asked":               {func() emitInput { in := week2(two); in.Unchecked = true; return in }(), []string{"**Stop: do not update to 4.15.40.", "run satchel render again without `--offline`"}},
	} {
		page := updatePage(t, c.in)
		order(t, page, c.want...)
		if stops := strings.Contains(strings.Join(c.want, "\n"), "**Stop"); stops == strings.Contains(page, "allow-explicit-upgrade") {
			t.Errorf("%s: an update is begun: %v", name, !stops)
		}
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

// TestUpdateUnnamed: of a payload whose tag is no version no update is known, so none is printed.
func TestUpdateUnnamed(t *testing.T) {
	t.Parallel()
	for _, tags := range [][]string{{"latest"}, {"4.14.20-x86_64", "latest"}} {
		page := updatePage(t, emitInput{ClusterVersion: "4.14.20", Images: payloads(tags...)})
		order(t, page, ". The update", "do not say which version they are", "latest", "!allow-explicit-upgrade")
	}
}

// TestUpdateOC: the page names the oc that the bundle brings.
func TestUpdateOC(t *testing.T) {
	t.Parallel()
	inv, given := emitInput{ClusterVersion: "4.15.9", Images: payloads("4.16.3-x86_64"), Facts: []emitFacts{{Tag: "4.16.3-x86_64", From: []string{"4.15.9"}}}}.withMirror().parse(t)
	given.Payloads[0].Tools = []payload.Tool{{Name: payload.ToolOC, Platform: "linux/amd64"}, {Name: payload.ToolInstall, Platform: "linux/amd64"}}
	files, _, err := Emit(inv, given)
	must(t, err)
	order(t, string(fileOf(t, files, handover.FileApply).Body), "Use an `oc` of this version or a newer one (for the processor of this host, this directory has one: `tools/oc-4.16.3-amd64`;")
}

// TestUpdateBootImages: what the cluster says of boot images decides on their gates.
func TestUpdateBootImages(t *testing.T) {
	t.Parallel()
	manager := func(resource string) []object1 {
		return []object1{{"resource": resource, "apiGroup": "machine.openshift.io", "selection": object1{"mode": "None"}}}
	}
	const old, young = "`ack-4.18-boot-image-opt-out-in-4.19`", "`ack-4.21-boot-image-opt-out-in-4.22`"
	for _, c := range []struct {
		from, to, platform string
		spec               object1
		want               []string
	}{
		{"4.18.9", "4.19.9", "AWS", object1{}, []string{old, "satchel's result: this cluster is such a one."}},
		{"4.18.9", "4.19.9", "AWS", object1{"machineManagers": manager("machinesets")}, []string{"!" + old}},
		{"4.18.9", "4.19.9", "AWS", object1{"machineManagers": manager("controlplanemachinesets")}, []string{"!" + old}},
		{"4.21.9", "4.22.9", "VSphere", object1{}, []string{young, "satchel's result: this cluster is such a one."}},
		{"4.21.9", "4.22.9", "VSphere", object1{"machineManagers": manager("machinesets")}, []string{"!" + young}},
		{"4.21.9", "4.22.9", "VSphere", object1{"machineManagers": manager("controlplanemachinesets")}, []string{young, "satchel's result: this cluster is such a one."}},
		{"4.21.9", "4.22.9", "VSphere", nil, []string{young, "!satchel's result: this cluster"}},
	} {
		cluster := []object1{in("Infrastructure", "", "cluster", "status", object1{"platformStatus": object1{"type": c.platform}})}
		if c.spec != nil {
			cluster = append(cluster, in("MachineConfiguration", "", "cluster", "spec", object1{"managedBootImages": c.spec}))
		}
		order(t, updatePage(t, emitInput{ClusterVersion: c.from, Images: payloads(c.to + "-x86_64"), Facts: []emitFacts{{Tag: c.to + "-x86_64", From: []string{c.from}}}, Cluster: cluster}), c.want...)
	}
}

// node is a node with a role and a kubelet.
func node(role, kubelet string) object1 {
	o := in("Node", "", role, "status", object1{"nodeInfo": object1{"architecture": "amd64", "kubeletVersion": kubelet}})
	o["metadata"].(object1)["labels"] = object1{"node-role.kubernetes.io/" + role: ""}
	return o
}

// TestUpdateUnderWay: only what the cluster shows says that worker nodes wait for an update; the rest
// of it comes first then. A pool that is paused for any other reason changes nothing of the order.
func TestUpdateUnderWay(t *testing.T) {
	t.Parallel()
	history := func(list ...string) object1 {
		var h []object1
		for _, v := range list {
			version, state, _ := strings.Cut(v, " ")
			h = append(h, object1{"version": version, "state": state})
		}
		return in("ClusterVersion", "", "version", "status", object1{"history": h})
	}
	marked := in1("MachineConfigPool", "worker", true)
	marked["metadata"].(object1)["annotations"] = object1{update.KeyPaused: "true"}
	updated := in1("MachineConfigPool", "worker", true)
	updated["status"] = object1{"conditions": []object1{{"type": "Updated", "status": "True"}}}
	worker, one, two := in1("MachineConfigPool", "worker", true), history("4.15.40 Completed"), history("4.15.40 Completed", "4.14.20 Completed")
	for name, c := range map[string]struct {
		objects []object1
		is      bool
	}{
		"only paused":                {[]object1{worker, one}, false},
		"an own pool":                {[]object1{in1("MachineConfigPool", "canary", true), two}, false},
		"satchel paused it":          {[]object1{marked, one}, true},
		"an update to a minor":       {[]object1{worker, two}, true},
		"that the workers have":      {[]object1{updated, two}, false},
		"also by their kubelet":      {[]object1{worker, two, node("master", "v1.28.3"), node("worker", "v1.28.3")}, false},
		"an older kubelet":           {[]object1{worker, one, node("master", "v1.28.3"), node("worker", "v1.27.1")}, true},
		"both are done":              {[]object1{marked, two, node("master", "v1.28.3"), node("worker", "v1.26.1")}, false},
		"an update that is not done": {[]object1{worker, history("4.16.30 Partial", "4.15.40 Completed"), node("master", "v1.28.3"), node("worker", "v1.28.3")}, true},
		"a patch":                    {[]object1{worker, history("4.15.40 Completed", "4.15.9 Completed")}, false},
	} {
		page := updatePage(t, emitInput{Images: payloads("4.15.40-x86_64", "4.16.30-x86_64", "4.17.20-x86_64"), Facts: []emitFacts{{Tag: "4.16.30-x86_64", From: []string{"4.15.40"}}, {Tag: "4.17.20-x86_64", From: []string{"4.16.30"}}}, Cluster: append([]object1{in1("MachineConfigPool", "master", false)}, c.objects...)})
		if c.is {
			order(t, page, "An update is under way", "Update to 4.16.30", "oc wait $("+handover.NotPaused+")", "Resume the pools of worker nodes", "Rules: where nodes find", "Prepare the update to 4.17.20", "cluster-backup", "Update to 4.17.20", "!Pause the pools")
		} else {
			order(t, page, "get nothing of what follows until the pool is resumed", "Resume it first", "Rules: where nodes find", "Update to 4.16.30", "!is under way that")
		}
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

// TestUpdateMasterPaused: no update begins while the pool of the control plane is paused.
func TestUpdateMasterPaused(t *testing.T) {
	t.Parallel()
	page := updatePage(t, emitInput{ClusterVersion: "4.15.40", Images: payloads("4.16.30-x86_64"), Facts: []emitFacts{{Tag: "4.16.30-x86_64", From: []string{"4.15.40"}}}, Cluster: []object1{
		in1("MachineConfigPool", "master", true), in1("MachineConfigPool", "worker", true),
	}})
	order(t, page, "Rules: where nodes find", "**Stop: the pool `master` is paused.", "!oc adm upgrade", "!cluster-backup")
}

// TestPausedBySite: a pool that the site has paused itself is paused after the updates too, whether
// the pools were known or not, and also if the page is pasted twice.
func TestPausedBySite(t *testing.T) {
	t.Parallel()
	const objects = `
apiVersion: machineconfiguration.openshift.io/v1
kind: MachineConfigPool
metadata: {name: master}
---
apiVersion: machineconfiguration.openshift.io/v1
kind: MachineConfigPool
metadata: {name: worker}
---
apiVersion: machineconfiguration.openshift.io/v1
kind: MachineConfigPool
metadata: {name: canary}
spec: {paused: true}
`
	pools := []object1{in("MachineConfigPool", "", "master"), in("MachineConfigPool", "", "worker"), in("MachineConfigPool", "", "canary", "spec", object1{"paused": true})}
	for name, known := range map[string][]object1{"known": pools, "not known": nil} {
		c := octest.New(t, 14, objects)
		files, _ := emit(t, emitInput{Mirror: "m.example", ClusterVersion: "4.14.20", Images: payloads("4.15.40-x86_64", "4.16.30-x86_64"), Facts: []emitFacts{{Tag: "4.15.40-x86_64", From: []string{"4.14.20"}}, {Tag: "4.16.30-x86_64", Previous: []string{"4.15.40"}}}, Cluster: known})
		var pause, resume string
		for _, b := range octest.Blocks(fileOf(t, files, handover.FileApply).Body) {
			switch {
			case strings.HasPrefix(b.Step[strings.Index(b.Step, " ")+1:], "Pause the pools"):
				pause = "```\n" + b.Commands + "```\n"
			case strings.Contains(b.Step, "Resume the pools of worker nodes"):
				resume = "```\n" + b.Commands + "```\n"
			}
		}
		paused := func(want string) {
			t.Helper()
			for key, o := range c.Snapshot() {
				if is := strings.Contains(o, "paused: true"); is != strings.Contains(want, key.Name) || strings.Contains(o, update.KeyPaused) != (is && key.Name != "canary") {
					t.Errorf("%s: %q are to be paused: %s", name, want, o)
				}
			}
		}
		for range 2 {
			c.Page(t, t.TempDir(), []byte(pause))
			paused("worker canary")
		}
		for range 2 {
			c.Page(t, t.TempDir(), []byte(resume))
			paused("canary")
		}
	}
}

func TestUpdateNothing(t *testing.T) {
	t.Parallel()
	page := updatePage(t, emitInput{ClusterVersion: "4.16.30", Images: payloads("4.15.40-x86_64", "4.16.30-x86_64")})
	order(t, page, "Nothing to do:", "the update (the cluster runs 4.16.30, and no release of the bundle is newer)", "!oc adm upgrade", "!cluster-backup")
	page = updatePage(t, emitInput{Images: payloads("4.16.30-x86_64", "4.16.30-aarch64")})
	order(t, page, "several architectures", "4.16.30-aarch64: `quay.io", "!oc adm upgrade")
}

// TestUpdateArchitecture: only payloads of the cluster's own architecture are for it.
func TestUpdateArchitecture(t *testing.T) {
	t.Parallel()
	images := payloads("4.16.30-x86_64", "4.16.30-multi", "4.16.31-multi", "4.16.31-x86_64")
	cv := func(status object1) []object1 {
		return []object1{in("ClusterVersion", "", "version", "status", status)}
	}
	history := []object1{{"state": "Completed", "version": "4.16.30"}}
	node := func(arch string) object1 {
		return in("Node", "", arch, "status", object1{"nodeInfo": object1{"architecture": arch}})
	}
	multi, amd := images[2].image(t).Root.Digest.String(), images[3].image(t).Root.Digest.String()
	for name, c := range map[string]struct {
		cluster []object1
		want    string
	}{
		"by the payload": {cv(object1{"history": history, "desired": object1{"image": "quay.io/x@" + images[1].image(t).Root.Digest.String()}}), multi},
		"multi":          {cv(object1{"history": history, "desired": object1{"architecture": "Multi"}}), multi},
		"as accepted":    {cv(object1{"history": history, "conditions": []object1{{"type": "ReleaseAccepted", "message": `Payload loaded version="4.16.30" architecture="amd64"`}}}), amd},
		"by nodes":       {append(cv(object1{"history": history}), node("amd64")), amd},
		"by two nodes":   {append(cv(object1{"history": history}), node("amd64"), node("arm64")), multi},
	} {
		facts := []emitFacts{{Tag: "4.16.31-multi", Previous: []string{"4.16.30"}}, {Tag: "4.16.31-x86_64", Previous: []string{"4.16.30"}}}
		page := updatePage(t, emitInput{Images: images, Cluster: c.cluster, Facts: facts})
		if got := strings.Count(page, "oc adm upgrade --allow-explicit-upgrade"); got != 1 || !strings.Contains(page, "--to-image quay.io/openshift-release-dev/ocp-release@"+c.want) {
			t.Errorf("%s: %d updates, or not to %s", name, got, c.want)
		}
	}
	page := updatePage(t, emitInput{Images: images, Cluster: append(cv(object1{"history": history}), node("s390x"))})
	order(t, page, "runs 4.16.30", "not for this cluster (its architecture: s390x)", "!oc adm upgrade")
}

func TestUpdateGatesOfOperators(t *testing.T) {
	t.Parallel()
	platform := func(name string) []object1 {
		return []object1{in("Infrastructure", "", "cluster", "status", object1{"platformStatus": object1{"type": name}}), in("Node", "", "a", "status", object1{"nodeInfo": object1{"architecture": "amd64"}})}
	}
	for _, c := range []struct {
		from, to, platform string
		want               []string
	}{
		{"4.18.9", "4.19.9", "AWS", []string{"ack-4.18-boot-image-opt-out-in-4.19", "ack-4.18-gateway-api-management-in-4.19", "!aarch64"}},
		{"4.18.9", "4.19.9", "BareMetal", []string{"!boot-image", "gateway-api", "!aarch64"}},
		{"4.18.9", "4.19.9", "", []string{"aarch64-bootloader", "boot-image", "gateway-api"}},
		{"4.20.9", "4.21.9", "BareMetal", []string{"ack-4.20-sigstore-in-4.21"}},
		{"4.20.0-okd-scos.9", "4.21.0-okd-scos.9", "BareMetal", []string{"!sigstore"}},
		{"4.21.9", "4.22.9", "VSphere", []string{"ack-4.21-boot-image-opt-out-in-4.22"}},
		{"4.21.9", "4.21.10", "VSphere", []string{"!what holds the update back"}},
		{"4.13.9", "4.14.9", "VSphere", []string{"vsphere-migration"}},
		{"4.13.9", "4.14.9", "AWS", []string{"!vsphere-migration"}},
	} {
		in := emitInput{ClusterVersion: c.from, Images: payloads(c.to + "-x86_64"), Facts: []emitFacts{{Tag: c.to + "-x86_64", Previous: []string{c.from}}}}
		if c.platform != "" {
			in.Cluster = platform(c.platform)
		}
		page := updatePage(t, in)
		order(t, page, append([]string{"oc adm upgrade"}, c.want...)[:1]...)
		for _, want := range c.want {
			order(t, page, want)
		}
	}
}

func TestUpdateOperators(t *testing.T) {
	t.Parallel()
	csv := func(namespace, name, version, most string) object1 {
		o := in("ClusterServiceVersion", namespace, name, "spec", object1{"version": version})
		if most != "" {
			o["metadata"].(object1)["annotations"] = object1{"olm.properties": fmt.Sprintf(`[{"type":"x","value":{}},{"type":"olm.maxOpenShiftVersion","value":%s}]`, most)}
		}
		return o
	}
	subscription := func(namespace, pkg, channel, csv string) object1 {
		return in("Subscription", namespace, pkg, "spec", object1{"name": pkg, "channel": channel, "installPlanApproval": "Manual"}, "status", object1{"installedCSV": csv})
	}
	copied := csv("elsewhere", "a.v1.0.0", "1.0.0", `"4.15"`)
	copied["metadata"].(object1)["labels"] = object1{"olm.copiedFrom": "ns"}
	input := emitInput{ClusterVersion: "4.15.9", Images: append(payloads("4.16.3-x86_64"), indexes(redhatIndex, "v4.15", "v4.16")...), Facts: []emitFacts{{Tag: "4.16.3-x86_64", From: []string{"4.15.9"}}}, Cluster: []object1{
		csv("ns", "a.v1.0.0", "1.0.0", `"4.15"`), subscription("ns", "a", "stable", "a.v1.0.0"), copied,
		csv("ns", "b.v1.0.0", "1.0.0", "4.15"), subscription("ns", "b", "old", "b.v1.0.0"),
		csv("ns", "c.v1.0.0", "1.0.0", `"4.14"`), subscription("ns", "c", "stable", "c.v1.0.0"),
		csv("ns", "d.v1.0.0", "1.0.0", `"4.16"`), subscription("ns", "d", "stable", "d.v1.0.0"),
		csv("ns", "e.v1.0.0", "1.0.0", ""), csv("ns", "f.v1.0.0", "1.0.0", `"4.9"`), csv("ns", "g.v1.0.0", "1.0.0", `"4.15.0"`), subscription("ns", "g", "stable", "g.v1.0.0"),
	}}
	inv, given := input.withMirror().parse(t)
	given.Contents = []documents.CatalogContents{{Catalog: redhatIndex + ":v4.16", MostOpenShift: true, Packages: []documents.PackageContents{
		{Name: "a", Channels: []documents.ChannelContents{{Name: "stable", Versions: []documents.VersionContents{{Version: "1.1.5", MostOpenShift: "4.17"}}}}},
		{Name: "c", Channels: []documents.ChannelContents{{Name: "stable", Versions: []documents.VersionContents{{Version: "3.0.0", MostOpenShift: "4.17"}}}}},
	}}, {Catalog: redhatIndex + ":v4.15", MostOpenShift: true, Packages: []documents.PackageContents{
		{Name: "a", Channels: []documents.ChannelContents{{Name: "stable", Versions: []documents.VersionContents{{Version: "1.0.0", MostOpenShift: "4.15"}, {Version: "1.1.0", MostOpenShift: "4.16"}, {Version: "1.2.0"}}}}},
		{Name: "b", Channels: []documents.ChannelContents{{Name: "new", Versions: []documents.VersionContents{{Version: "2.0.0"}}}, {Name: "old", Versions: []documents.VersionContents{{Version: "1.0.1", MostOpenShift: "4.15"}}}}},
		{Name: "c", Channels: []documents.ChannelContents{{Name: "stable", Versions: []documents.VersionContents{{Version: "1.0.0", MostOpenShift: "4.14"}}}}},
	}}}
	files, _, err := Emit(inv, given)
	must(t, err)
	page := string(fileOf(t, files, handover.FileApply).Body)
	order(t, page,
		"**An operator that is updated may drain or restart nodes**",
		"`a.v1.0.0` in ns may be on 4.15 at most, and holds back the update to 4.16 (its updates are approved by hand): a 1.1.0, in channel stable in the mirror, lifts that.",
		"`b.v1.0.0` in ns", "b 2.0.0, in channel new in the mirror, lifts that. The Subscription follows channel old, so change the channel.",
		"`c.v1.0.0` in ns may be on 4.14 at most", "c 3.0.0 would lift that, but only the catalog for 4.16 has it (`catalogsource-redhat-operators-after-4.16.yaml`), which comes after the update: it cannot lift it. Carry a version of c that may be on 4.16 from the catalog for 4.15.",
		"`f.v1.0.0` in ns may be on 4.9 at most", "no Subscription",
		"`g.v1.0.0`", "does not know whether a version of g",
		"\nkeep channel-ns.b oc get", `oc patch subscriptions.operators.coreos.com b -n ns --type=merge -p '{"spec":{"channel":"new"}}' ||`, "cluster-backup.sh", "!`d.v1.0.0`", "!`e.v1.0.0`", "!in elsewhere")
}

// TestUpdateExtensions: what OLM v1 has installed holds back updates too, from 4.18 on.
func TestUpdateExtensions(t *testing.T) {
	t.Parallel()
	extension := func(name, bundle, version string, catalog object1) object1 {
		catalog["packageName"] = name
		o := in("ClusterExtension", "", name, "spec", object1{"source": object1{"catalog": catalog}}, "status", object1{"install": object1{"bundle": object1{"name": bundle, "version": version}}})
		o["apiVersion"] = "olm.operatorframework.io/v1"
		return o
	}
	olm := in("ClusterOperator", "", "olm", "status", object1{"conditions": []object1{{"type": "Upgradeable", "status": "False",
		"message": `InstalledOLMOperatorsUpgradeable: Found ClusterExtensions that require upgrades prior to upgrading cluster to version 4.18: bundle "c.v1" for ClusterExtension "c".`}}})
	olm["apiVersion"] = "config.openshift.io/v1"
	input := emitInput{ClusterVersion: "4.18.9", Images: append(payloads("4.19.3-x86_64"), indexes(redhatIndex, "v4.18")...), Facts: []emitFacts{{Tag: "4.19.3-x86_64", From: []string{"4.18.9"}}}, Cluster: []object1{
		extension("a", "a.v1", "1.0.0", object1{"channels": []string{"stable"}, "version": "1.0.x"}), extension("b", "b.v1", "1.0.0", object1{}), extension("c", "c.v1", "1.0.0", object1{}),
		extension("d", "d.v1", "1.0.0", object1{}), olm,
	}}
	inv, given := input.withMirror().parse(t)
	given.Contents = []documents.CatalogContents{{Catalog: redhatIndex + ":v4.18", MostOpenShift: true, Packages: []documents.PackageContents{
		{Name: "a", Channels: []documents.ChannelContents{{Name: "new", Versions: []documents.VersionContents{{Version: "2.0.0", Bundle: "a.v2"}}}, {Name: "stable", Versions: []documents.VersionContents{{Version: "1.0.0", Bundle: "a.v1", MostOpenShift: "4.18"}}}}},
		{Name: "b", Channels: []documents.ChannelContents{{Name: "stable", Versions: []documents.VersionContents{{Version: "1.0.0", Bundle: "b.v1", MostOpenShift: "4.18"}, {Version: "1.1.0", Bundle: "b.v1.1", MostOpenShift: "4.19"}}}}},
		{Name: "d", Channels: []documents.ChannelContents{{Name: "stable", Versions: []documents.VersionContents{{Version: "1.0.0", Bundle: "d.v1", MostOpenShift: "4.19"}}}}},
	}}}
	files, _, err := Emit(inv, given)
	must(t, err)
	order(t, string(fileOf(t, files, handover.FileApply).Body),
		"oc get clusteroperator operator-lifecycle-manager", "oc get clusteroperator olm --ignore-not-found",
		"`a.v1` of the ClusterExtension `a` may be on 4.18 at most, and holds back the update to 4.19: a 2.0.0, in channel new in the mirror, lifts that. The ClusterExtension follows channel stable, so change its channels. The ClusterExtension allows version `1.0.x`",
		"`b.v1` of the ClusterExtension `b` may be on 4.18 at most, and holds back the update to 4.19: b 1.1.0, in channel stable in the mirror, lifts that.",
		"`c.v1` of the ClusterExtension `c` holds back the update to 4.19: satchel does not know",
		"cluster-backup.sh", "!`d.v1` of")
	order(t, updatePage(t, emitInput{ClusterVersion: "4.17.9", Images: payloads("4.18.3-x86_64"), Facts: []emitFacts{{Tag: "4.18.3-x86_64", From: []string{"4.17.9"}}}}), "operator-lifecycle-manager", "!clusteroperator olm")
}

// TestUpdateTenant: what a tenant writes into a Subscription of his own becomes no command.
func TestUpdateTenant(t *testing.T) {
	t.Parallel()
	const bad = "x\n```\noc delete everything\n```\n"
	csv := in("ClusterServiceVersion", "ns", "a.v1.0.0", "spec", object1{"version": "1.0.0"})
	csv["metadata"].(object1)["annotations"] = object1{"olm.properties": `[{"type":"olm.maxOpenShiftVersion","value":"4.15"}]`}
	sub := in("Subscription", "ns", "a", "spec", object1{"name": bad, "channel": bad, "source": bad, "startingCSV": bad}, "status", object1{"installedCSV": "a.v1.0.0"})
	files, _, err := Emit(emitInput{ClusterVersion: "4.15.9", Images: payloads("4.16.3-x86_64"), Facts: []emitFacts{{Tag: "4.16.3-x86_64", From: []string{"4.15.9"}}}, Cluster: []object1{csv, sub}}.withMirror().parse(t))
	must(t, err)
	for _, f := range files {
		if strings.Contains(string(f.Body), "\noc delete everything") {
			t.Errorf("%s has a tenant's command:\n%s", f.Name, f.Body)
		}
	}
}

func (in emitInput) withMirror() emitInput {
	in.Mirror = "m.example"
	return in
}

// TestUpdateHosted: another cluster makes the update, and nothing waits for pools of machines.
func TestUpdateHosted(t *testing.T) {
	t.Parallel()
	page := updatePage(t, emitInput{Images: payloads("4.16.3-x86_64", "4.17.3-x86_64"), ClusterVersion: "4.16.3", Facts: []emitFacts{{Tag: "4.17.3-x86_64", From: []string{"4.16.3"}}}, Cluster: []object1{
		in("Infrastructure", "", "cluster", "status", object1{"controlPlaneTopology": "External"}),
		in("ClusterVersion", "", "version", "spec", object1{"clusterID": "256f375f-6920-44f0-8c16-f71bb5fc7be6"}),
	}})
	order(t, page, "Prepare the update to 4.17.3", "hosted control plane", "Update to 4.17.3", "admin-gates", "Log in to the management cluster",
		`@.spec.clusterID=="256f375f-6920-44f0-8c16-f71bb5fc7be6"`, `case " 4.16.3 4.17.3 " in *" $NOW "*)`, "oc patch hostedcluster", "history[0].state}'=Completed --timeout=2h ||\n{ echo 'STOP: ", "A request that was refused stays", "drains every node", "oc patch nodepool", "!for POOL in",
		"!wait mcp", "!nodes,machineconfigpools", "!oc adm upgrade", "!cluster-backup", "!force")
}

// TestUpdateUnasked: what update graphs are known say nothing of an update that the release alone
// names, and the page says so.
func TestUpdateUnasked(t *testing.T) {
	t.Parallel()
	const unasked = "only the release itself names it"
	page := updatePage(t, emitInput{ClusterVersion: "4.17.5", Images: payloads("4.17.9-x86_64", "4.18.3-x86_64"),
		Facts: []emitFacts{{Tag: "4.17.9-x86_64", Previous: []string{"4.17.5"}}, {Tag: "4.18.3-x86_64", From: []string{"4.17.9"}}}})
	order(t, page, "Update to 4.17.9", unasked, "Update to 4.18.3")
	if n := strings.Count(page, unasked); n != 1 {
		t.Errorf("said %d times", n)
	}
}
