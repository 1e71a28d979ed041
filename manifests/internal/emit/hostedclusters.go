package emit

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/lead"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/manifests/internal/updatepath"
	"github.com/satchel-airgap/satchel/oci/text"
)

// hostedCluster is what of a HostedCluster matters on the page of its management cluster.
type hostedCluster struct {
	space, name string
	Spec        struct {
		InfraID   string `json:"infraID"`
		Placement string `json:"olmCatalogPlacement"`
		Release   struct {
			Image string `json:"image"`
		} `json:"release"`
		PullSecret struct {
			Name string `json:"name"`
		} `json:"pullSecret"`
		Sources []imageSource `json:"imageContentSources"`
	} `json:"spec"`
	Status struct {
		Version struct {
			History []struct {
				State   string `json:"state"`
				Version string `json:"version"`
			} `json:"history"`
		} `json:"version"`
	} `json:"status"`
}

// runs is the release that the control plane has: the newest that was installed whole.
func (h hostedCluster) runs() (v semver.Version, known bool) {
	for _, one := range h.Status.Version.History {
		if one.State == "Completed" {
			v, err := semver.Parse(one.Version)
			return v, err == nil
		}
	}
	return v, false
}

// nodePool is what of a NodePool matters there.
type nodePool struct {
	Spec struct {
		ClusterName string `json:"clusterName"`
		Management  struct {
			UpgradeType string `json:"upgradeType"`
		} `json:"management"`
		PausedUntil string `json:"pausedUntil"`
	} `json:"spec"`
	Status struct {
		Version string `json:"version"`
	} `json:"status"`
}

// stepHostedClusters has a step for each hosted cluster of a management cluster.
func (e *emission) stepHostedClusters(p *page.Page) {
	if e.Hosted() {
		return
	}
	for _, o := range e.Site.Cluster.Of("HostedCluster") {
		h := hostedCluster{space: o.Namespace, name: o.Name}
		if json.Unmarshal(o.Body, &h) != nil {
			e.Note("the HostedCluster %s/%s cannot be read: look at it by hand", o.Namespace, o.Name)
			continue
		}
		e.stepHosts(p, h)
	}
}

// stepHosts says what one hosted cluster is, and gives it the rules and the authorities.
func (e *emission) stepHosts(p *page.Page, h hostedCluster) {
	p.Step("Hosted cluster %s/%s", page.Markdown(h.space), page.Markdown(h.name))
	p.Text("Its control plane runs on this cluster, by this cluster's rules and authorities. Its nodes do not have those: they have what stands in its HostedCluster.")
	p.List(e.hostedFacts(h))
	p.Text("Its own %s has all of its steps: the credential, the catalogs, what must be acknowledged, and the update of its control plane and its NodePools. Log in to the hosted cluster, write what it is with the line at the end of this page, and give satchel that file too (`--from-cluster`).", handover.FileApply)
	if len(e.Images) == 0 || h.lacks(e.lead.HostedRules()) == 0 && e.trust.CA.Certs == "" {
		return
	}
	at := handover.HostedAt{Read: []string{"NAME=" + page.Shell(h.name), "SPACE=" + page.Shell(h.space)}, ID: cmp.Or(h.Spec.InfraID, h.name)}
	if !page.Plain(at.ID) {
		at.ID = "unknown"
	}
	p.Text("These commands are also in its own %s, and need not be run twice. The first ones keep what the HostedCluster was before satchel, once. The next ones change nothing: they read what it has, add only what is not there (the rules of %s, and the mirror's authorities, if it lacks them), and print the change. If they print `{\"spec\":{}}`, go on with the next step.", handover.FileApply, handover.FileHostedRules)
	p.Run(lead.KeepHosted(at)...)
	insecure := []string(nil)
	if e.Site.PlainHTTP {
		insecure = e.Hosts()
	}
	p.Run(e.lead.HostedChange(at, e.trust.MirrorHosts(), insecure)...)
	p.Text("Its nodes must have a credential for the mirror first, if the mirror asks for one: in the Secret `%s` of `%s`.", page.Markdown(h.Spec.PullSecret.Name), page.Markdown(h.space))
	lead.PageHostedRollout(p)
	p.Run(lead.HostedApply(at)...)
	p.Run(lead.WaitForPools(at)...)
}

// hostedFacts are what the management cluster says of a hosted cluster, a line each.
func (e *emission) hostedFacts(h hostedCluster) (lines []string) {
	v, known := h.runs()
	switch {
	case known:
		lines = append(lines, fmt.Sprintf("It runs %s. The HostedCluster names the release `%s`.", v, page.Markdown(h.Spec.Release.Image)))
	default:
		lines = append(lines, fmt.Sprintf("Its version is not known. The HostedCluster names the release `%s`.", page.Markdown(h.Spec.Release.Image)))
	}
	if known {
		steps, _ := updatepath.Find(v, e.way.Updates.Releases())
		var to []string
		for _, s := range steps {
			to = append(to, s.To.String())
		}
		if len(to) > 0 {
			lines = append(lines, fmt.Sprintf("This bundle brings it to %s.", strings.Join(to, ", then to ")))
		} else {
			lines = append(lines, "This bundle has no update for it.")
		}
	}
	var pools []string
	for _, o := range e.Site.Cluster.Of("NodePool") {
		var n nodePool
		if o.Namespace != h.space || json.Unmarshal(o.Body, &n) != nil || n.Spec.ClusterName != h.name {
			continue
		}
		said := fmt.Sprintf("`%s` (%s, upgradeType %s", page.Markdown(o.Name), page.Markdown(cmp.Or(n.Status.Version, "version not known")), page.Markdown(cmp.Or(n.Spec.Management.UpgradeType, "not known")))
		if n.Spec.PausedUntil != "" {
			said += ", paused"
		}
		pools = append(pools, said+")")
	}
	if len(pools) > 0 {
		lines = append(lines, "NodePools: "+text.And(pools)+".")
	}
	lines = append(lines, fmt.Sprintf("Its default catalogs run on this side or in it (olmCatalogPlacement): `%s`.", page.Markdown(cmp.Or(h.Spec.Placement, "management"))))
	if n := h.lacks(e.lead.HostedRules()); n > 0 {
		lines = append(lines, fmt.Sprintf("It lacks rules for %s of %s.", text.Count(n, "source", "sources"), handover.FileHostedRules))
	} else {
		lines = append(lines, "It has every rule of "+handover.FileHostedRules+".")
	}
	return lines
}

// lacks counts the sources that the HostedCluster does not lead to each mirror of.
func (h hostedCluster) lacks(list []rules.Rule) (n int) {
	have := map[string][]string{}
	for _, s := range h.Spec.Sources {
		have[s.Source] = append(have[s.Source], s.Mirrors...)
	}
	for _, r := range list {
		if slices.ContainsFunc(r.Mirrors, func(m string) bool { return !slices.Contains(have[r.Source], m) }) {
			n++
		}
	}
	return n
}
