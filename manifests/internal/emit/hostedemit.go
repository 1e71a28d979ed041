package emit

import (
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
)

// emitHosted writes what the commands for HostedClusters read.
func (e *emission) emitHosted() error {
	if !e.Hosted() && !e.HostsOthers() || len(e.Images) == 0 {
		return nil
	}
	var b strings.Builder
	for _, r := range e.lead.HostedRules() {
		b.WriteString(r.Source + " " + strings.Join(r.Mirrors, " ") + "\n")
	}
	e.Add(handover.FileHostedRules, handover.ModePublic, []byte(b.String()))
	e.Add(handover.FileHostedMerge, handover.ModePublic, []byte(handover.MergeAWK))
	if e.Hosted() {
		e.Add(handover.FileHostedWithout, handover.ModePublic, []byte(handover.WithoutAWK))
	}
	if e.trust.CA.Certs != "" {
		e.Add(handover.FileHostedCA, handover.ModePublic, []byte(e.trust.CA.Certs))
	}
	return nil
}
