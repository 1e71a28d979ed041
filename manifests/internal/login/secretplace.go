package login

import (
	"fmt"

	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
)

// secretPlace is where the pull secret is changed. name and namespace are words of a shell.
type secretPlace struct {
	read            []string // commands that come first in each block
	name, namespace string
	before          string // the Secret beside it that keeps what it was before satchel
}

// pullSecretPlace finds the Secret. That of a hosted cluster is overwritten from the one that its
// HostedCluster names, on the management cluster (openshift/hypershift, hosted-cluster-config-operator).
func (l *Login) pullSecretPlace() secretPlace {
	at := secretPlace{name: "pull-secret", namespace: "openshift-config", before: beforeSecretName}
	if !l.Hosted() {
		return at
	}
	filter, id := l.HostedIs()
	const find = "%s=$(oc get hostedclusters -A -o jsonpath='{.items[?(@.%s)].%s}')"
	at.read = []string{fmt.Sprintf(find, "NAME", filter, "spec.pullSecret.name"), fmt.Sprintf(find, "NAMESPACE", filter, "metadata.namespace")}
	at.name, at.namespace, at.before = `"$NAME"`, `"$NAMESPACE"`, beforeSecretName+"-"+id
	return at
}

// where says on which cluster the commands are for, where it is another one.
func (l *Login) where(p *page.Page) {
	if l.Hosted() {
		p.Text("This is a hosted cluster. Its pull secret is written over from the one that its HostedCluster names, so the commands of this step are for the management cluster: log in there, and come back to this cluster afterwards. If they name no Secret, the HostedCluster is not on that cluster.")
	}
}

// extract saves the pull secret.
func (s secretPlace) extract(file string) string {
	return "(umask 077; oc extract secret/" + s.name + " -n " + s.namespace + " --to=- > " + file + ")"
}

// set replaces the pull secret.
func (s secretPlace) set(file string) string {
	return "oc set data secret/" + s.name + " -n " + s.namespace + " --from-file=.dockerconfigjson=" + file
}

// keep saves the pull secret in the cluster, once, where there is an edited copy of it.
func (s secretPlace) keep() []string {
	object := "secret/" + s.before + " -n " + s.namespace
	return []string{
		"[ -s " + secretNew + " ]",
		"KEPT=$(oc get " + object + " --ignore-not-found -o name)",
		page.Or(`[ -n "$KEPT" ]`, "oc create secret generic "+s.before+" -n "+s.namespace+" --from-file="+beforeSecretKey+"="+SecretNow),
		"oc label " + object + " --overwrite " + kube.ManagedBy + "=" + kube.Satchel,
	}
}
