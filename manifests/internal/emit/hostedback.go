package emit

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/page"
)

// readHostedBefore is a command that reads what the HostedCluster was before satchel into a
// variable; it fails where nothing was kept.
func readHostedBefore(at hostedAt, variable, key string) string {
	return fmt.Sprintf(`%s=$(oc get configmap %s -n "$SPACE" -o jsonpath='{.data.%s}')`, variable, at.before(), key)
}

// restoreHostedHub turns the default catalogs on again where the management cluster runs them.
func (e *emission) restoreHostedHub(p *page.Page) {
	at := e.hostedPlace()
	p.Text("This is a hosted cluster. %s They give the HostedCluster its setting for the default catalogs back, if they run there. (Then this cluster refuses the patch of its own OperatorHub below, and needs none.) Log in to this cluster again afterwards.", onManagement)
	p.Run(slices.Concat(at.read, []string{
		hostedField("PLACEMENT", ".spec.olmCatalogPlacement"),
		readHostedBefore(at, "HUB", keyHostedHub) + ` && [ "$PLACEMENT" = management ] && ` + patchHosted(`"{\"spec\":{\"configuration\":{\"operatorhub\":${HUB:-null}}}}"`),
	})...)
}

// restoreHostedCluster takes out of the HostedCluster what satchel added.
func (e *emission) restoreHostedCluster(p *page.Page) {
	if len(e.images) == 0 {
		return
	}
	at := e.hostedPlace()
	p.Step("The HostedCluster: only if the mirror goes away")
	p.Text("As long as the mirror runs, the HostedCluster may keep the rules, the authorities and the rest; nodes ask the internet where the mirror lacks an image. %s The first ones change nothing: they print the change. What others added since stays.", onManagement)
	p.Run(e.hostedBackChange(at)...)
	pageHostedRollout(p)
	p.Run(page.Chain(slices.Concat(at.read, []string{
		hostedField("OLD", ".spec.additionalTrustBundle.name"),
		`oc patch hostedcluster "$NAME" -n "$SPACE" --type=merge --patch-file ` + hostedChangeFile,
		`USED=$(oc get hostedclusters -n "$SPACE" -o jsonpath='{.items[*].spec.additionalTrustBundle.name}')`,
		`{ case "$OLD" in ` + hostedTrustPrefix + `*) case " $USED " in *" $OLD "*) ;; *) oc delete configmap "$OLD" -n "$SPACE" ;; esac ;; esac; }`,
		"oc delete configmap " + at.before() + ` -n "$SPACE"`,
	})...)...)
	p.Text("Wait until all nodes have it. Then log in to this cluster again.")
	p.Run(waitForPools(at)...)
}

// hostedBackChange are the commands that write what is to change back into a file.
func (e *emission) hostedBackChange(at hostedAt) []string {
	lines := slices.Concat(at.read, []string{
		"rm -f " + hostedChangeFile,
		"SPEC= CONFIG=",
		`oc get hostedcluster "$NAME" -n "$SPACE" -o jsonpath='` + rulesOfHosted + `' > ` + hostedRulesNow + " && READ=yes || READ=no",
		readHostedBefore(at, "BEFORE", keyHostedRules) + ` && echo "$BEFORE" > ` + hostedRulesBefore + " || READ=no",
		fmt.Sprintf("awk -v mirrors='%s' -f %s %s %s > %s || READ=no", strings.Join(e.mirrorNames(), " "), fileHostedWithout, hostedRulesBefore, hostedRulesNow, hostedRulesBack),
		fmt.Sprintf("NOW=$(awk -f %s %s) && NEW=$(awk -f %[1]s %[3]s) || READ=no", fileHostedMerge, hostedRulesNow, hostedRulesBack),
		`[ "$NEW" != "[]" ] || NEW=null`,
		`[ "$NOW" = "$NEW" ] || SPEC="\"imageContentSources\":$NEW"`,
		hostedField("OLD", ".spec.additionalTrustBundle.name") + " || READ=no",
		readHostedBefore(at, "TRUST", keyHostedTrust) + " || READ=no",
		`[ -z "$TRUST" ] && TRUST=null || TRUST="{\"name\":\"$TRUST\"}"`,
		`case "$OLD" in ` + hostedTrustPrefix + `*) SPEC="${SPEC:+$SPEC,}\"additionalTrustBundle\":$TRUST" ;; esac`,
	})
	hosts := e.mirrorHosts()
	if len(hosts) > 0 {
		lines = append(lines, readHostedBefore(at, "BEFORE", keyNoProxy)+" || READ=no", hostedField("NOW", ".spec.configuration.proxy.noProxy")+" || READ=no", `NEW=",$NOW,"`)
		for _, h := range hosts {
			lines = append(lines, fmt.Sprintf(`case ",$BEFORE," in *,%s,*) ;; *) NEW="${NEW/,%s,/,}" ;; esac`, h, strings.ReplaceAll(h, "/", `\/`)))
		}
		lines = append(lines, `NEW="${NEW#,}"`, `NEW="${NEW%,}"`, `[ "$NEW" = "$NOW" ] || CONFIG="\"proxy\":{\"noProxy\":\"$NEW\"}"`)
	}
	if e.site.PlainHTTP {
		lines = append(lines, readHostedBefore(at, "BEFORE", keyInsecure)+" || READ=no", hostedField("LIST", ".spec.configuration.image.registrySources.insecureRegistries")+" || READ=no", "NEW=$LIST")
		for _, h := range e.hosts() {
			lines = append(lines, fmt.Sprintf(`echo "$BEFORE" | grep -qF '"%s"' || NEW=$(echo "$NEW" | sed -e 's|"%s"||' -e 's|,,|,|' -e 's|\[,|[|' -e 's|,\]|]|')`, h, regexp.QuoteMeta(h)))
		}
		lines = append(lines, `[ "$NEW" != "[]" ] || NEW=null`, `[ "$NEW" = "$LIST" ] || CONFIG="${CONFIG:+$CONFIG,}\"image\":{\"registrySources\":{\"insecureRegistries\":$NEW}}"`)
	}
	return append(lines,
		`[ -z "$CONFIG" ] || SPEC="${SPEC:+$SPEC,}\"configuration\":{$CONFIG}"`,
		`[ "$READ" = no ] || echo "{\"spec\":{$SPEC}}" > `+hostedChangeFile,
		"cat "+hostedChangeFile,
	)
}

