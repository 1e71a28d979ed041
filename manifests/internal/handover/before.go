package handover

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/oci"
)

// The state before satchel is kept in the cluster itself, in one ConfigMap: it is found again
// whatever became of the directories of earlier runs, and nothing overwrites it.
const (
	BeforeName = "satchel-before"
	FileBefore = "satchel-before.yaml"
)

// Keys of that ConfigMap. A list of names is parted by spaces.
const (
	KeyTrustedCA   = "trusted-ca"           // the ConfigMap that image.config names; "" for none
	KeyTrustedKeys = "trusted-ca-keys"      // of that ConfigMap
	KeyInsecure    = "insecure-registries"  // of image.config, as JSON; "" for none
	KeyDefaultsOff = "default-catalogs-off" // "true", or "" where they are on
	KeySources     = "default-catalogs"     // sources of OperatorHub, as JSON; "" for none
	KeyServedOff   = "cluster-catalogs-off" // default ClusterCatalogs that were Unavailable
	KeyChartsOff   = "charts-off"           // default HelmChartRepositories that were disabled
	KeyNoProxy     = "no-proxy"             // of the cluster's proxy, as it was written
	KeyBundle      = "proxy-ca"             // the ConfigMap that the proxy names (trustedCA); "" for none
	KeyBundleFound = "proxy-ca-found"       // that ConfigMap, or user-ca-bundle; "" where there was none
	KeyBundleSum   = "proxy-ca-sum"         // cksum of its ca-bundle.crt; it is there once satchel changed something
	KeyBundleAdded = "proxy-ca-added"       // the certificates that satchel added to it, in any week
	KeyUpstream    = "upstream"             // of the ClusterVersion
	KeyChannel     = "channel"              // of the ClusterVersion
	KeyCut         = "cut"                  // "true" once the cluster was cut off: not of before, but of all weeks after
)

// Before is what is known of the state before satchel, by key. A key that is missing is not known.
type Before map[string]string

// Get gives one fact.
func (b Before) Get(key string) (value string, known bool) { value, known = b[key]; return }

// Insecure are the registries that nodes used without TLS.
func (b Before) Insecure() (list []string, known bool) {
	text, known := b[KeyInsecure]
	if text == "" {
		return nil, known
	}
	return list, json.Unmarshal([]byte(text), &list) == nil
}

// ReadBefore is a command that reads one fact into a variable; it fails where there is none.
func ReadBefore(variable, key string) string {
	return fmt.Sprintf("%s=$(oc get configmap %s -n openshift-config -o jsonpath='{.data.%s}')", variable, BeforeName, key)
}

// TellUnkept are lines of a chain that say that a list of what was off is not kept, as earlier versions
// of satchel kept none, and a sentence about that; nothing where it is known to be kept.
func (h *Handover) TellUnkept(key string) (sentence string, lines []string) {
	if _, known := h.Before.Get(key); known {
		return "", nil
	}
	return " If a line begins with NOTE, it is not known which were off, and all go on.", []string{
		"KEPT=$(oc get configmap " + BeforeName + " -n openshift-config -o yaml)",
		page.Or("echo \"$KEPT\" | grep -q '^  "+key+":'", "echo 'NOTE: "+BeforeName+" does not say which were off before satchel: all go on. Turn those off again that are to be off.'"),
	}
}

// KeptBefore reads the ConfigMap.
func (h *Handover) KeptBefore() (Before, bool) {
	one, ok := h.Present("ConfigMap", "openshift-config", BeforeName)
	if !ok {
		return nil, false
	}
	var cm kube.ConfigMap
	if err := json.Unmarshal(one.Body, &cm); err != nil {
		h.Note("the cluster's ConfigMap openshift-config/%s cannot be read: the way back is by the objects of today", BeforeName)
		return nil, false
	}
	return maps.Clone(Before(cm.Data)), true
}

// Read decodes an object of the whole cluster that it has.
func (h *Handover) Read(kind, name string, into any) bool {
	one, ok := h.Present(kind, "", name)
	return ok && json.Unmarshal(one.Body, into) == nil
}

// JSONList writes a list as JSON; "" for an empty one.
func JSONList(list []string) string {
	if len(list) == 0 {
		return ""
	}
	text, err := json.Marshal(list)
	if err != nil {
		return ""
	}
	return string(text)
}

// IsHost reports whether a name is a host that nodes pull from.
func (h *Handover) IsHost(name string) bool { return slices.Contains(h.Hosts(), name) }

