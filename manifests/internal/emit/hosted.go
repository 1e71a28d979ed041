package emit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
)

// What a hosted cluster's nodes have stands in its HostedCluster, an object of the management
// cluster (openshift/hypershift, api/hypershift/v1beta1). A patch replaces a list whole, so the
// commands read what stands there and add to it.
const (
	dirHosted         = "hostedcluster/"
	fileHostedRules   = dirHosted + "rules.txt"     // SOURCE MIRROR..., a line each
	fileHostedMerge   = dirHosted + "merge.awk"     // joins such lists
	fileHostedWithout = dirHosted + "without.awk"   // takes mirrors out of one
	fileHostedCA      = dirHosted + "ca-bundle.crt" // the mirror's authorities
	hostedRulesNow    = dirHosted + "rules-now.txt"
	hostedRulesBack   = dirHosted + "rules-back.txt"
	hostedRulesBefore = dirHosted + "rules-before.txt"
	hostedTrustNow    = dirHosted + "trust.crt"
	hostedChangeFile  = dirHosted + "change.json"
	hostedTrustPrefix = "satchel-trust-"
	rulesOfHosted     = `{range .spec.imageContentSources[*]}{.source}{range .mirrors[*]} {@}{end}{"\n"}{end}`
	hostedRulesObject = "cluster" // what a hosted cluster makes of its HostedCluster's rules
	hostedTrustObject = "user-ca-bundle"
	keyHostedRules    = "rules"
	keyHostedTrust    = "trust-bundle"
	keyHostedHub      = "operatorhub"
	keyHostedService  = "update-service"
)

// mergeAWK joins lists of rules, each source and mirror once, and prints them as JSON.
const mergeAWK = `# Joins lists of rules (SOURCE MIRROR...) and prints them as a HostedCluster has them.
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

// withoutAWK takes out of the second list the mirrors under one of those named in "mirrors" that
// the first one does not have.
const withoutAWK = `# Prints the second list of rules without this mirror's entries, but with those of the first list.
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

// hostedAt is where a HostedCluster is: the commands set NAME and SPACE, which stay empty where the
// management cluster is another one.
type hostedAt struct {
	read []string
	id   string // for the names of objects beside it
}

// before is the ConfigMap beside it that keeps what it was before satchel.
func (at hostedAt) before() string { return beforeName + "-" + at.id }

// hostedIs is how the management cluster tells this cluster's HostedCluster from others.
func (e *emission) hostedIs() (filter, id string) {
	var infra struct {
		Status struct {
			InfrastructureName string `json:"infrastructureName"`
		} `json:"status"`
	}
	if e.read("Infrastructure", "cluster", &infra) && page.Plain(infra.Status.InfrastructureName) {
		id = infra.Status.InfrastructureName
		return fmt.Sprintf("spec.infraID==%q", id), id
	}
	id = e.site.Cluster.ID()
	if !page.Plain(id) {
		id = "unknown"
	}
	return fmt.Sprintf("spec.clusterID==%q", id), id
}

// hostedPlace finds this cluster's HostedCluster.
func (e *emission) hostedPlace() hostedAt {
	filter, id := e.hostedIs()
	const find = "%s=$(oc get hostedclusters -A -o jsonpath='{.items[?(@.%s)].metadata.%s}')"
	return hostedAt{[]string{fmt.Sprintf(find, "NAME", filter, "name"), fmt.Sprintf(find, "SPACE", filter, "namespace")}, id}
}

// field is a command that reads a field of the HostedCluster into a variable.
func hostedField(variable, path string) string {
	return variable + `=$(oc get hostedcluster "$NAME" -n "$SPACE" -o jsonpath='{` + path + `}')`
}

// patchHosted is a command that patches the HostedCluster; patch is in the shell's quotes.
func patchHosted(patch string) string {
	return `oc patch hostedcluster "$NAME" -n "$SPACE" --type=merge -p ` + patch
}

const onManagement = "**Log in to the management cluster for the following commands**, where the HostedCluster is."

// hostedRules are the rules for a cluster that takes them as a list: those of this bundle, and of
// earlier ones. Mirrors of others that rules of this cluster need beside them are not for others.
func (e *emission) hostedRules() (list []rules.Rule) {
	at := map[string]int{}
	add := func(of []rules.Rule) {
		for _, r := range of {
			for _, m := range r.Mirrors {
				if !e.hosted() && !within(m, e.mirrorNames()) {
					continue
				}
				i, has := at[r.Source]
				if !has {
					i, at[r.Source] = len(list), len(list)
					list = append(list, rules.Rule{Source: r.Source})
				}
				if !slices.Contains(list[i].Mirrors, m) {
					list[i].Mirrors = append(list[i].Mirrors, m)
				}
			}
		}
	}
	for _, g := range e.groups {
		add(g.Rules)
	}
	for _, set := range e.sets() {
		if set.kind != rules.TagMirrors {
			add(set.rules)
		}
	}
	return list
}

// hostsOthers reports whether the cluster is known to be a management cluster.
func (e *emission) hostsOthers() bool { return len(e.site.Cluster.Of("HostedCluster")) > 0 }

// emitHosted writes what the commands for HostedClusters read.
func (e *emission) emitHosted() error {
	if !e.hosted() && !e.hostsOthers() || len(e.images) == 0 {
		return nil
	}
	var b strings.Builder
	for _, r := range e.hostedRules() {
		b.WriteString(r.Source + " " + strings.Join(r.Mirrors, " ") + "\n")
	}
	e.add(fileHostedRules, modePublic, []byte(b.String()))
	e.add(fileHostedMerge, modePublic, []byte(mergeAWK))
	if e.hosted() {
		e.add(fileHostedWithout, modePublic, []byte(withoutAWK))
	}
	if e.ca.certs != "" {
		e.add(fileHostedCA, modePublic, []byte(e.ca.certs))
	}
	return nil
}

// hostedTrusts reports whether the hosted cluster is known to have authorities: it has those of its
// HostedCluster as an object of its own.
func (e *emission) hostedTrusts(certs string) bool {
	have := e.configMapData("openshift-config", hostedTrustObject)["ca-bundle.crt"]
	return !slices.ContainsFunc(strings.Split(certs, "\n"), func(line string) bool {
		return strings.TrimSpace(line) != "" && !slices.Contains(strings.Split(have, "\n"), line)
	})
}
