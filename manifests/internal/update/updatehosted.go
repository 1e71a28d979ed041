package update

import (
	"fmt"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/lead"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/updatepath"
)

// stepHosted are the updates of a cluster with a hosted control plane: the management cluster
// makes them, first of the control plane, then of each pool of nodes.
func (w *Way) stepHosted(p *page.Page) {
	u := &w.Updates
	steps := u.steps()
	if len(steps) == 0 {
		p.Step("The release")
		w.pageWay(p)
		return
	}
	p.Step("Prepare the update to %s", steps[len(steps)-1].To)
	w.pageWay(p)
	p.Text("This cluster has a hosted control plane. Its update is made on the management cluster, where the HostedCluster and the NodePools are. There, the multicluster engine operator must support the version (`oc get configmap supported-versions -n hypershift -o yaml`), and the mirror's rules must be in the HostedCluster (see the step about it). No signature of the release is checked there.")
	w.pageOperators(p, steps)
	if w.ReleaseIncomplete() {
		p.Text("Images of a release are missing (see the top of this page). Do not update before they are in the mirror too.")
		return
	}
	for _, s := range steps {
		c, ok := u.of(s.To)
		if !ok {
			continue
		}
		p.Step("Update to %s", s.To)
		w.pageRisks(p, s, c)
		w.pageFrom(p, s, c)
		w.pageGates(p, s)
		w.pageHosted(p, s, c)
		w.Hub.StepCatalogSwitch(p, s.To)
	}
}

// pageHosted are the commands for the management cluster.
func (w *Way) pageHosted(p *page.Page, s updatepath.Step, c carriedPayload) {
	image := c.img.Source.WithDigest(c.img.Root.Digest).String()
	release := fmt.Sprintf(`--type=merge -p '{"spec":{"release":{"image":"%s"}}}'`, image)
	at := w.HostedPlace()
	p.Text("%s First the control plane. Nodes: nothing changes.", handover.OnManagement)
	lines := append(at.Read, handover.HostedField("NOW", ".status.version.history[0].version"), `[ -n "$NOW" ]`)
	if from := c.from(); len(from) > 0 {
		lines = append(lines, fmt.Sprintf(`case " %s %s " in *" $NOW "*) ;; *) echo "No update from $NOW to %[2]s is known."; false ;; esac`, strings.Join(from, " "), s.To))
	}
	p.Run(page.Chain(append(lines,
		`oc patch hostedcluster "$NAME" -n "$SPACE" `+release,
		`oc wait hostedcluster "$NAME" -n "$SPACE" --for=jsonpath='{.status.version.history[0].version}'=`+s.To.String()+" --timeout=30m",
		`oc wait hostedcluster "$NAME" -n "$SPACE" --for=jsonpath='{.status.version.history[0].state}'=Completed --timeout=2h`,
	)...)...)
	p.Text("If this ends with STOP, do not go on: `oc get hostedcluster \"$NAME\" -n \"$SPACE\" -o yaml` shows why the update was refused, or what it waits for. **A request that was refused stays: the update begins by itself once the reason is gone.** To take it back, give spec.release.image the image of the last entry that is Completed in status.version.history. Then the pools of nodes. **Nodes: this drains every node and replaces or restarts it (as the NodePool's upgradeType says), one after the other.**")
	p.Run(page.Chain(append(at.Read, lead.PoolsOf,
		lead.EachPool(`oc patch nodepool "$POOL" -n "$SPACE" `+release),
		lead.EachPool(`oc wait nodepool "$POOL" -n "$SPACE" --for=jsonpath='{.status.version}'=`+s.To.String()+" --timeout=8h"),
	)...)...)
	p.Text("Log in to the hosted cluster again. It must show %s, and every node must be Ready.", s.To)
	p.Run("oc get clusterversion,nodes")
}
