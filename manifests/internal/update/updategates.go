package update

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/updatepath"
)

// gate is one that holds an update back until it is acknowledged.
type gate struct {
	name, text string
	when       string // the condition, of one that an operator adds at run time
	acked      bool   // the cluster's administrator has acknowledged it
	holds      bool   // satchel has seen that the condition holds
}

// gatesOf are the gates of a minor version, by name: of the cluster itself, of the payload that
// is updated from, and of operators, which add theirs where a condition holds.
func (w *Way) gatesOf(s updatepath.Step) []gate {
	minor := updatepath.MinorOf(s.From)
	found := map[string]gate{}
	add := func(g gate) {
		if m, ok := updatepath.GateOf(g.name); ok && m == minor && page.Plain(g.name) {
			if old, has := found[g.name]; has && old.text != "" {
				g.text = old.text
			}
			g.acked = w.acked(g.name)
			found[g.name] = g
		}
	}
	for name, text := range w.ConfigMapData("openshift-config-managed", "admin-gates") {
		add(gate{name: name, text: text})
	}
	facts := slices.Clone(w.Site.Payloads)
	for _, e := range w.Site.EarlierReleases {
		facts = append(facts, e.Facts)
	}
	for _, f := range facts { // each of the same minor version has about the same
		if updatepath.MinorOf(f.Version) != minor {
			continue
		}
		for name, text := range f.Gates {
			if _, has := found[name]; !has || f.Version.EQ(s.From) {
				add(gate{name: name, text: text})
			}
		}
	}
	for _, g := range updatepath.RunTimeGates {
		if w.mayHold(g) {
			add(gate{name: g.Name, text: found[g.Name].text, when: g.When, holds: w.seenToHold(g)})
		}
	}
	var list []gate
	for _, name := range slices.Sorted(maps.Keys(found)) {
		list = append(list, found[name])
	}
	return list
}

// mayHold reports whether the condition of a gate is not known to be false.
func (w *Way) mayHold(g updatepath.RunTimeGate) bool {
	if okd, _ := w.Site.Cluster.OKD(); okd && g.Name == updatepath.GateSigstore {
		return false // no policy of OKD demands them
	}
	if platform := w.platform(); g.Platforms != nil && platform != "" && !slices.Contains(g.Platforms, platform) {
		return false
	}
	if silent, known := w.bootImagesUnmanaged(g.Unmanaged); g.Unmanaged != "" && known && !silent {
		return false
	}
	if g.Arch != "" && w.Site.Cluster.Known("Node") {
		nodes := w.Site.Cluster.Of("Node")
		for _, n := range nodes {
			if nodeArch(n.Body) == g.Arch {
				return true
			}
		}
		return len(nodes) == 0
	}
	return true
}

// seenToHold reports whether all of the condition of a gate of boot images was seen.
func (w *Way) seenToHold(g updatepath.RunTimeGate) bool {
	silent, known := w.bootImagesUnmanaged(g.Unmanaged)
	return g.Unmanaged != "" && known && silent && slices.Contains(g.Platforms, w.platform())
}

// bootImagesUnmanaged reports whether the cluster says nothing of the boot images of a resource, as
// the machine config operator asks before the update (its pkg/operator/admin_ack.go).
func (w *Way) bootImagesUnmanaged(resource string) (silent, known bool) {
	var c struct {
		Spec struct {
			ManagedBootImages struct {
				MachineManagers []struct {
					Resource string `json:"resource"`
					APIGroup string `json:"apiGroup"`
				} `json:"machineManagers"`
			} `json:"managedBootImages"`
		} `json:"spec"`
	}
	one, ok := w.Present("MachineConfiguration", "", "cluster")
	if !ok || json.Unmarshal(one.Body, &c) != nil {
		return false, false
	}
	for _, m := range c.Spec.ManagedBootImages.MachineManagers {
		if resource == "*" || m.Resource == resource && m.APIGroup == "machine.openshift.io" {
			return false, true
		}
	}
	return c.Spec.ManagedBootImages.MachineManagers == nil || resource != "*", true
}

