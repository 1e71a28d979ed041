package operatorhub

import (
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
)

// pageHostedHub says where the default catalogs of a hosted cluster are turned off.
func (h *Hub) pageHostedHub(p *page.Page) {
	p.Text("This is a hosted cluster: where its default catalogs are turned off depends on where they run (spec.olmCatalogPlacement of the HostedCluster). %s They print the placement. If it is `management`, they turn the catalogs off in the HostedCluster, and this cluster follows; it refuses a change of its own OperatorHub. Nodes: nothing changes.", handover.OnManagement)
	p.Run(hostedHubOff(h.HostedPlace())...)
	if _, known := h.Minor(); !known || h.OlderThan(15) { // openshift/hypershift, reconcileOLM, which reads the OperatorHub from 4.15 on
		p.Text("Hosted clusters before 4.15 do not take that from their HostedCluster. With the placement `management`, their default catalogs stay there until the update to 4.15, and only show errors after the cut: Subscriptions use the catalogs of this mirror, which have other names.")
	}
	p.Text("Log in to this cluster again. If the placement is `management`, go on with the next step. The rest of this step is for `guest` alone.")
}

// restoreHostedHub turns the default catalogs on again where the management cluster runs them.
func (h *Hub) restoreHostedHub(p *page.Page) {
	at := h.HostedPlace()
	p.Text("This is a hosted cluster. %s They give the HostedCluster its setting for the default catalogs back, if they run there. (Then this cluster refuses the patch of its own OperatorHub below, and needs none.) Log in to this cluster again afterwards.", handover.OnManagement)
	p.Run(slices.Concat(at.Read, []string{
		handover.HostedField("PLACEMENT", ".spec.olmCatalogPlacement"),
		handover.ReadHostedBefore(at, "HUB", handover.KeyHostedHub) + ` && [ "$PLACEMENT" = management ] && ` + handover.PatchHosted(`"{\"spec\":{\"configuration\":{\"operatorhub\":${HUB:-null}}}}"`),
	})...)
}

// hostedHubOff turns the default catalogs off where the management cluster runs them; hosted
// clusters with OLM placed there take it from the HostedCluster alone (openshift/hypershift,
// hostedclusterconfigoperator, reconcileOLM and admissionpolicies.go).
func hostedHubOff(at handover.HostedAt) []string {
	return slices.Concat(at.Read, []string{
		handover.HostedField("PLACEMENT", ".spec.olmCatalogPlacement"),
		`echo "placement: $PLACEMENT"`,
		`[ "$PLACEMENT" != management ] || ` + handover.PatchHosted(`'{"spec":{"configuration":{"operatorhub":{"disableAllDefaultSources":true}}}}'`),
	})
}
