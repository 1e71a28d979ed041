package update

import (
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/trust"
)

const (
	beforeAt  = "configmap/" + handover.BeforeName + " -n openshift-config"
	ownBundle = "user-ca-bundle" // the name that the installer gives it too, also where the proxy does not name it
)

// notTrusted prints the certificates of a file that trusted-ca.crt does not have, each once, without
// what stands between them.
const notTrusted = `awk '{ sub(/[ \t\r]+$/, "") }
/-BEGIN CERT/ { c = ""; in_c = 1 }
{ if (in_c) c = c $0 "\n" }
/-END CERT/ { in_c = 0; if (FILENAME != "trusted-ca.crt" && !(c in has)) printf "%s", c; has[c] = 1 }' trusted-ca.crt `

// AddTrusted are the lines of a chain that add the authorities of a file to those that the whole
// cluster trusts (proxies.config, trustedCA), and keep what stands there, and what they add, for
// [Way.RestoreTrusted].
func AddTrusted(file string) []string {
	const name = `"${NAME:-` + ownBundle + `}"`
	return []string{
		"[ -s " + file + " ]",
		"NAME=$(oc get " + trust.ProxyObject + " -o jsonpath='{.spec.trustedCA.name}')",
		"FOUND=$(oc get configmap " + name + " -n openshift-config --ignore-not-found -o name)",
		"KEPT=$(oc get " + beforeAt + " --ignore-not-found -o name)",
		page.Or(`[ -z "$KEPT" ]`, "ONCE=$(oc get "+beforeAt+" -o jsonpath='{.data."+handover.KeyBundleSum+"}')"),
		page.Or(`[ -n "$FOUND" ]`, "{ oc create configmap "+name+" -n openshift-config && oc label configmap "+name+" -n openshift-config "+kube.Mine+"; }"),
		"oc get configmap " + name + ` -n openshift-config -o jsonpath='{.data.ca-bundle\.crt}' > trusted-ca.crt`,
		page.Or(`[ -z "$(tail -c 1 trusted-ca.crt)" ]`, "echo >> trusted-ca.crt"),
		page.Or(`[ -z "$KEPT" ] || [ -n "$ONCE" ]`, "oc patch "+beforeAt+` --type=merge -p '{"data":{"`+handover.KeyBundle+`":"'"$NAME"'","`+handover.KeyBundleFound+`":"'"$FOUND"'","`+handover.KeyBundleSum+`":"'"$(cksum < trusted-ca.crt)"'"}}'`),
		notTrusted + file + " > missing-ca.crt",
		page.Or("[ ! -s missing-ca.crt ]", "{ "+keepAdded+"cat missing-ca.crt >> trusted-ca.crt && oc set data configmap/"+name+" -n openshift-config --from-file=ca-bundle.crt=trusted-ca.crt; }"),
		page.Or(`[ -n "$NAME" ]`, "oc patch "+trust.ProxyObject+` --type=merge -p '{"spec":{"trustedCA":{"name":"`+ownBundle+`"}}}'`),
	}
}

// keepAdded notes what is added, beside what earlier runs added.
const keepAdded = `{ [ -z "$KEPT" ] || { oc get ` + beforeAt + " -o jsonpath='{.data." + handover.KeyBundleAdded + "}' > added-ca.crt && cat missing-ca.crt >> added-ca.crt && oc set data " + beforeAt + " --from-file=" + handover.KeyBundleAdded + "=added-ca.crt; }; } && "

// RestoreTrusted takes out of what the whole cluster trusts what satchel added, and nothing else:
// the proxy settings name no bundle again only if nobody changed it since.
func (w *Way) RestoreTrusted(p *page.Page) {
	if w.Hosted() || len(w.Images) == 0 {
		return
	}
	p.Step("What the whole cluster trusts: only if the mirror goes away")
	p.Text("For nodes that are added later, or for an update service, satchel's pages added authorities to those that the cluster's proxy settings name (trustedCA). The commands take those out again, and leave all others. If trustedCA named nothing before satchel, and nobody has added anything since, it names nothing again. The ConfigMap `%s` goes only if satchel made it and nothing is left in it. If satchel added nothing, nothing changes.", ownBundle)
	w.Trust.PageTrusted(p)
	const at = `configmap "$BUNDLE" -n openshift-config`
	p.Run(page.Chain(
		handover.ReadBefore("SUM", handover.KeyBundleSum),
		handover.ReadBefore("NAMED", handover.KeyBundle),
		handover.ReadBefore("FOUND", handover.KeyBundleFound),
		`BUNDLE="${NAMED:-`+ownBundle+`}"`,
		"NOW=$(oc get "+trust.ProxyObject+" -o jsonpath='{.spec.trustedCA.name}')",
		"IS=$(oc get "+at+" --ignore-not-found -o name)",
		`if [ -n "$SUM" ] && [ -n "$IS" ]; then
oc get `+at+` -o jsonpath='{.data.ca-bundle\.crt}' > trusted-ca.crt &&
oc get `+beforeAt+` -o jsonpath='{.data.`+handover.KeyBundleAdded+`}' > added-ca.crt &&
`+withoutAdded+` > less-ca.crt &&
`+page.Or(`[ -n "$NAMED" ] || [ "$NOW" != "$BUNDLE" ] || [ "$(cksum < less-ca.crt)" != "$SUM" ]`, "oc patch "+trust.ProxyObject+` --type=merge -p '{"spec":{"trustedCA":null}}'`)+` &&
if [ -s less-ca.crt ] || [ -n "$FOUND" ]; then
`+page.Or("cmp -s less-ca.crt trusted-ca.crt", "oc set data configmap/\"$BUNDLE\" -n openshift-config --from-file=ca-bundle.crt=less-ca.crt")+` &&
`+page.Or(`[ -n "$FOUND" ]`, "oc label "+at+" "+kube.ManagedBy+"-")+`
else
oc patch `+at+` --type=merge -p '{"data":{"ca-bundle.crt":null}}' &&
LEFT=$(oc get `+at+` -o jsonpath='{.data}{.binaryData}') &&
case "$LEFT" in ""|"{}"|"map[]") oc delete `+at+` ;; esac
fi
fi`,
	)...)
}

// withoutAdded prints the certificates of trusted-ca.crt, and what stands between them, without
// those of added-ca.crt.
const withoutAdded = `awk '/-BEGIN CERT/ { c = ""; in_c = 1 }
{ if (in_c) c = c $0 "\n"; else if (FILENAME != "added-ca.crt") print }
/-END CERT/ { in_c = 0; if (FILENAME == "added-ca.crt") gone[c] = 1; else if (!(c in gone)) printf "%s", c }' added-ca.crt trusted-ca.crt`
