package emit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// The state before satchel is kept in the cluster itself, in one ConfigMap: it is found again
// whatever became of the directories of earlier runs, and nothing overwrites it.
const (
	beforeName = "satchel-before"
	fileBefore = "satchel-before.yaml"
)

// Keys of that ConfigMap. A list of names is parted by spaces.
const (
	keyTrustedCA   = "trusted-ca"           // the ConfigMap that image.config names; "" for none
	keyTrustedKeys = "trusted-ca-keys"      // of that ConfigMap
	keyInsecure    = "insecure-registries"  // of image.config, as JSON; "" for none
	keyDefaultsOff = "default-catalogs-off" // "true", or "" where they are on
	keySources     = "default-catalogs"     // sources of OperatorHub, as JSON; "" for none
	keyNoProxy     = "no-proxy"             // of the cluster's proxy, as it was written
	keyUpstream    = "upstream"             // of the ClusterVersion
	keyChannel     = "channel"              // of the ClusterVersion
	keyCatalogs    = "catalogsources"       // names in openshift-marketplace
	keyCatalog     = "catalogsource-"       // and NAME.yaml: one of them, as it was
	keyCut         = "cut"                  // "true" once the cluster was cut off: not of before, but of all weeks after
	keyRules       = "rules-"               // and KIND-NAME.yaml: rules of others that satchel makes superfluous
)

// before is what is known of the state before satchel, by key. A key that is missing is not known.
type before map[string]string

// get gives one fact.
func (b before) get(key string) (value string, known bool) { value, known = b[key]; return }

// insecure are the registries that nodes used without TLS.
func (b before) insecure() (list []string, known bool) {
	text, known := b[keyInsecure]
	if text == "" {
		return nil, known
	}
	return list, json.Unmarshal([]byte(text), &list) == nil
}

// readBefore is a command that reads one fact into a variable; it fails where there is none.
func readBefore(variable, key string) string {
	return fmt.Sprintf("%s=$(oc get configmap %s -n openshift-config -o jsonpath='{.data.%s}')", variable, beforeName, key)
}

// emitBefore writes the ConfigMap, where all of it is known and the cluster does not have it yet.
func (e *emission) emitBefore() error {
	e.before = e.stateBefore()
	if _, ok := e.present("ConfigMap", "openshift-config", beforeName); ok {
		return nil
	}
	cm := kube.ConfigMap{Object: kube.Ours("v1", "ConfigMap", beforeName, "openshift-config"), Data: map[string]string{}}
	size := 0
	for _, key := range []string{keyTrustedCA, keyInsecure, keyDefaultsOff, keySources, keyNoProxy, keyUpstream, keyChannel, keyCatalogs} {
		value, known := e.before.get(key)
		if !known {
			return nil
		}
		cm.Data[key], size = value, size+len(value)
	}
	for _, key := range slices.Sorted(maps.Keys(e.before)) {
		if _, ok := cm.Data[key]; ok {
			continue
		}
		if size += len(e.before[key]); size > rules.MaxBytes {
			e.note("what the cluster has is too large for the ConfigMap %s: the copies of step 1 have the rest", beforeName)
			break
		}
		cm.Data[key] = e.before[key]
	}
	return e.addObject(fileBefore, modePublic, cm)
}

// stateBefore finds what is known: the ConfigMap has it, or the cluster's objects have, less what
// satchel made of them.
func (e *emission) stateBefore() before {
	if kept, ok := e.keptBefore(); ok {
		return kept
	}
	b := before{}
	if img := e.site.PresentImage; img != nil {
		b[keyTrustedCA] = img.TrustedCA
		if e.ownCA() {
			b[keyTrustedCA] = ""
		}
		if ca := e.site.PresentCA; ca != nil && !e.applied() {
			b[keyTrustedKeys] = strings.Join(slices.Sorted(maps.Keys(ca.Data)), " ")
		}
		b[keyInsecure] = jsonList(slices.DeleteFunc(slices.Clone(img.Sources.Insecure), func(s string) bool { return e.applied() && e.isHost(s) }))
	} else if ca := e.site.PresentCA; ca != nil && !e.ownCA() {
		b[keyTrustedCA] = ca.Name
	}
	var spec struct {
		Spec struct {
			Off      bool            `json:"disableAllDefaultSources"`
			Sources  json.RawMessage `json:"sources"`
			NoProxy  string          `json:"noProxy"`
			Upstream string          `json:"upstream"`
			Channel  string          `json:"channel"`
		} `json:"spec"`
	}
	if e.read("OperatorHub", "cluster", &spec) {
		b[keyDefaultsOff], b[keySources] = "", string(spec.Spec.Sources)
		if spec.Spec.Off && !e.applied() { // else satchel has done that
			b[keyDefaultsOff] = strconv.FormatBool(true)
		}
	}
	if e.read("Proxy", "cluster", &spec) {
		b[keyNoProxy] = e.withoutMirror(spec.Spec.NoProxy)
	}
	if e.read("ClusterVersion", "version", &spec) {
		b[keyUpstream], b[keyChannel] = spec.Spec.Upstream, spec.Spec.Channel
	}
	e.catalogsBefore(b)
	e.rulesBefore(b)
	return b
}

