package trust

import (
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
)

// hostedTrusts reports whether the hosted cluster is known to have authorities: it has those of its
// HostedCluster as an object of its own.
func (t *Trust) hostedTrusts(certs string) bool {
	have := t.ConfigMapData("openshift-config", handover.HostedTrustObject)["ca-bundle.crt"]
	return !slices.ContainsFunc(strings.Split(certs, "\n"), func(line string) bool {
		return strings.TrimSpace(line) != "" && !slices.Contains(strings.Split(have, "\n"), line)
	})
}
