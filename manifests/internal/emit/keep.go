package emit

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
)

// What of others is changed, replaced or deleted in any week is kept in the ConfigMap of the state
// before satchel, by commands of the same block, from what the cluster has at that moment. The
// first copy counts: what is there is never written over.
const (
	keyCatalog   = "catalogsource-"    // and NAME.yaml: a CatalogSource of openshift-marketplace
	keyRules     = "rules-"            // and KIND-NAME.yaml: an object with rules
	keyExtension = "clusterextension-" // and NAME: the selector of a ClusterExtension, as JSON
	keySource    = "subscription-"     // and NAMESPACE.NAME: the catalog of a Subscription
	keyFollows   = "channel-"          // and NAMESPACE.NAME: the channel of a Subscription

	// dirKept has the ConfigMap's values as files, once the way back was begun.
	dirKept = "restore/before"
	// theirsAlone selects objects that satchel did not make.
	theirsAlone = "'" + kube.ManagedBy + "!=" + kube.Satchel + "'"
)

// keepFunction is a function of the shell: keep KEY COMMAND... saves what the command prints, and
// fails where that is neither kept nor was before. The API server wants an object that is created
// again without its version and ID.
func keepFunction() []string {
	const at = "configmap/" + beforeName + " -n openshift-config"
	return []string{
		"keep() {",
		"  KEPT=$(oc get " + at + " -o yaml) || return",
		`  if echo "$KEPT" | grep -q "^  $1: "; then return; fi`,
		"  mkdir -p before",
		`  "${@:2}" | sed -e '/^  resourceVersion: /d' -e '/^  uid: /d' > "before/$1"`,
		`  [ -s "before/$1" ] && oc set data ` + at + ` --from-file="$1=before/$1"`,
		"}",
	}
}

// withKeep puts the function before commands that use it.
func withKeep(lines ...string) []string { return append(keepFunction(), lines...) }

// keepObject keeps an object whole; namespace is "" for those of the whole cluster.
func keepObject(resource, namespace, name string) string {
	prefix := ""
	if isRules(resource) {
		prefix = keyRules
	}
	if namespace != "" {
		namespace = " -n " + namespace
	}
	return fmt.Sprintf("keep %s%s-%s.yaml oc get %[2]s/%[3]s%s -o yaml", prefix, resource, name, namespace)
}

func isRules(resource string) bool {
	for _, kind := range ruleKinds {
		if resource == strings.ToLower(string(kind)) {
			return true
		}
	}
	return false
}

// createAgain creates what was kept and is not there.
func createAgain(keys ...string) string {
	var globs []string
	for _, key := range keys {
		globs = append(globs, dirKept+"/"+key+"*.yaml")
	}
	return "for f in " + strings.Join(globs, " ") + `; do [ ! -s "$f" ] || [ -n "$(oc get -f "$f" --ignore-not-found -o name)" ] || oc create -f "$f"; done`
}

// whose says who made an object, as far as that shows.
func whose(o cluster.Object) string {
	switch {
	case ours(o):
		return "satchel made it"
	case strings.HasPrefix(o.Name, "cs-"), strings.HasPrefix(o.Name, "cc-"), bytes.Contains(o.Body, []byte(`"createdBy":"oc-mirror`)):
		return "oc-mirror made it, as its name or annotation says"
	}
	if by := o.Labels[kube.ManagedBy]; by != "" {
		return "made by " + page.Code([]string{page.Markdown(by)})
	}
	return "satchel did not make it, and does not know who did"
}

// toolText says the same of objects with rules.
func toolText(o rules.Other) string {
	if o.Tool == "" {
		return "satchel does not know who made it"
	}
	return string(o.Tool) + " made it"
}
