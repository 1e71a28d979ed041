package emit

import (
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/lead"
	"github.com/satchel-airgap/satchel/manifests/internal/login"
	"github.com/satchel-airgap/satchel/manifests/internal/operatorhub"
	"github.com/satchel-airgap/satchel/manifests/internal/trust"
	"github.com/satchel-airgap/satchel/manifests/internal/update"
)

// emission is one call of Emit: what is written, and the parts of it.
type emission struct {
	*handover.Handover
	trust *trust.Trust
	login *login.Login
	lead  *lead.Lead
	hub   *operatorhub.Hub
	way   *update.Way

	counted string // the images of the inventory, and what is attached to them, as the terminal counts them
}

func newEmission(h *handover.Handover) *emission {
	e := &emission{Handover: h, trust: &trust.Trust{Handover: h}, hub: &operatorhub.Hub{Handover: h}}
	e.login = &login.Login{Handover: h, Trust: e.trust}
	e.lead = &lead.Lead{Handover: h, Trust: e.trust}
	e.way = &update.Way{Handover: h, Trust: e.trust, Hub: e.hub, Lead: e.lead}
	return e
}
