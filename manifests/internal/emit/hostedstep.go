package emit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/oci/text"
)

// keepHosted keeps what the HostedCluster was before satchel, once, beside it.
func keepHosted(at hostedAt) []string {
	object := "configmap " + at.before() + ` -n "$SPACE"`
	var lines []string
	create := "oc create " + object
	for _, field := range []struct{ variable, key, path string }{
		{"RULES", keyHostedRules, ""},
		{"TRUST", keyHostedTrust, ".spec.additionalTrustBundle.name"},
		{"HUB", keyHostedHub, ".spec.configuration.operatorhub"},
		{"NOPROXY", keyNoProxy, ".spec.configuration.proxy.noProxy"},
		{"LIST", keyInsecure, ".spec.configuration.image.registrySources.insecureRegistries"},
		{"CHANNEL", keyChannel, ".spec.channel"},
		{"SERVICE", keyHostedService, ".spec.updateService"},
	} {
		read := hostedField(field.variable, field.path)
		if field.path == "" {
			read = field.variable + `=$(oc get hostedcluster "$NAME" -n "$SPACE" -o jsonpath='` + rulesOfHosted + `')`
		}
		lines = append(lines, read)
		create += fmt.Sprintf(` --from-literal=%s="$%s"`, field.key, field.variable)
	}
	lines = append(lines, create, "oc label "+object+" "+kube.Mine)
	return page.Chain(slices.Concat(at.read, []string{
		`[ -n "$NAME" ]`,
		"KEPT=$(oc get " + object + " --ignore-not-found -o name)",
		page.Or(`[ -n "$KEPT" ]`, "{\n"+strings.Join(lines, " &&\n")+"; }"),
	})...)
}

// stepHostedCluster is the step that gives a hosted cluster's nodes the rules, and all else that
// stands in its HostedCluster: at once, because each change replaces or restarts every node.
func (e *emission) stepHostedCluster(p *page.Page) {
	if len(e.images) == 0 {
		return
	}
	hosts, _ := e.behindProxy()
	if e.hostedRulesStand() && (!e.ca.written || e.ca.same) && len(hosts)+len(e.newInsecure()) == 0 {
		p.Nothing("the HostedCluster")
		return
	}
	p.Step("The HostedCluster: where nodes find the images")
	e.stepUnsigned(p)
	e.pageOtherMirrors(p)
	e.pageManagementRules(p)
	what := []string{fmt.Sprintf("the rules (%s: those of this bundle and of earlier ones that satchel knows of; in spec.imageContentSources)", fileHostedRules)}
	if e.ca.written {
		what = append(what, "the mirror's certificate authorities ("+fileHostedCA+"; in a new ConfigMap that spec.additionalTrustBundle names, with what the present one has)")
	}
	if len(hosts) > 0 {
		what = append(what, fmt.Sprintf("%s in noProxy (only if the HostedCluster has a proxy: nodes would send pulls from the mirror through it; in spec.configuration.proxy)", text.And(codes(hosts))))
	}
	if insecure := e.newInsecure(); len(insecure) > 0 {
		what = append(what, fmt.Sprintf("%s without TLS, because the mirror answered satchel by plain HTTP (in spec.configuration.image.registrySources.insecureRegistries)", text.And(codes(insecure))))
	}
	p.Text("This is a hosted cluster. What its nodes have stands in its HostedCluster; it refuses or sets back a change of its own objects for that. The HostedCluster gets:")
	p.List(what)
	at := e.hostedPlace()
	p.Text("%s The first ones change nothing yet: they read what the HostedCluster has, add only what is not there, and print the change. If they print `{\"spec\":{}}`, the HostedCluster has all of it: log in to this cluster again, and continue with the next step.", onManagement)
	p.Run(e.hostedChange(at, hosts, e.newInsecure())...)
	p.Text("For each image, only the rule with the longest source counts. If the HostedCluster has a rule with a shorter source than one of %s, nodes no longer ask its mirrors for that repository.", fileHostedRules)
	pageHostedRollout(p)
	p.Run(hostedApply(at)...)
	p.Text("Wait until all nodes have it. The first wait ends after five minutes for a pool that has nothing to change. Then log in to this cluster again. %s shows what its nodes have then.", fileRegistries)
	p.Run(waitForPools(at)...)
}

// pageHostedRollout says what a change of these fields does to nodes (hypershift-operator,
// controllers/nodepool/config.go: the hash of all of them names what each node is made from).
func pageHostedRollout(p *page.Page) {
	p.Text("**Nodes: the next commands drain every node of every NodePool, and replace it by a new one (or restart it, where the NodePool's upgradeType is InPlace), one after the other.** Local data of replaced nodes is lost. NodePools that are paused (spec.pausedUntil) get it when they are resumed.")
}