// keptBefore reads the ConfigMap.
func (e *emission) keptBefore() (before, bool) {
	one, ok := e.present("ConfigMap", "openshift-config", beforeName)
	if !ok {
		return nil, false
	}
	var cm kube.ConfigMap
	if err := json.Unmarshal(one.Body, &cm); err != nil {
		e.note("the cluster's ConfigMap openshift-config/%s cannot be read: the way back is by the objects of today", beforeName)
		return nil, false
	}
	return maps.Clone(before(cm.Data)), true
}

// read decodes an object of the whole cluster that it has.
func (e *emission) read(kind, name string, into any) bool {
	one, ok := e.present(kind, "", name)
	return ok && json.Unmarshal(one.Body, into) == nil
}

func jsonList(list []string) string {
	if len(list) == 0 {
		return ""
	}
	text, err := json.Marshal(list)
	if err != nil {
		return ""
	}
	return string(text)
}

// isHost reports whether a name is a host that nodes pull from.
func (e *emission) isHost(name string) bool { return slices.Contains(e.hosts(), name) }

// hosts are those that nodes pull from, each once.
func (e *emission) hosts() (list []string) {
	for _, m := range e.mirrors() {
		if !slices.Contains(list, m.Host) {
			list = append(list, m.Host)
		}
	}
	return list
}

// withoutMirror takes hosts that nodes pull from out of a noProxy, where satchel has been before.
func (e *emission) withoutMirror(noProxy string) string {
	if !e.applied() {
		return noProxy
	}
	parts := strings.Split(noProxy, ",")
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool {
		return slices.ContainsFunc(e.hosts(), func(h string) bool { return strings.TrimSpace(s) == proxyHost(h) })
	}), ",")
}

// catalogsBefore adds the CatalogSources that are not satchel's.
func (e *emission) catalogsBefore(b before) {
	if !e.site.Cluster.Known("CatalogSource") {
		return
	}
	var names []string
	for _, o := range e.site.Cluster.Of("CatalogSource") {
		if o.Namespace != "openshift-marketplace" || e.ownCatalog(o) {
			continue
		}
		names = append(names, o.Name)
		if !marketplaces(o) { // the cluster makes those itself
			b[keyCatalog+o.Name+".yaml"] = clean(o)
		}
	}
	b[keyCatalogs] = strings.Join(names, " ")
}

// marketplaces reports whether the cluster makes a CatalogSource itself (operator-marketplace,
// pkg/operatorhub).
func marketplaces(o cluster.Object) bool {
	return isDefault(o.Name) && bytes.Contains(o.Body, []byte(`"marketplace-operator"`))
}

// ownCatalog reports whether satchel made a CatalogSource: by its label, or, of earlier versions,
// by an image of the mirror that is named by digest, as no other tool names it.
func (e *emission) ownCatalog(o cluster.Object) bool {
	if ours(o) {
		return true
	}
	var in presentCatalog
	if json.Unmarshal(o.Body, &in) != nil || strings.HasPrefix(o.Name, "cs-") || marketplaces(o) {
		return false
	}
	ref, err := oci.ParseRef(in.Spec.Image)
	return err == nil && ref.Digest != "" && within(ref.Name(), e.mirrorNames())
}

// mirrorNames are the addresses that nodes pull from, each HOST[:PORT][/NAMESPACE].
func (e *emission) mirrorNames() (list []string) {
	for _, m := range append(e.mirrors(), e.site.Mirror) {
		list = append(list, m.String())
	}
	return list
}

// rulesBefore adds the rules that this run lists for deletion and satchel did not write.
func (e *emission) rulesBefore(b before) {
	for _, o := range e.deleted() {
		if one, ok := e.present(string(o.Kind), "", o.Name); ok && o.Tool != rules.Satchel {
			b[keyRules+strings.ToLower(string(o.Kind))+"-"+o.Name+".yaml"] = clean(one)
		}
	}
}

// clean is an object as it can be created again, without what the API server writes.
func clean(o cluster.Object) string {
	var all struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   struct {
			Name        string            `json:"name"`
			Namespace   string            `json:"namespace,omitempty"`
			Labels      map[string]string `json:"labels,omitempty"`
			Annotations map[string]string `json:"annotations,omitempty"`
		} `json:"metadata"`
		Spec       map[string]any    `json:"spec,omitempty"`
		Data       map[string]string `json:"data,omitempty"`
		BinaryData map[string]string `json:"binaryData,omitempty"`
	}
	if json.Unmarshal(o.Body, &all) != nil {
		return ""
	}
	delete(all.Metadata.Annotations, "kubectl.kubernetes.io/last-applied-configuration")
	text, err := yaml.Marshal(all)
	if err != nil {
		return ""
	}
	return string(text)
}

