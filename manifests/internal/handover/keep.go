package handover

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
	KeyCatalog   = "catalogsource-"    // and NAME.yaml: a CatalogSource of openshift-marketplace
	KeyRules     = "rules-"            // and KIND-NAME.yaml: an object with rules
	KeyExtension = "clusterextension-" // and NAME: the selector of a ClusterExtension, as JSON
	KeySource    = "subscription-"     // and NAMESPACE.NAME: the catalog of a Subscription
	KeyFollows   = "channel-"          // and NAMESPACE.NAME: the channel of a Subscription
	KeyTrusted   = "trusted-ca-was-"   // and KEY: what others had under it in the ConfigMap of authorities

	// DirKept has the ConfigMap's values as files, once the way back was begun.
	DirKept = "restore/before"
	// TheirsAlone selects objects that satchel did not make.
	TheirsAlone = "'" + kube.ManagedBy + "!=" + kube.Satchel + "'"
)

// keepFunction is a function of the shell: keep KEY COMMAND... saves what the command prints, and
// fails where that is neither kept nor was before. The API server wants an object that is created
// again without its version and ID.
func keepFunction() []string {
	const at = "configmap/" + BeforeName + " -n openshift-config"
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

// WithKeep puts the function before commands that use it.
func WithKeep(lines ...string) []string { return append(keepFunction(), lines...) }

// KeepObject keeps an object whole; namespace is "" for those of the whole cluster.
func KeepObject(resource, namespace, name string) string {
	prefix := ""
	if isRules(resource) {
		prefix = KeyRules
	}
	if namespace != "" {
		namespace = " -n " + namespace
	}
	return fmt.Sprintf("keep %s%s-%s.yaml oc get %[2]s/%[3]s%s -o yaml", prefix, resource, name, namespace)
}

func isRules(resource string) bool {
	for _, kind := range RuleKinds {
		if resource == strings.ToLower(string(kind)) {
			return true
		}
	}
	return false
}

// CreateAgain creates what was kept and is not there.
func CreateAgain(keys ...string) string {
	var globs []string
	for _, key := range keys {
		globs = append(globs, DirKept+"/"+key+"*.yaml")
	}
	return "for f in " + strings.Join(globs, " ") + `; do [ ! -s "$f" ] || [ -n "$(oc get -f "$f" --ignore-not-found -o name)" ] || oc create -f "$f"; done`
}

// Whose says who made an object, as far as that shows.
func Whose(o cluster.Object) string {
	switch {
	case Ours(o):
		return "satchel made it"
	case strings.HasPrefix(o.Name, "cs-"), strings.HasPrefix(o.Name, "cc-"), bytes.Contains(o.Body, []byte(`"createdBy":"oc-mirror`)):
		return "oc-mirror made it, as its name or annotation says"
	}
	if by := o.Labels[kube.ManagedBy]; by != "" {
		return "made by " + page.Code([]string{page.Markdown(by)})
	}
	return "satchel did not make it, and does not know who did"
}

// ToolText says the same of objects with rules.
func ToolText(o rules.Other) string {
	if o.Tool == "" {
		return "satchel does not know who made it"
	}
	return string(o.Tool) + " made it"
}
