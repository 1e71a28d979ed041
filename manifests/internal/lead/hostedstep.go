package lead

import (
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/manifests/internal/trust"
	"github.com/satchel-airgap/satchel/oci/text"
)

// KeepHosted keeps what the HostedCluster was before satchel, once, beside it.
func KeepHosted(at handover.HostedAt) []string {
	object := "configmap " + at.Before() + ` -n "$SPACE"`
	var lines []string
	create := "oc create " + object
	for _, field := range []struct{ variable, key, path string }{
		{"RULES", handover.KeyHostedRules, ""},
		{"TRUST", handover.KeyHostedTrust, ".spec.additionalTrustBundle.name"},
		{"HUB", handover.KeyHostedHub, ".spec.configuration.operatorhub"},
		{"NOPROXY", handover.KeyNoProxy, ".spec.configuration.proxy.noProxy"},
		{"LIST", handover.KeyInsecure, ".spec.configuration.image.registrySources.insecureRegistries"},
		{"CHANNEL", handover.KeyChannel, ".spec.channel"},
		{"SERVICE", handover.KeyHostedService, ".spec.updateService"},
	} {
		read := handover.HostedField(field.variable, field.path)
		if field.path == "" {
			read = field.variable + `=$(oc get hostedcluster "$NAME" -n "$SPACE" -o jsonpath='` + handover.RulesOfHosted + `')`
		}
		lines = append(lines, read)
		create += fmt.Sprintf(` --from-literal=%s="$%s"`, field.key, field.variable)
	}
	lines = append(lines, create, "oc label "+object+" "+kube.Mine)
	return page.Chain(slices.Concat(at.Read, []string{
		`[ -n "$NAME" ]`,
		"KEPT=$(oc get " + object + " --ignore-not-found -o name)",
		page.Or(`[ -n "$KEPT" ]`, "{\n"+strings.Join(lines, " &&\n")+"; }"),
	})...)
}

// stepHostedCluster is the step that gives a hosted cluster's nodes the rules, and all else that
// stands in its HostedCluster: at once, because each change replaces or restarts every node.
func (l *Lead) stepHostedCluster(p *page.Page) {
	if len(l.Images) == 0 {
		return
	}
	hosts, _ := l.Trust.BehindProxy()
	if l.hostedRulesStand() && (!l.Trust.CA.Written || l.Trust.CA.Same) && len(hosts)+len(l.Trust.NewInsecure()) == 0 {
		p.Nothing(handover.IdleHosted)
		l.stepSignatures(p)
		return
	}
	p.Step("The HostedCluster: where nodes find the images")
	l.stepUnsigned(p, true)
	l.pageOtherMirrors(p)
	l.pageManagementRules(p)
	what := []string{fmt.Sprintf("the rules (%s: those of this bundle and of earlier ones that satchel knows of; in spec.imageContentSources)", handover.FileHostedRules)}
	if l.Trust.CA.Written {
		what = append(what, "the mirror's certificate authorities ("+handover.FileHostedCA+"; in a new ConfigMap that spec.additionalTrustBundle names, with what the present one has)")
	}
	if len(hosts) > 0 {
		what = append(what, fmt.Sprintf("%s in noProxy (only if the HostedCluster has a proxy: nodes would send pulls from the mirror through it; in spec.configuration.proxy)", text.And(handover.Codes(hosts))))
	}
	if insecure := l.Trust.NewInsecure(); len(insecure) > 0 {
		what = append(what, fmt.Sprintf("%s without TLS, because the mirror answered satchel by plain HTTP (in spec.configuration.image.registrySources.insecureRegistries)", text.And(handover.Codes(insecure))))
	}
	p.Text("This is a hosted cluster. What its nodes have stands in its HostedCluster; changes of the hosted cluster's own objects are refused or undone. The HostedCluster gets:")
	p.List(what)
	at := l.HostedPlace()
	p.Text("%s The first ones change nothing yet: they read what the HostedCluster has, add only what is not there, and print the change. If they print `{\"spec\":{}}`, the HostedCluster has all of it: log in to this cluster again, and continue with the next step.", handover.OnManagement)
	p.Run(l.HostedChange(at, hosts, l.Trust.NewInsecure())...)
	p.Text("For each image, only the rule with the longest source counts. If the HostedCluster has a rule with a shorter source than one of %s, nodes no longer ask its mirrors for that repository.", handover.FileHostedRules)
	PageHostedRollout(p)
	p.Run(HostedApply(at)...)
	p.Text("Wait until all nodes have it. The first wait ends after five minutes for a pool that has nothing to change. Then log in to this cluster again. %s shows what its nodes have then.", handover.FileRegistries)
	p.Run(WaitForPools(at)...)
}

