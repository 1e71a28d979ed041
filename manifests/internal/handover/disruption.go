package handover

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Files of nodes that the steps change through the machine config operator.
const (
	NodeRegistries = "/etc/containers/registries.conf"
	NodeSecret     = "/var/lib/kubelet/config.json"
	NodeBundle     = "/etc/pki/ca-trust/source/anchors/openshift-config-user-ca-bundle.crt" // what the proxy settings trust
)

// layered lists the pools whose nodes run images that the cluster builds itself. Their nodes drain
// and reboot with each change, also of these files (machine-config-operator, pkg/daemon/update.go,
// updateOnClusterBuild), and newer versions only with some.
func (h *Handover) layered() (pools []string) {
	for _, o := range h.Site.Cluster.Of("MachineOSConfig") {
		var in struct {
			Spec struct {
				Pool struct {
					Name string `json:"name"`
				} `json:"machineConfigPool"`
			} `json:"spec"`
		}
		if json.Unmarshal(o.Body, &in) == nil && in.Spec.Pool.Name != "" {
			pools = append(pools, "`"+page.Markdown(in.Spec.Pool.Name)+"`")
		}
	}
	return text.Sorted(pools)
}

// sitePolicy is what the cluster's node disruption policy has for a file, such as "Drain, Restart
// crio.service"; it counts instead of the default. "" for nothing.
func (h *Handover) sitePolicy(file string) string {
	var in struct {
		Spec struct {
			Policy struct {
				Files []struct {
					Path    string `json:"path"`
					Actions []struct {
						Type            string
						Restart, Reload struct{ ServiceName string }
					} `json:"actions"`
				} `json:"files"`
			} `json:"nodeDisruptionPolicy"`
		} `json:"spec"`
	}
	if !h.Read("MachineConfiguration", "cluster", &in) {
		return ""
	}
	var does []string
	for _, f := range in.Spec.Policy.Files {
		for _, a := range f.Actions {
			if f.Path == file {
				does = append(does, strings.TrimSpace(a.Type+" "+a.Restart.ServiceName+a.Reload.ServiceName))
			}
		}
	}
	return page.Markdown(strings.Join(does, ", "))
}

// SiteMayDrain reports whether a change of a file, of which the pages say that it drains no node, may
// drain some of this cluster all the same, or whether that is not known.
func (h *Handover) SiteMayDrain(file string) bool {
	return !h.Hosted() && (len(h.layered()) > 0 || h.sitePolicy(file) != "" || !h.disruptionKnown())
}

// disruptionKnown reports whether it is known which images nodes run and what the site's policy is;
// versions before 4.16 have neither.
func (h *Handover) disruptionKnown() bool {
	known := !slices.ContainsFunc([]string{"MachineOSConfig", "MachineConfiguration"}, func(kind string) bool { return !h.Site.Cluster.Known(kind) })
	return known || h.OlderThan(16)
}

// Disruption says in words where a change of a file does something else to nodes of this cluster than elsewhere; ""
// for nothing.
func (h *Handover) Disruption(file string) string {
	var says []string
	if pools := h.layered(); len(pools) > 0 && !h.Hosted() {
		says = append(says, "nodes of "+strings.ReplaceAll(text.And(pools), "`", "")+" run images that the cluster builds itself (MachineOSConfig), and may drain and reboot")
	}
	if does := h.sitePolicy(file); does != "" && !h.Hosted() {
		says = append(says, "the cluster has a node disruption policy of its own for "+file+", which counts instead: "+does)
	}
	return strings.Join(says, "; ")
}

// PageDisruption says where a change of a file does more to nodes of this cluster than elsewhere.
func (h *Handover) PageDisruption(p *page.Page, file string) {
	if h.Hosted() {
		return
	}
	if pools := h.layered(); len(pools) > 0 {
		p.Text("**But nodes of %s run images that the cluster builds itself (MachineOSConfig): this may drain and reboot each of them, one after the other.**", text.And(pools))
	}
	if does := h.sitePolicy(file); does != "" {
		p.Text("**But this cluster has a node disruption policy of its own for `%s`, which counts instead: %s.**", file, does)
	}
}

// LookDisruption has a person look for what [Handover.PageDisruption] would say.
func (h *Handover) LookDisruption(p *page.Page) {
	if h.Hosted() || h.disruptionKnown() {
		return
	}
	p.Text("**Some clusters drain and reboot nodes also where this page says that they do not:** if a pool runs images that the cluster builds itself (the first command lists them), and if a node disruption policy of the site has an entry for `%s`, `%s` or `%s` (the second command prints it). Both commands should print nothing. If one prints something, expect a drain and a reboot at each step about rules, authorities or the pull secret; or save the state of the cluster and run satchel render again with `--from-cluster`: then each step says it.", NodeRegistries, NodeSecret, NodeBundle)
	p.Run(
		ifDefined("machineosconfigs.machineconfiguration.openshift.io", "-o jsonpath='{.items[*].spec.machineConfigPool.name}'"),
		ifDefined("machineconfigurations.operator.openshift.io", "cluster --ignore-not-found -o jsonpath='{.spec.nodeDisruptionPolicy}'"),
	)
}

// ifDefined is a command that reads objects of a kind that not every cluster has: without it, it
// prints nothing.
func ifDefined(resource, what string) string {
	return page.Or(`[ -z "$(oc get crd `+resource+` --ignore-not-found -o name)" ]`, "oc get "+resource+" "+what)
}