// platform is where the cluster runs, as Infrastructure says, or AzureStackCloud; "" where it is not
// known.
func (w *Way) platform() string {
	var i struct {
		Status struct {
			PlatformStatus struct {
				Type  string `json:"type"`
				Azure struct {
					CloudName string `json:"cloudName"`
				} `json:"azure"`
			} `json:"platformStatus"`
		} `json:"status"`
	}
	one, ok := w.Present("Infrastructure", "", "cluster")
	if !ok || json.Unmarshal(one.Body, &i) != nil {
		return ""
	}
	const stack = "AzureStackCloud" // whose boot images nobody manages
	if i.Status.PlatformStatus.Azure.CloudName == stack {
		return stack
	}
	return i.Status.PlatformStatus.Type
}

func (w *Way) acked(name string) bool {
	return w.ConfigMapData("openshift-config", "admin-acks")[name] == "true"
}

// pageGates says before an update what must be acknowledged, and reads the cluster's own gates
// again: operators add and remove them at any time.
func (w *Way) pageGates(p *page.Page, s updatepath.Step) {
	if s.From.Major == 0 {
		p.Text("If this is another minor version than the one that runs, look first what holds the update back:")
	} else if !s.Minor() {
		return
	} else {
		p.Text("Updates to another minor version are held back until an administrator has acknowledged each gate of %s (`ack-%[1]s-...`). These commands read the cluster's own gates, what is acknowledged, and what holds the update back now. Do what the last one says: update the OLM operators that it names; of a cluster operator, its message says what must change.", updatepath.MinorOf(s.From))
	}
	p.Run(
		"oc get configmap admin-gates -n openshift-config-managed -o yaml",
		"oc get configmap admin-acks -n openshift-config -o yaml",
		`oc get clusterversion version -o jsonpath='{.status.conditions[?(@.type=="Upgradeable")].message}{"\n"}'`,
	)
	if s.From.Major == 0 {
		return
	}
	var list []string
	open := false
	for _, g := range w.gatesOf(s) {
		line := fmt.Sprintf("`%s`", g.name)
		switch {
		case g.text != "":
			line += ": " + page.Markdown(g.text)
		case g.when != "":
			line += ": only where " + g.when + "."
		}
		if g.holds {
			line += " satchel's result: this cluster is such a one."
		}
		if g.name == updatepath.GateSigstore {
			line += " " + w.sigstoreResult(s.To)
		}
		if g.acked {
			line += " (Acknowledged already.)"
		} else {
			open = true
			line += fmt.Sprintf(" Is it there, and have you checked this for this cluster? Only then acknowledge it: `oc patch configmap admin-acks -n openshift-config --type=merge -p '{\"data\":{\"%s\":\"true\"}}'`", g.name)
		}
		list = append(list, line)
	}
	if len(list) > 0 {
		p.Text("Gates that satchel knows of. **Acknowledge only a gate that the first command shows now:** an acknowledgement given before disarms one that an operator adds later. The others are here so that you can check their conditions before:")
		p.List(list)
	}
	if !open {
		return
	}
	p.Text("The update below does not begin as long as a gate is open.")
}

// sigstoreResult is what satchel found out about the gate of Sigstore signatures. A release whose
// images are refused is not updated to at all.
func (w *Way) sigstoreResult(to semver.Version) string {
	c, ok := w.Updates.of(to)
	switch {
	case w.Site.Unchecked:
		return "satchel did not ask the mirror for the signatures."
	case !ok || c.facts == nil || len(c.facts.Policies) == 0:
		return "satchel does not know which signatures this release demands, because the bundle does not say it."
	case len(w.Site.SignaturesUnchecked) > 0:
		return "satchel could not check all of them: see the top of this page."
	}
	return fmt.Sprintf("satchel's result: the mirror has a valid signature for each image of %s that a policy of the release is for.", to)
}