// PageHostedRollout says what a change of these fields does to nodes (hypershift-operator,
// controllers/nodepool/config.go: the hash of all of them names what each node is made from).
func PageHostedRollout(p *page.Page) {
	p.Text("**Nodes: the next commands drain every node of every NodePool, and replace it by a new one (or restart it, where the NodePool's upgradeType is InPlace), one after the other.** Local data of replaced nodes is lost. NodePools that are paused (spec.pausedUntil) get it when they are resumed.")
}

// hostedRulesStand reports whether the hosted cluster is known to have every rule: it has those of
// its HostedCluster as an object of its own.
func (l *Lead) hostedRulesStand() bool {
	if l.Site.PresentRules == nil {
		return false
	}
	have := map[string][]string{}
	for _, o := range l.Site.PresentRules.Objects {
		if o.Name != handover.HostedRulesObject || !o.Digests() {
			continue
		}
		for _, r := range o.Rules {
			have[r.Source] = append(have[r.Source], r.Mirrors...)
		}
	}
	return !slices.ContainsFunc(l.HostedRules(), func(r rules.Rule) bool {
		return slices.ContainsFunc(r.Mirrors, func(m string) bool { return !slices.Contains(have[r.Source], m) })
	})
}

// HostedChange are the commands that write what is to change in the HostedCluster into a file.
func (l *Lead) HostedChange(at handover.HostedAt, behindProxy, insecure []string) []string {
	lines := slices.Concat(at.Read, []string{
		"rm -f " + handover.HostedChangeFile,
		"SPEC= CONFIG=",
		`oc get hostedcluster "$NAME" -n "$SPACE" -o jsonpath='` + handover.RulesOfHosted + `' > ` + handover.HostedRulesNow + " && READ=yes || READ=no",
		fmt.Sprintf("NOW=$(awk -f %s %s) && ALL=$(awk -f %[1]s %[2]s %s) || READ=no", handover.FileHostedMerge, handover.HostedRulesNow, handover.FileHostedRules),
		`[ "$NOW" = "$ALL" ] || SPEC="\"imageContentSources\":$ALL"`,
	})
	if l.Trust.CA.Certs != "" {
		lines = append(lines,
			handover.HostedField("TRUST", ".spec.additionalTrustBundle.name")+" || READ=no",
			": > "+handover.HostedTrustNow,
			`[ -z "$TRUST" ] || oc extract configmap/"$TRUST" -n "$SPACE" --keys=ca-bundle.crt --to=- > `+handover.HostedTrustNow+" || READ=no",
			fmt.Sprintf(`if grep -qvxFf %s %s; then`, handover.HostedTrustNow, handover.FileHostedCA),
			fmt.Sprintf(`(echo; cat %s) >> %s`, handover.FileHostedCA, handover.HostedTrustNow),
			fmt.Sprintf(`SPEC="${SPEC:+$SPEC,}\"additionalTrustBundle\":{\"name\":\"%s$(sha256sum < %s | cut -c1-8)\"}"`, handover.HostedTrustPrefix, handover.HostedTrustNow),
			"fi",
		)
	}
	if len(behindProxy) > 0 {
		lines = append(lines, handover.HostedField("PROXY", ".spec.configuration.proxy.httpProxy}{.spec.configuration.proxy.httpsProxy")+" || READ=no",
			handover.HostedField("NOW", ".spec.configuration.proxy.noProxy")+" || READ=no", "NEW=$NOW")
		for _, h := range behindProxy {
			lines = append(lines, fmt.Sprintf(`case ",$NEW," in %s) ;; *) NEW="${NEW:+$NEW,}%s" ;; esac`, strings.Join(trust.CoveredBy(h), "|"), h))
		}
		lines = append(lines, `[ -z "$PROXY" ] || [ "$NEW" = "$NOW" ] || CONFIG="\"proxy\":{\"noProxy\":\"$NEW\"}"`)
	}
	if len(insecure) > 0 {
		lines = append(lines, handover.HostedField("LIST", ".spec.configuration.image.registrySources.insecureRegistries")+" || READ=no", "NEW=${LIST:-[]}")
		for _, h := range insecure {
			lines = append(lines, fmt.Sprintf(`case "$NEW" in *'"%s"'*) ;; '[]') NEW='["%[1]s"]' ;; *) NEW="${NEW%%]},\"%[1]s\"]" ;; esac`, h))
		}
		lines = append(lines, `[ "$NEW" = "${LIST:-[]}" ] || CONFIG="${CONFIG:+$CONFIG,}\"image\":{\"registrySources\":{\"insecureRegistries\":$NEW}}"`)
	}
	return append(lines,
		`[ -z "$CONFIG" ] || SPEC="${SPEC:+$SPEC,}\"configuration\":{$CONFIG}"`,
		`[ "$READ" = no ] || echo "{\"spec\":{$SPEC}}" > `+handover.HostedChangeFile,
		"cat "+handover.HostedChangeFile,
	)
}

