package emit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
)

// ownCA reports whether satchel made the ConfigMap that the cluster has: it has the name that
// satchel gives it, and only authorities that satchel writes.
func (e *emission) ownCA() bool {
	ca := e.site.PresentCA
	if ca == nil || ca.Name != registryCAName || len(ca.Data)+len(ca.BinaryData) == 0 {
		return false
	}
	ours := []string{updateServiceKey}
	for _, host := range append(e.hosts(), e.site.Mirror.Host) {
		if key, err := caKey(host); err == nil {
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

// restoreCA is the way back of the authorities.
func (e *emission) restoreCA(p *page.Page) {
	if !e.ca.held || e.hosted() {
		return
	}
	p.Step("The mirror's certificate authorities: only if the mirror goes away")
	p.Text("They do no harm. Remove them only when nothing in the cluster uses the mirror any more. The following must print nothing:")
	var hosts string
	for _, host := range e.hosts() {
		hosts += " -e " + page.Shell(host+"/")
	}
	p.Run(
		"oc get clusterversion version -o jsonpath='{.status.desired.image}{\"\\n\"}' | grep -F"+hosts,
		"oc get pods -A -o jsonpath='{..image}' | tr ' ' '\\n' | grep -F"+hosts+" | sort -u",
	)
	name, known := e.before.get(keyTrustedCA)
	switch {
	case !known:
		e.restoreUnknownCA(p)
	case name == "":
		p.Text("image.config named no ConfigMap before satchel. This deletes the ConfigMap %s if satchel made it. If somebody has added another registry to it since, do not run it.", e.ca.name)
		p.Run("oc patch image.config.openshift.io/cluster --type=merge --patch-file "+fileImageRestore, "oc delete configmap -n openshift-config -l "+kube.Mine+" --field-selector metadata.name="+e.ca.name)
	default:
		p.Text("image.config named the ConfigMap %s before satchel, and names it again. Only the mirror's keys are removed from it.", name)
		lines := []string{"oc patch image.config.openshift.io/cluster --type=merge --patch-file " + fileImageRestore}
		if len(e.addedKeys()) > 0 {
			lines = slices.Insert(lines, 0, e.removeCAKeys(name))
		}
		p.Run(lines...)
	}
}

// addedKeys are the mirror's keys that the ConfigMap did not have before.
func (e *emission) addedKeys() []string {
	had := strings.Fields(e.before[keyTrustedKeys])
	return slices.DeleteFunc(slices.Clone(e.ca.keys), func(key string) bool { return slices.Contains(had, key) })
}

// removeCAKeys takes the mirror's keys out of a ConfigMap, and no other: null in a merge patch.
func (e *emission) removeCAKeys(name string) string {
	var keys []string
	for _, key := range e.addedKeys() {
		keys = append(keys, fmt.Sprintf("%q:null", key))
	}
	return fmt.Sprintf("oc patch configmap %s -n openshift-config --type=merge -p '{\"data\":{%s}}'", name, strings.Join(keys, ","))
}

// restoreUnknownCA reads in the cluster what it was before.
func (e *emission) restoreUnknownCA(p *page.Page) {
	p.Text("CA is the ConfigMap that image.config named before satchel, or nothing. Then %s is deleted if satchel made it. If somebody has added another registry to that one since, run only the first two commands.", e.ca.name)
	p.Run(
		readBefore("CA", keyTrustedCA)+" || CA="+e.ca.name,
		e.removeCAKeys(`"${CA:-`+e.ca.name+`}"`),
		`[ "$CA" = `+e.ca.name+` ] || oc patch image.config.openshift.io/cluster --type=merge -p "{\"spec\":{\"additionalTrustedCA\":{\"name\":\"$CA\"}}}"`,
		`[ -n "$CA" ] || oc delete configmap -n openshift-config -l `+kube.Mine+` --field-selector metadata.name=`+e.ca.name,
	)
}
