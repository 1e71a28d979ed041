package trust

import (
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
)

// OwnCA reports whether satchel made the ConfigMap that the cluster has: it has the name that
// satchel gives it, and only authorities that satchel writes.
func (t *Trust) OwnCA() bool {
	ca := t.Site.PresentCA
	if ca == nil || ca.Name != RegistryCAName || len(ca.Data)+len(ca.BinaryData) == 0 {
		return false
	}
	ours := []string{handover.UpdateServiceKey}
	for _, host := range append(t.Hosts(), t.Site.Mirror.Host) {
		if key, err := CAKey(host); err == nil {
			ours = append(ours, key)
		}
	}
	for key := range ca.Data {
		if !slices.Contains(ours, key) {
			return false
		}
	}
	for key := range ca.BinaryData {
		if !slices.Contains(ours, key) {
			return false
		}
	}
	return true
}

// RestoreCA is the way back of the authorities.
func (t *Trust) RestoreCA(p *page.Page) {
	if !t.CA.held || t.Hosted() {
		return
	}
	p.Step("The mirror's certificate authorities: only if the mirror goes away")
	p.Text("They do no harm. Remove them only when nothing in the cluster uses the mirror any more. The following must print nothing:")
	var hosts string
	for _, host := range t.Hosts() {
		hosts += " -e " + page.Shell(host+"/")
	}
	p.Run(
		"oc get clusterversion version -o jsonpath='{.status.desired.image}{\"\\n\"}' | grep -F"+hosts,
		"oc get pods -A -o jsonpath='{..image}' | tr ' ' '\\n' | grep -F"+hosts+" | sort -u",
	)
	p.Text("The mirror's keys are removed from the ConfigMap that image.config names now. Keys that it had before satchel are not removed: they get their own authorities back. Only if nothing is left in it, and image.config named another one before, or none, it names that again, and the empty one is deleted.")
	const config = "image.config.openshift.io/cluster"
	remove := "( for key in " + strings.Join(t.restoredKeys(), " ") + `; do
  case " $KEYS " in *" $key "*)
    WAS=` + handover.DirKept + "/" + handover.KeyTrusted + `$key
    [ -z "$NOW" ] || [ ! -s "$WAS" ] || oc set data configmap/"$NOW" -n openshift-config --from-file="$key=$WAS" || exit 1
    continue ;;
  esac
  [ -z "$NOW" ] || oc patch configmap "$NOW" -n openshift-config --type=merge -p '{"data":{"'"$key"'":null}}' || exit 1
done )`
	back := `case "$LEFT" in ""|"{}"|"map[]")
  if [ -z "$CA" ]; then NAME=null; else NAME="{\"name\":\"$CA\"}"; fi
  oc patch ` + config + ` --type=merge -p "{\"spec\":{\"additionalTrustedCA\":$NAME}}" && oc delete configmap "$NOW" -n openshift-config ;;
esac`
	p.Run(page.Chain(
		"NOW=$(oc get "+config+" -o jsonpath='{.spec.additionalTrustedCA.name}')",
		handover.ReadBefore("CA", handover.KeyTrustedCA),
		handover.ReadBefore("KEYS", handover.KeyTrustedKeys),
		page.Or(`[ "$CA" = "$NOW" ]`, `KEYS=""`),
		remove,
		`if [ -n "$NOW" ] && [ "$NOW" != "$CA" ]; then LEFT=$(oc get configmap "$NOW" -n openshift-config -o jsonpath='{.data}{.binaryData}') && `+back+"; fi",
	)...)
}

// restoredKeys are those that satchel may have put into the ConfigMap in any week.
func (t *Trust) restoredKeys() []string {
	return slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(t.CA.Keys), handover.UpdateServiceKey))))
}
