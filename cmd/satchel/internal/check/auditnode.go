package check

import (
	"fmt"

	"github.com/satchel-airgap/satchel/manifests"
)

// auditNode compares the files of a node with what it should have.
func (c *checking) auditNode() error {
	if c.Audit.Registries == nil && c.Audit.OnNode == nil && c.Audit.Kubelet == nil {
		return nil
	}
	if c.report.Cluster == nil {
		c.report.Cluster = &Audit{}
	}
	a := c.report.Cluster
	if c.Audit.Registries != nil {
		list, err := c.auditRegistries()
		if err != nil {
			return err
		}
		a.NodeFiles = list
	}
	if c.Audit.OnNode != nil {
		a.NodeFiles = append(a.NodeFiles, manifests.CompareNodeSecret(c.Audit.OnNode, c.nodeEntries(), c.rules.Mirrors())...)
	}
	for _, d := range a.NodeFiles {
		c.report.add(Finding{Kind: NodeFile, Fails: d.Fails, Object: d.File + " " + d.Entry, Wrong: d.Wrong, Do: c.nodeDo(d)})
	}
	if k := c.Audit.Kubelet; k != nil {
		a.Kubelet = k.Says()
	}
	return nil
}

// nodeDo says what to do about a difference.
func (c *checking) nodeDo(d manifests.NodeDifference) string {
	switch {
	case !d.Fails:
		return ""
	case d.Do != "":
		return d.Do
	case c.Handover == nil:
		return "see that the node's pool is Updated, and neither paused nor degraded"
	case d.File == manifests.FileNodeSecret:
		return "apply the pull secret as APPLY.md says, and see that the node's pool is Updated"
	}
	return "apply the rules as APPLY.md says, and see that the node's pool is neither paused nor degraded"
}

// nodeEntries are those by which nodes are to log in to the mirror; nil: not known.
func (c *checking) nodeEntries() *manifests.PullSecret {
	if c.NodeSecret != nil {
		return c.NodeSecret
	}
	if h := c.Handover; h != nil && (h.Whole || h.Entries != nil) {
		return h.Entries
	} else if h != nil {
		return h.Secret
	}
	return nil
}

// auditRegistries holds registries.conf against what the cluster's objects give now, and against what the
// files bring, which the node can have only once they were applied.
func (c *checking) auditRegistries() ([]manifests.NodeDifference, error) {
	after := "the files for the cluster"
	if c.Handover == nil {
		after = "the cluster's objects"
	}
	all, err := manifests.CompareNodeRegistries(c.Audit.Registries, c.rules, after)
	if err != nil {
		return nil, fmt.Errorf("compare the registries.conf of a node: %w", err)
	}
	if c.Cluster == nil || c.Handover == nil {
		return all, nil
	}
	now, err := manifests.NodeRulesOf(nil, c.Cluster)
	if err != nil || len(now.Notes) > 0 { // the rules that it has now are not known
		return all, err
	}
	list, err := manifests.CompareNodeRegistries(c.Audit.Registries, now, "the cluster's objects")
	if err != nil {
		return nil, err
	}
	told := map[string]bool{}
	for _, d := range list {
		told[d.Entry] = true
	}
	for _, d := range all {
		if !told[d.Entry] {
			d.Wrong, d.Fails = "until the files are applied: "+d.Wrong, false
			list = append(list, d)
		}
	}
	return list, nil
}
