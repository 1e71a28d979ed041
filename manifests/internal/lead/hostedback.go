package lead

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
)

// restoreHostedCluster takes out of the HostedCluster what satchel added.
func (l *Lead) restoreHostedCluster(p *page.Page) {
	if len(l.Images) == 0 {
		return
	}
	at := l.HostedPlace()
	p.Step("The HostedCluster: only if the mirror goes away")
	p.Text("As long as the mirror runs, the HostedCluster may keep the rules, the authorities and the rest; nodes ask the internet where the mirror lacks an image. %s The first ones change nothing: they print the change. What others added since stays.", handover.OnManagement)
	p.Run(l.hostedBackChange(at)...)
	PageHostedRollout(p)
	p.Run(page.Chain(slices.Concat(at.Read, []string{
		handover.HostedField("OLD", ".spec.additionalTrustBundle.name"),
		`oc patch hostedcluster "$NAME" -n "$SPACE" --type=merge --patch-file ` + handover.HostedChangeFile,
		`USED=$(oc get hostedclusters -n "$SPACE" -o jsonpath='{.items[*].spec.additionalTrustBundle.name}')`,
		`{ case "$OLD" in ` + handover.HostedTrustPrefix + `*) case " $USED " in *" $OLD "*) ;; *) oc delete configmap "$OLD" -n "$SPACE" ;; esac ;; esac; }`,
		"oc delete configmap " + at.Before() + ` -n "$SPACE"`,
	})...)...)
	p.Text("Wait until all nodes have it. Then log in to this cluster again.")
	p.Run(WaitForPools(at)...)
}

// hostedBackChange are the commands that write what is to change back into a file.
func (l *Lead) hostedBackChange(at handover.HostedAt) []string {
	lines := slices.Concat(at.Read, []string{
		"rm -f " + handover.HostedChangeFile,
		"SPEC= CONFIG=",
		`oc get hostedcluster "$NAME" -n "$SPACE" -o jsonpath='` + handover.RulesOfHosted + `' > ` + handover.HostedRulesNow + " && READ=yes || READ=no",
		handover.ReadHostedBefore(at, "BEFORE", handover.KeyHostedRules) + ` && echo "$BEFORE" > ` + handover.HostedRulesBefore + " || READ=no",
		fmt.Sprintf("awk -v mirrors='%s' -f %s %s %s > %s || READ=no", strings.Join(l.MirrorNames(), " "), handover.FileHostedWithout, handover.HostedRulesBefore, handover.HostedRulesNow, handover.HostedRulesBack),
		fmt.Sprintf("NOW=$(awk -f %s %s) && NEW=$(awk -f %[1]s %[3]s) || READ=no", handover.FileHostedMerge, handover.HostedRulesNow, handover.HostedRulesBack),
		`[ "$NEW" != "[]" ] || NEW=null`,
		`[ "$NOW" = "$NEW" ] || SPEC="\"imageContentSources\":$NEW"`,
		handover.HostedField("OLD", ".spec.additionalTrustBundle.name") + " || READ=no",
		handover.ReadHostedBefore(at, "TRUST", handover.KeyHostedTrust) + " || READ=no",
		`[ -z "$TRUST" ] && TRUST=null || TRUST="{\"name\":\"$TRUST\"}"`,
		`case "$OLD" in ` + handover.HostedTrustPrefix + `*) SPEC="${SPEC:+$SPEC,}\"additionalTrustBundle\":$TRUST" ;; esac`,
	})
	hosts := l.Trust.MirrorHosts()
	if len(hosts) > 0 {
		lines = append(lines, handover.ReadHostedBefore(at, "BEFORE", handover.KeyNoProxy)+" || READ=no", handover.HostedField("NOW", ".spec.configuration.proxy.noProxy")+" || READ=no", `NEW=",$NOW,"`)
		for _, h := range hosts {
			lines = append(lines, fmt.Sprintf(`case ",$BEFORE," in *,%s,*) ;; *) NEW="${NEW/,%s,/,}" ;; esac`, h, strings.ReplaceAll(h, "/", `\/`)))
		}
		lines = append(lines, `NEW="${NEW#,}"`, `NEW="${NEW%,}"`, `[ "$NEW" = "$NOW" ] || CONFIG="\"proxy\":{\"noProxy\":\"$NEW\"}"`)
	}
	if l.Site.PlainHTTP {
		lines = append(lines, handover.ReadHostedBefore(at, "BEFORE", handover.KeyInsecure)+" || READ=no", handover.HostedField("LIST", ".spec.configuration.image.registrySources.insecureRegistries")+" || READ=no", "NEW=$LIST")
		for _, h := range l.Hosts() {
			lines = append(lines, fmt.Sprintf(`echo "$BEFORE" | grep -qF '"%s"' || NEW=$(echo "$NEW" | sed -e 's|"%s"||' -e 's|,,|,|' -e 's|\[,|[|' -e 's|,\]|]|')`, h, regexp.QuoteMeta(h)))
		}
		lines = append(lines, `[ "$NEW" != "[]" ] || NEW=null`, `[ "$NEW" = "$LIST" ] || CONFIG="${CONFIG:+$CONFIG,}\"image\":{\"registrySources\":{\"insecureRegistries\":$NEW}}"`)
	}
	return append(lines,
		`[ -z "$CONFIG" ] || SPEC="${SPEC:+$SPEC,}\"configuration\":{$CONFIG}"`,
		`[ "$READ" = no ] || echo "{\"spec\":{$SPEC}}" > `+handover.HostedChangeFile,
		"cat "+handover.HostedChangeFile,
	)
}