// HostedApply are the commands that make the change. A ConfigMap of authorities has a name made of
// what is in it: older versions give nodes a new one only under another name.
func HostedApply(at handover.HostedAt) []string {
	return slices.Concat(at.Read, []string{
		"TRUST=$(grep -o '" + handover.HostedTrustPrefix + "[0-9a-f]*' " + handover.HostedChangeFile + ")",
		`[ -z "$TRUST" ] || [ -n "$(oc get configmap "$TRUST" -n "$SPACE" --ignore-not-found -o name)" ] || oc create configmap "$TRUST" -n "$SPACE" --from-file=ca-bundle.crt=` + handover.HostedTrustNow,
		`[ -z "$TRUST" ] || oc label configmap "$TRUST" -n "$SPACE" --overwrite ` + kube.Mine,
		`oc patch hostedcluster "$NAME" -n "$SPACE" --type=merge --patch-file ` + handover.HostedChangeFile,
	})
}

// PoolsOf is a line of a chain that reads the NodePools of the HostedCluster.
const PoolsOf = `[ -n "$NAME" ] && POOLS=$(oc get nodepool -n "$SPACE" -o jsonpath='{.items[?(@.spec.clusterName=="'"$NAME"'")].metadata.name}') && { [ -n "$POOLS" ] || echo 'This HostedCluster has no NodePool.'; }`

// EachPool is a line of a chain that runs a command for each NodePool of [PoolsOf], up to one that
// fails. zsh, unlike bash, does not divide what a variable holds, and runs the end of a pipe itself:
// hence the subshell, which exit ends.
func EachPool(command string) string {
	return `echo "$POOLS" | tr ' ' '\n' | (while read -r POOL; do [ -z "$POOL" ] || ` + command + ` </dev/null || exit 1; done)`
}

// WaitForPools wait until every NodePool has a change of its configuration.
func WaitForPools(at handover.HostedAt) []string {
	return page.Chain(slices.Concat(at.Read, []string{
		PoolsOf,
		EachPool(`{ oc wait nodepool "$POOL" -n "$SPACE" --for=condition=UpdatingConfig --timeout=5m || true; }`),
		EachPool(`oc wait nodepool "$POOL" -n "$SPACE" --for=condition=UpdatingConfig=False --timeout=8h`),
		`oc get nodepool -n "$SPACE"`,
	})...)
}

// pageManagementRules says which rules the management cluster must have itself: the control plane
// runs there, and its operators take other places for the release from those rules alone
// (openshift/hypershift, support/globalconfig, GetAllImageRegistryMirrors).
func (l *Lead) pageManagementRules(p *page.Page) {
	var sources []string
	for _, g := range l.Groups {
		if g.Name != rules.Release {
			continue
		}
		for _, r := range g.Rules {
			sources = append(sources, r.Source)
		}
	}
	if len(sources) == 0 {
		return
	}
	p.Text("**First the management cluster.** The control plane of this cluster runs there, and is pulled by the management cluster's own rules. It must trust the mirror and have a credential for it too: follow the %s that satchel writes for that cluster (`--from-cluster` with what it is). It must have a rule for exactly each of these sources, not only one for a wider source such as `quay.io`. The command, for the management cluster, lists the sources without a rule:", handover.FileApply)
	p.Run(page.Chain(
		"CRDS=$(oc get crd -o name) && HAVE=",
		"case $CRDS in *imagecontentsourcepolicies.operator.openshift.io*) HAVE=$(oc get imagecontentsourcepolicy -o jsonpath='{.items[*].spec.repositoryDigestMirrors[*].source}') ;; esac",
		`case $CRDS in *imagedigestmirrorsets.config.openshift.io*) HAVE="$HAVE $(oc get imagedigestmirrorset -o jsonpath='{.items[*].spec.imageDigestMirrors[*].source}')" ;; esac`,
		"for S in "+strings.Join(sources, " ")+`; do echo "$HAVE" | tr ' ' '\n' | grep -qxF "$S" || echo "no rule for $S"; done`,
	)...)
	p.Text("Older versions of the HyperShift operator read these rules only when they start, and no ImageContentSourcePolicy where there is any ImageDigestMirrorSet. So use one kind there, and restart the operator after a change (`oc rollout restart deployment/operator -n hypershift`). Nodes: nothing changes.")
}

// HostedRules are the rules for a cluster that takes them as a list: those of this bundle, and of
// earlier ones. Mirrors of others that rules of this cluster need beside them are not for others.
func (l *Lead) HostedRules() (list []rules.Rule) {
	at := map[string]int{}
	add := func(of []rules.Rule) {
		for _, r := range of {
			for _, m := range r.Mirrors {
				if !l.Hosted() && !handover.Within(m, l.MirrorNames()) {
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
	for _, g := range l.Groups {
		add(g.Rules)
	}
	for _, set := range l.sets() {
		if set.kind != rules.TagMirrors {
			add(set.rules)
		}
	}
	return list
}