// stepBefore saves what the cluster was before satchel, once.
func (e *emission) stepBefore(p *page.Page) {
	p.Step("Check the cluster and save its configuration")
	p.Text("Every node must be Ready, every pool Updated and not paused (a paused pool gets no rules, no authorities and no pull secret before it is resumed), and no operator degraded.")
	kinds := "clusterversion,clusteroperators,nodes,machineconfigpools"
	if e.hosted() {
		kinds = "clusterversion,clusteroperators,nodes"
	}
	p.Run("oc get " + kinds)
	e.pagePaused(p)
	if _, ok := e.present("ConfigMap", "openshift-config", beforeName); ok {
		p.Nothing("the copy of what the cluster was before satchel")
		return
	}
	p.Text("The way back (%s) must know what the cluster was before satchel. The ConfigMap openshift-config/%s keeps that. It is made by the first run, and no later run changes it; nor is a copy overwritten that is in this directory already.", fileRestore, beforeName)
	create := []string{"oc create -f " + fileBefore}
	if !e.has(fileBefore) {
		create = createBefore()
	}
	all := strings.Join(append(e.saves(), strings.Join(create, " &&\n")), "\n")
	p.Run(page.Chain(
		"BEFORE=$(oc get configmap "+beforeName+" -n openshift-config --ignore-not-found -o name)",
		`if [ -z "$BEFORE" ]; then`+"\n"+all+"\nfi",
	)...)
	if !e.site.Cluster.Known("ImageDigestMirrorSet") {
		p.Text("Clusters before 4.13 do not have ImageDigestMirrorSet and ImageTagMirrorSet. An error about that does no harm.")
	}
}

const (
	beforeImage    = "before-image-config.yaml"
	beforeHub      = "before-operatorhub.yaml"
	beforeCatalogs = "before-catalogsources.yaml"
)

// saves are commands that make copies for a person to look at.
func (e *emission) saves() []string {
	return []string{
		save("image.config.openshift.io/cluster", beforeImage),
		save("operatorhub.config.openshift.io/cluster", beforeHub),
		save("catalogsource -n openshift-marketplace", beforeCatalogs),
		save("imagecontentsourcepolicy", "before-icsp.yaml"),
		save("imagedigestmirrorset,imagetagmirrorset", "before-idms-itms.yaml") + " || true",
	}
}

// save is a command that saves a resource and never overwrites an older copy.
func save(resource, file string) string {
	return fmt.Sprintf("[ -s %s ] || oc get %s -o yaml > %[1]s", file, resource)
}

// createBefore are the lines of a chain that read what the cluster is and make the ConfigMap, only
// if all of it was read: no later run changes it. A cluster without the marketplace has neither
// OperatorHub nor CatalogSources.
func createBefore() (lines []string) {
	var literals []string
	name := func(key string) string { return "WAS_" + strings.ToUpper(strings.ReplaceAll(key, "-", "_")) }
	read := func(key, resource, path string) string {
		literals = append(literals, "--from-literal="+key+`="$`+name(key)+`"`)
		return fmt.Sprintf("%s=$(oc get %s -o jsonpath='{%s}')", name(key), resource, path)
	}
	lines = []string{
		read(keyTrustedCA, "image.config.openshift.io/cluster", ".spec.additionalTrustedCA.name"),
		read(keyInsecure, "image.config.openshift.io/cluster", ".spec.registrySources.insecureRegistries"),
		read(keyNoProxy, "proxy.config.openshift.io/cluster", ".spec.noProxy"),
		read(keyUpstream, "clusterversion version", ".spec.upstream"),
		read(keyChannel, "clusterversion version", ".spec.channel"),
		"CRDS=$(oc get crd -o name)",
	}
	optional := func(crd, key, resource, path string) {
		lines = append(lines, fmt.Sprintf(`case $CRDS in *%s*) %s ;; *) %s= ;; esac`, crd, read(key, resource, path), name(key)))
	}
	const hub = "operatorhubs.config.openshift.io"
	optional(hub, keyDefaultsOff, "operatorhub.config.openshift.io/cluster", ".spec.disableAllDefaultSources")
	optional(hub, keySources, "operatorhub.config.openshift.io/cluster", ".spec.sources")
	optional("catalogsources.operators.coreos.com", keyCatalogs, "catalogsource -n openshift-marketplace", ".items[*].metadata.name")
	return append(lines,
		"oc create configmap "+beforeName+" -n openshift-config "+strings.Join(literals, " "),
		"oc label configmap "+beforeName+" -n openshift-config "+kube.Mine)
}

// pagePaused names the pools that get no changes.
func (e *emission) pagePaused(p *page.Page) {
	names := e.pausedPools()
	if len(names) == 0 {
		return
	}
	p.Text("**Paused when the state of the cluster was saved: %s. Its nodes get nothing of what follows until the pool is resumed.** That is right only while an update over two minor versions waits for it.", text.And(names))
	if e.updateFirst() {
		p.Text("Such an update is under way. So the rest of it comes first here, and the other steps when the pools go on again.")
	}
}

// pausedPools lists the pools that are known to be paused.
func (e *emission) pausedPools() (names []string) {
	for _, o := range e.site.Cluster.Of("MachineConfigPool") {
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
