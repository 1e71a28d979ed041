package update

import (
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
)

// stepHostedService: what a hosted cluster asks for updates stands in its HostedCluster, and it is
// not asked for where the releases of the mirror are.
func (w *Way) stepHostedService(p *page.Page) {
	at := w.HostedPlace()
	p.Step("The update service")
	p.Text("No UpdateService is written for a hosted cluster: it belongs on a cluster that can be given the mirror's authorities, such as the management cluster (its own %s has it). A hosted cluster needs none for its updates: the HostedCluster names the release. To see in it which updates there are, let it ask the update service of the management cluster (spec.updateService). %s Nodes: nothing changes.", handover.FileApply, handover.OnManagement)
	p.Run(page.Chain(slices.Concat(at.Read, []string{
		`[ -n "$NAME" ]`,
		"SERVICE=$(oc get updateservice -A -o jsonpath='{.items[*].status.policyEngineURI}')",
		"SERVICE=${SERVICE%% *}",
		page.Or(`[ -z "$SERVICE" ]`, handover.PatchHosted(`'{"spec":{"updateService":"'"$SERVICE`+graphPath+`"'"}}'`)),
	})...)...)
	p.Text("Its version operator must trust the certificate of that cluster's router: the HostedCluster's spec.additionalTrustBundle must have the authority. A change of that replaces or restarts every node.")
}

// cutHostedUpdates takes the channel away, if no update service was set.
func (w *Way) cutHostedUpdates(p *page.Page) {
	at := w.HostedPlace()
	p.Text("Without an update service, the cluster asks for updates on the internet, and the alert CannotRetrieveUpdates fires after the cut. Without a channel it does not ask. Both stand in the HostedCluster. %s They take the channel away, unless the HostedCluster names an update service. Nodes: nothing changes. (Put the channel back when the network returns: %s.)", handover.OnManagement, handover.FileRestore)
	p.Run(page.Chain(slices.Concat(at.Read, []string{
		`[ -n "$NAME" ]`,
		handover.HostedField("SERVICE", ".spec.updateService"),
		page.Or(`[ -n "$SERVICE" ]`, handover.PatchHosted(`'{"spec":{"channel":null}}'`)),
	})...)...)
	p.Text("The management cluster is a cluster of its own: before it is cut off, follow its own %s.", handover.FileCut)
}

// restoreHostedUpdates gives the HostedCluster its channel and its update service back.
func (w *Way) restoreHostedUpdates(p *page.Page) {
	at := w.HostedPlace()
	p.Text("The cluster asks for updates where it did before, by the channel that it had before, of the version that it runs now. Both stand in the HostedCluster. %s Nodes: nothing changes. Then log in to this cluster again.", handover.OnManagement)
	p.Run(slices.Concat(at.Read, []string{
		handover.ReadHostedBefore(at, "CHANNEL", handover.KeyChannel) + " && READ=yes || READ=no",
		handover.ReadHostedBefore(at, "SERVICE", handover.KeyHostedService) + " || READ=no",
		handover.HostedField("MINOR", ".status.version.history[0].version") + " && MINOR=$(echo \"$MINOR\" | cut -d. -f1,2)",
		`case "$CHANNEL" in *-[0-9].[0-9]*) CHANNEL="${CHANNEL%-*}-$MINOR" ;; esac`,
		`[ -z "$CHANNEL" ] && CHANNEL=null || CHANNEL="\"$CHANNEL\""`,
		`[ -z "$SERVICE" ] && SERVICE=null || SERVICE="\"$SERVICE\""`,
		`[ "$READ" = no ] || ` + handover.PatchHosted(`"{\"spec\":{\"channel\":$CHANNEL,\"updateService\":$SERVICE}}"`),
	})...)
}