// Hosts are those that nodes pull from, each once.
func (h *Handover) Hosts() (list []string) {
	for _, m := range h.Mirrors() {
		if !slices.Contains(list, m.Host) {
			list = append(list, m.Host)
		}
	}
	return list
}

// WithoutMirror takes hosts that nodes pull from out of a noProxy, where satchel has been before.
func (h *Handover) WithoutMirror(noProxy string) string {
	if !h.Applied() {
		return noProxy
	}
	parts := strings.Split(noProxy, ",")
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool {
		return slices.ContainsFunc(h.Hosts(), func(h string) bool { return strings.TrimSpace(s) == ProxyHost(h) })
	}), ",")
}

// Marketplaces reports whether the cluster makes a CatalogSource itself (operator-marketplace,
// pkg/operatorhub).
func Marketplaces(o cluster.Object) bool {
	return IsDefault(o.Name) && bytes.Contains(o.Body, []byte(`"marketplace-operator"`))
}

// OwnCatalog reports whether satchel made a CatalogSource: by its label, or, of earlier versions,
// by an image of the mirror that is named by digest, as no other tool names it.
func (h *Handover) OwnCatalog(o cluster.Object) bool {
	if Ours(o) {
		return true
	}
	var in site.PresentCatalog
	if json.Unmarshal(o.Body, &in) != nil || strings.HasPrefix(o.Name, "cs-") || Marketplaces(o) {
		return false
	}
	ref, err := oci.ParseRef(in.Spec.Image)
	return err == nil && ref.Digest != "" && Within(ref.Name(), h.MirrorNames())
}

// MirrorNames are the addresses that nodes pull from, each HOST[:PORT][/NAMESPACE].
func (h *Handover) MirrorNames() (list []string) {
	for _, m := range append(h.Mirrors(), h.Site.Mirror) {
		list = append(list, m.String())
	}
	return list
}

const (
	BeforeImage    = "before-image-config.yaml"
	BeforeHub      = "before-operatorhub.yaml"
	BeforeCatalogs = "before-catalogsources.yaml"
)

// NotEarlier are the lines of a chain that stop where satchel's rules are there and the ConfigMap is not.
func NotEarlier() []string {
	return []string{
		"CRDS=$(oc get crd -o name)",
		"RULES=$(oc get imagecontentsourcepolicy -o name)",
		"case $CRDS in *imagedigestmirrorsets.config.openshift.io*) SETS=$(oc get imagedigestmirrorset -o name) ;; *) SETS= ;; esac",
		page.Or(`[ -n "$BEFORE" ]`, `case "$RULES $SETS" in */satchel-release-*|*/satchel-operator-*|*/satchel-generic-*) echo 'satchel was here before'; false ;; esac`),
	}
}

// LookPools are commands that show of each pool of nodes whether it is paused, and whether its nodes
// have all that it is to give them.
func (h *Handover) LookPools() []string {
	const condition = `.status.conditions[?(@.type=="%s")].status`
	if h.Hosted() {
		columns := "NAME:.metadata.name,CLUSTER:.spec.clusterName,PAUSED:.spec.pausedUntil,UPDATINGVERSION:" + fmt.Sprintf(condition, "UpdatingVersion") + ",UPDATINGCONFIG:" + fmt.Sprintf(condition, "UpdatingConfig")
		return append(h.HostedPlace().Read, `oc get nodepool -n "$SPACE" -o custom-columns='`+columns+"'")
	}
	return []string{"oc get mcp -o custom-columns='NAME:.metadata.name,PAUSED:.spec.paused,UPDATED:" + fmt.Sprintf(condition, "Updated") + ",DEGRADED:" + fmt.Sprintf(condition, "Degraded") + "'"}
}

// GoodPools says what [Handover.LookPools] must print.
func (h *Handover) GoodPools() string {
	if h.Hosted() {
		return "In each line of this cluster, PAUSED must be `<none>`, and neither UPDATINGVERSION nor UPDATINGCONFIG may be True."
	}
	return "In each line, PAUSED must not be true, and UPDATED must be True."
}

// PausedPools lists the pools that are known to be paused.
func (h *Handover) PausedPools() (names []string) {
	for _, o := range h.Site.Cluster.Of("MachineConfigPool") {
		var pool struct {
			Spec struct {
				Paused bool `json:"paused"`
			} `json:"spec"`
		}
		if json.Unmarshal(o.Body, &pool) == nil && pool.Spec.Paused {
			names = append(names, page.Markdown(o.Name))
		}
	}
	return names
}
