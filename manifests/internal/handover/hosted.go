package handover

import (
	"encoding/json"
	"fmt"

	"github.com/satchel-airgap/satchel/manifests/internal/page"
)

// What a hosted cluster's nodes have stands in its HostedCluster, an object of the management
// cluster (openshift/hypershift, api/hypershift/v1beta1). A patch replaces a list whole, so the
// commands read what stands there and add to it.
const (
	dirHosted         = "hostedcluster/"
	FileHostedRules   = dirHosted + "rules.txt"     // SOURCE MIRROR..., a line each
	FileHostedMerge   = dirHosted + "merge.awk"     // joins such lists
	FileHostedWithout = dirHosted + "without.awk"   // takes mirrors out of one
	FileHostedCA      = dirHosted + "ca-bundle.crt" // the mirror's authorities
	HostedRulesNow    = dirHosted + "rules-now.txt"
	HostedRulesBack   = dirHosted + "rules-back.txt"
	HostedRulesBefore = dirHosted + "rules-before.txt"
	HostedTrustNow    = dirHosted + "trust.crt"
	HostedChangeFile  = dirHosted + "change.json"
	HostedTrustPrefix = "satchel-trust-"
	RulesOfHosted     = `{range .spec.imageContentSources[*]}{.source}{range .mirrors[*]} {@}{end}{"\n"}{end}`
	HostedRulesObject = "cluster" // what a hosted cluster makes of its HostedCluster's rules
	HostedTrustObject = "user-ca-bundle"
	KeyHostedRules    = "rules"
	KeyHostedTrust    = "trust-bundle"
	KeyHostedHub      = "operatorhub"
	KeyHostedService  = "update-service"
)

// MergeAWK joins lists of rules, each source and mirror once, and prints them as JSON.
const MergeAWK = `# Joins lists of rules (SOURCE MIRROR...) and prints them as a HostedCluster has them.
NF {
  if (!($1 in seen)) { seen[$1] = 1; order[n++] = $1 }
  for (i = 2; i <= NF; i++) if (!(($1, $i) in has)) {
    has[$1, $i] = 1
    list[$1] = list[$1] (list[$1] == "" ? "" : ",") "\"" $i "\""
  }
}
END {
  for (i = 0; i < n; i++) out = out (i ? "," : "") "{\"source\":\"" order[i] "\",\"mirrors\":[" list[order[i]] "]}"
  print "[" out "]"
}
`

// WithoutAWK takes out of the second list the mirrors under one of those named in "mirrors" that
// the first one does not have.
const WithoutAWK = `# Prints the second list of rules without this mirror's entries, but with those of the first list.
BEGIN { m = split(mirrors, mine, " ") }
FILENAME == ARGV[1] { for (i = 2; i <= NF; i++) before[$1, $i] = 1; next }
NF {
  line = $1
  for (i = 2; i <= NF; i++) {
    ours = 0
    for (j = 1; j <= m; j++) if ($i == mine[j] || index($i, mine[j] "/") == 1) ours = 1
    if (!ours || (($1, $i) in before)) line = line " " $i
  }
  if (line != $1) print line
}
`

// HostedAt is where a HostedCluster is: the commands set NAME and SPACE, which stay empty where the
// management cluster is another one.
type HostedAt struct {
	Read []string
	ID   string // for the names of objects beside it
}

// Before is the ConfigMap beside it that keeps what it was before satchel.
func (at HostedAt) Before() string { return BeforeName + "-" + at.ID }

// HostedIs is how the management cluster tells this cluster's HostedCluster from others.
func (h *Handover) HostedIs() (filter, id string) {
	var infra struct {
		Status struct {
			InfrastructureName string `json:"infrastructureName"`
		} `json:"status"`
	}
	if h.Read("Infrastructure", "cluster", &infra) && page.Plain(infra.Status.InfrastructureName) {
		id = infra.Status.InfrastructureName
		return fmt.Sprintf("spec.infraID==%q", id), id
	}
	id = h.Site.Cluster.ID()
	if !page.Plain(id) {
		id = "unknown"
	}
	return fmt.Sprintf("spec.clusterID==%q", id), id
}

// HostedPlace finds this cluster's HostedCluster.
func (h *Handover) HostedPlace() HostedAt {
	filter, id := h.HostedIs()
	const find = "%s=$(oc get hostedclusters -A -o jsonpath='{.items[?(@.%s)].metadata.%s}')"
	return HostedAt{[]string{fmt.Sprintf(find, "NAME", filter, "name"), fmt.Sprintf(find, "SPACE", filter, "namespace")}, id}
}

// HostedField is a command that reads a field of the HostedCluster into a variable.
func HostedField(variable, path string) string {
	return variable + `=$(oc get hostedcluster "$NAME" -n "$SPACE" -o jsonpath='{` + path + `}')`
}

// PatchHosted is a command that patches the HostedCluster; patch is in the shell's quotes.
func PatchHosted(patch string) string {
	return `oc patch hostedcluster "$NAME" -n "$SPACE" --type=merge -p ` + patch
}

const OnManagement = "**Log in to the management cluster for the following commands**, where the HostedCluster is."

// HostsOthers reports whether the cluster is known to be a management cluster.
func (h *Handover) HostsOthers() bool { return len(h.Site.Cluster.Of("HostedCluster")) > 0 }

// ReadHostedBefore is a command that reads what the HostedCluster was before satchel into a
// variable; it fails where nothing was kept.
func ReadHostedBefore(at HostedAt, variable, key string) string {
	return fmt.Sprintf(`%s=$(oc get configmap %s -n "$SPACE" -o jsonpath='{.data.%s}')`, variable, at.Before(), key)
}

// ConfigMapData gives the data of a ConfigMap of the cluster.
func (h *Handover) ConfigMapData(namespace, name string) map[string]string {
	var cm struct {
		Data map[string]string `json:"data"`
	}
	if one, ok := h.Present("ConfigMap", namespace, name); ok {
		_ = json.Unmarshal(one.Body, &cm) // none, if it is no ConfigMap
	}
	return cm.Data
}