// stepHostedService: what a hosted cluster asks for updates stands in its HostedCluster, and it is
// not asked for where the releases of the mirror are.
func (e *emission) stepHostedService(p *page.Page) {
	at := e.hostedPlace()
	p.Step("The update service")
	p.Text("No UpdateService is written for a hosted cluster: it belongs on a cluster that can be given the mirror's authorities, such as the management cluster (its own %s has it). A hosted cluster needs none for its updates: the HostedCluster names the release. To see in it which updates there are, let it ask the update service of the management cluster (spec.updateService). %s Nodes: nothing changes.", fileApply, onManagement)
	p.Run(slices.Concat(at.read, []string{
		"SERVICE=$(oc get updateservice -A -o jsonpath='{.items[*].status.policyEngineURI}')",
		"SERVICE=${SERVICE%% *}",
		`[ -z "$SERVICE" ] || ` + patchHosted(`'{"spec":{"updateService":"'"$SERVICE`+graphPath+`"'"}}'`),
	})...)
	p.Text("Its version operator must trust the certificate of that cluster's router: the HostedCluster's spec.additionalTrustBundle must have the authority. A change of that replaces or restarts every node.")
}

// cutHostedUpdates takes the channel away, if no update service was set.
func (e *emission) cutHostedUpdates(p *page.Page) {
	at := e.hostedPlace()
	p.Text("Without an update service, the cluster asks for updates on the internet, and the alert CannotRetrieveUpdates fires after the cut. Without a channel it does not ask. Both stand in the HostedCluster. %s They take the channel away, unless the HostedCluster names an update service. Nodes: nothing changes. (Put the channel back when the network returns: %s.)", onManagement, fileRestore)
	p.Run(slices.Concat(at.read, []string{
		hostedField("SERVICE", ".spec.updateService"),
		`[ -n "$SERVICE" ] || ` + patchHosted(`'{"spec":{"channel":null}}'`),
	})...)
	p.Text("The management cluster is a cluster of its own: before it is cut off, follow its own %s.", fileCut)
}

// restoreHostedUpdates gives the HostedCluster its channel and its update service back.
func (e *emission) restoreHostedUpdates(p *page.Page) {
	at := e.hostedPlace()
	p.Text("The cluster asks for updates where it did before, by the channel that it had before, of the version that it runs now. Both stand in the HostedCluster. %s Nodes: nothing changes. Then log in to this cluster again.", onManagement)
	p.Run(slices.Concat(at.read, []string{
		readHostedBefore(at, "CHANNEL", keyChannel) + " && READ=yes || READ=no",
		readHostedBefore(at, "SERVICE", keyHostedService) + " || READ=no",
		hostedField("MINOR", ".status.version.history[0].version") + " && MINOR=$(echo \"$MINOR\" | cut -d. -f1,2)",
		`case "$CHANNEL" in *-[0-9].[0-9]*) CHANNEL="${CHANNEL%-*}-$MINOR" ;; esac`,
		`[ -z "$CHANNEL" ] && CHANNEL=null || CHANNEL="\"$CHANNEL\""`,
		`[ -z "$SERVICE" ] && SERVICE=null || SERVICE="\"$SERVICE\""`,
		`[ "$READ" = no ] || ` + patchHosted(`"{\"spec\":{\"channel\":$CHANNEL,\"updateService\":$SERVICE}}"`),
	})...)
}