// hostedRulesStand reports whether the hosted cluster is known to have every rule: it has those of
// its HostedCluster as an object of its own.
func (e *emission) hostedRulesStand() bool {
	if e.site.PresentRules == nil {
		return false
	}
	have := map[string][]string{}
	for _, o := range e.site.PresentRules.Objects {
		if o.Name != hostedRulesObject || !o.Digests() {
			continue
		}
		for _, r := range o.Rules {
			have[r.Source] = append(have[r.Source], r.Mirrors...)
		}
	}
	return !slices.ContainsFunc(e.hostedRules(), func(r rules.Rule) bool {
		return slices.ContainsFunc(r.Mirrors, func(m string) bool { return !slices.Contains(have[r.Source], m) })
	})
}

// hostedChange are the commands that write what is to change in the HostedCluster into a file.
func (e *emission) hostedChange(at hostedAt, behindProxy, insecure []string) []string {
	lines := slices.Concat(at.read, []string{
		"rm -f " + hostedChangeFile,
		"SPEC= CONFIG=",
		`oc get hostedcluster "$NAME" -n "$SPACE" -o jsonpath='` + rulesOfHosted + `' > ` + hostedRulesNow + " && READ=yes || READ=no",
		fmt.Sprintf("NOW=$(awk -f %s %s) && ALL=$(awk -f %[1]s %[2]s %s) || READ=no", fileHostedMerge, hostedRulesNow, fileHostedRules),
		`[ "$NOW" = "$ALL" ] || SPEC="\"imageContentSources\":$ALL"`,
	})
	if e.ca.certs != "" {
		lines = append(lines,
			hostedField("TRUST", ".spec.additionalTrustBundle.name")+" || READ=no",
			": > "+hostedTrustNow,
			`[ -z "$TRUST" ] || oc extract configmap/"$TRUST" -n "$SPACE" --keys=ca-bundle.crt --to=- > `+hostedTrustNow+" || READ=no",
			fmt.Sprintf(`if grep -qvxFf %s %s; then`, hostedTrustNow, fileHostedCA),
			fmt.Sprintf(`(echo; cat %s) >> %s`, fileHostedCA, hostedTrustNow),
			fmt.Sprintf(`SPEC="${SPEC:+$SPEC,}\"additionalTrustBundle\":{\"name\":\"%s$(sha256sum < %s | cut -c1-8)\"}"`, hostedTrustPrefix, hostedTrustNow),
			"fi",
		)
	}
	if len(behindProxy) > 0 {
		lines = append(lines, hostedField("PROXY", ".spec.configuration.proxy.httpProxy}{.spec.configuration.proxy.httpsProxy")+" || READ=no",
			hostedField("NOW", ".spec.configuration.proxy.noProxy")+" || READ=no", "NEW=$NOW")
		for _, h := range behindProxy {
			lines = append(lines, fmt.Sprintf(`case ",$NEW," in %s) ;; *) NEW="${NEW:+$NEW,}%s" ;; esac`, strings.Join(coveredBy(h), "|"), h))
		}
		lines = append(lines, `[ -z "$PROXY" ] || [ "$NEW" = "$NOW" ] || CONFIG="\"proxy\":{\"noProxy\":\"$NEW\"}"`)
	}
	if len(insecure) > 0 {
		lines = append(lines, hostedField("LIST", ".spec.configuration.image.registrySources.insecureRegistries")+" || READ=no", "NEW=${LIST:-[]}")
		for _, h := range insecure {
			lines = append(lines, fmt.Sprintf(`case "$NEW" in *'"%s"'*) ;; '[]') NEW='["%[1]s"]' ;; *) NEW="${NEW%%]},\"%[1]s\"]" ;; esac`, h))
		}
		lines = append(lines, `[ "$NEW" = "${LIST:-[]}" ] || CONFIG="${CONFIG:+$CONFIG,}\"image\":{\"registrySources\":{\"insecureRegistries\":$NEW}}"`)
	}
	return append(lines,
		`[ -z "$CONFIG" ] || SPEC="${SPEC:+$SPEC,}\"configuration\":{$CONFIG}"`,
		`[ "$READ" = no ] || echo "{\"spec\":{$SPEC}}" > `+hostedChangeFile,
		"cat "+hostedChangeFile,
	)
}

