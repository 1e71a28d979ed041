package trust

import (
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
)

// PageTrusted says what a new authority in the proxy settings does to nodes.
func (t *Trust) PageTrusted(p *page.Page) {
	const restart = "nodes restart CRI-O and kubelet for this, one after the other, and pods keep running."
	v, known := t.Site.Cluster.Running()
	switch {
	case !known:
		p.Text("From 4.15 on, %s", restart)
		p.Reboots("in versions before 4.15, a new trusted authority")
	case v.Major == 4 && v.Minor < 15:
		p.Reboots("a new trusted authority")
	default:
		p.Text("Nodes: no drain and no reboot; %s", restart)
	}
	t.PageDisruption(p, handover.NodeBundle)
}