// hostedApply are the commands that make the change. A ConfigMap of authorities has a name made of
// what is in it: older versions give nodes a new one only under another name.
func hostedApply(at hostedAt) []string {
	return slices.Concat(at.read, []string{
		"TRUST=$(grep -o '" + hostedTrustPrefix + "[0-9a-f]*' " + hostedChangeFile + ")",
		`[ -z "$TRUST" ] || [ -n "$(oc get configmap "$TRUST" -n "$SPACE" --ignore-not-found -o name)" ] || oc create configmap "$TRUST" -n "$SPACE" --from-file=ca-bundle.crt=` + hostedTrustNow,
		`[ -z "$TRUST" ] || oc label configmap "$TRUST" -n "$SPACE" --overwrite ` + kube.Mine,
		`oc patch hostedcluster "$NAME" -n "$SPACE" --type=merge --patch-file ` + hostedChangeFile,
	})
}

// poolsOf reads the NodePools of the HostedCluster.
const poolsOf = `POOLS=$(oc get nodepool -n "$SPACE" -o jsonpath='{.items[?(@.spec.clusterName=="'"$NAME"'")].metadata.name}')`

// waitForPools wait until every NodePool has a change of its configuration.
func waitForPools(at hostedAt) []string {
	return slices.Concat(at.read, []string{
		poolsOf,
		`for POOL in $POOLS; do oc wait nodepool "$POOL" -n "$SPACE" --for=condition=UpdatingConfig --timeout=5m || true; done`,
		`for POOL in $POOLS; do oc wait nodepool "$POOL" -n "$SPACE" --for=condition=UpdatingConfig=False --timeout=8h; done`,
		`oc get nodepool -n "$SPACE"`,
	})
}

// pageManagementRules says which rules the management cluster must have itself: the control plane
// runs there, and its operators take other places for the release from those rules alone
// (openshift/hypershift, support/globalconfig, GetAllImageRegistryMirrors).
func (e *emission) pageManagementRules(p *page.Page) {
	var sources []string
	for _, g := range e.groups {
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
	p.Text("**First the management cluster.** The control plane of this cluster runs there, and is pulled by the management cluster's own rules. It must trust the mirror and have a credential for it too: follow the %s that satchel writes for that cluster (`--from-cluster` with what it is). It must have a rule for exactly each of these sources, not only one for a wider source such as `quay.io`. The command, for the management cluster, names those that lack:", fileApply)
	p.Run(
		"for S in "+strings.Join(sources, " ")+"; do",
		`(oc get imagecontentsourcepolicy -o jsonpath='{.items[*].spec.repositoryDigestMirrors[*].source}'; echo; oc get imagedigestmirrorset -o jsonpath='{.items[*].spec.imageDigestMirrors[*].source}') | tr ' ' '\n' | grep -qxF "$S" || echo "no rule for $S"`,
		"done",
	)
	p.Text("Older versions of the HyperShift operator read these rules only when they start, and no ImageContentSourcePolicy where there is any ImageDigestMirrorSet. So use one kind there, and restart the operator after a change (`oc rollout restart deployment/operator -n hypershift`). Nodes: nothing changes.")
}

// hostedHubOff turns the default catalogs off where the management cluster runs them; hosted
// clusters with OLM placed there take it from the HostedCluster alone (openshift/hypershift,
// hostedclusterconfigoperator, reconcileOLM and admissionpolicies.go).
func hostedHubOff(at hostedAt) []string {
	return slices.Concat(at.read, []string{
		hostedField("PLACEMENT", ".spec.olmCatalogPlacement"),
		`echo "placement: $PLACEMENT"`,
		`[ "$PLACEMENT" != management ] || ` + patchHosted(`'{"spec":{"configuration":{"operatorhub":{"disableAllDefaultSources":true}}}}'`),
	})
}

// pageHostedHub says where the default catalogs of a hosted cluster are turned off.
func (e *emission) pageHostedHub(p *page.Page) {
	p.Text("This is a hosted cluster: where its default catalogs are turned off depends on where they run (spec.olmCatalogPlacement of the HostedCluster). %s They print the placement. If it is `management`, they turn the catalogs off in the HostedCluster, and this cluster follows; it refuses a change of its own OperatorHub. Nodes: nothing changes.", onManagement)
	p.Run(hostedHubOff(e.hostedPlace())...)
	p.Text("(Hosted clusters before 4.15 do not take that from their HostedCluster. With the placement `management`, their default catalogs stay, and only show errors after the cut.) Log in to this cluster again. If the placement is `management`, go on with the next step. The rest of this step is for `guest` alone.")
}
