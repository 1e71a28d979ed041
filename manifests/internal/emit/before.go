package emit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
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
	keyCut         = "cut"                  // "true" once the cluster was cut off: not of before, but of all weeks after
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
	for _, key := range []string{keyTrustedCA, keyInsecure, keyDefaultsOff, keySources, keyNoProxy, keyUpstream, keyChannel} {
		value, known := e.before.get(key)
		if !known {
			return nil
		}
		cm.Data[key] = value
	}
	if keys, known := e.before.get(keyTrustedKeys); known {
		cm.Data[keyTrustedKeys] = keys
	}
	if e.applied() {
		e.note("satchel was in this cluster before, and the ConfigMap openshift-config/%s is not there: %s has what the cluster was before satchel as far as that can be worked out; look through it before step 1 creates it", beforeName, fileBefore)
	}
	return e.addObject(fileBefore, modePublic, cm)
}

// stateBefore finds what is known: the ConfigMap has it, or, where it is known that there is none
// yet, the cluster's objects have, less what satchel made of them. Where that is not known, an
// earlier week may have changed what the objects say, and nothing of before is known.
func (e *emission) stateBefore() before {
	b := before{}
	switch kept, ok := e.keptBefore(); {
	case ok:
		return kept
	case !e.site.Cluster.Known("ConfigMap"):
		return b
	}
	if img := e.site.PresentImage; img != nil {
		b[keyTrustedCA] = img.TrustedCA
		if e.ownCA() {
			b[keyTrustedCA] = ""
		}
		if ca := e.site.PresentCA; ca != nil && !e.applied() {
			b[keyTrustedKeys] = strings.Join(slices.Sorted(maps.Keys(ca.Data)), " ")
		}
		b[keyInsecure] = jsonList(slices.DeleteFunc(slices.Clone(img.Sources.Insecure), func(s string) bool { return e.applied() && e.isHost(s) }))
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
		if !e.update.kept && e.asksUpdateService() {
			b[keyUpstream] = ""
		}
	}
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
	e.lookDisruption(p)
	if e.hosted() {
		p.Text("What this cluster's nodes have stands in its HostedCluster. %s They keep what it was before satchel, in a ConfigMap beside it, once. (The third one fails where no HostedCluster of this cluster is.) Then log in to this cluster again.", onManagement)
		p.Run(keepHosted(e.hostedPlace())...)
	}
	if _, ok := e.present("ConfigMap", "openshift-config", beforeName); ok {
		p.Nothing("the copy of what the cluster was before satchel")
		return
	}
	p.Text("The way back (%s) must know what the cluster was before satchel. The ConfigMap openshift-config/%s keeps that. The first run makes it. Later ones only add what of others they are about to change or delete, before they do; what is in it is never overwritten. Nor is a copy that is in this directory already.", fileRestore, beforeName)
	const found = "BEFORE=$(oc get configmap " + beforeName + " -n openshift-config --ignore-not-found -o name)"
	unless := func(create ...string) string {
		return `if [ -z "$BEFORE" ]; then` + "\n" + strings.Join(append(e.saves(), strings.Join(create, " &&\n")), "\n") + "\nfi"
	}
	if e.has(fileBefore) {
		p.Run(page.Chain(found, unless("oc create -f "+fileBefore))...)
	} else {
		p.Text("If the commands print that satchel was here before, stop: the cluster is no longer as it was, so its objects of today must not be kept as those of before. Run satchel render with what the cluster is (`--from-cluster`). It works out what was there before.")
		p.Run(page.Chain(append(append([]string{found}, notEarlier()...), unless(createBefore()...))...)...)
	}
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
	list := []string{
		save("image.config.openshift.io/cluster", beforeImage),
		save("operatorhub.config.openshift.io/cluster", beforeHub),
		save("catalogsource -n openshift-marketplace", beforeCatalogs),
		save("imagecontentsourcepolicy", "before-icsp.yaml"),
	}
	if v, known := e.site.Cluster.Running(); !known || hasMirrorSets(v) {
		list = append(list, save("imagedigestmirrorset,imagetagmirrorset", "before-idms-itms.yaml")+" || true")
	}
	return list
}

// save is a command that saves a resource and never overwrites an older copy.
func save(resource, file string) string {
	return fmt.Sprintf("[ -s %s ] || oc get %s -o yaml > %[1]s", file, resource)
}

// notEarlier are the lines of a chain that stop where satchel's rules are there and the ConfigMap is not.
func notEarlier() []string {
	return []string{
		"CRDS=$(oc get crd -o name)",
		"RULES=$(oc get imagecontentsourcepolicy -o name)",
		"case $CRDS in *imagedigestmirrorsets.config.openshift.io*) SETS=$(oc get imagedigestmirrorset -o name) ;; *) SETS= ;; esac",
		page.Or(`[ -n "$BEFORE" ]`, `case "$RULES $SETS" in */satchel-release-*|*/satchel-operator-*|*/satchel-generic-*) echo 'satchel was here before'; false ;; esac`),
	}
}

// createBefore are the lines of a chain that read what the cluster is and make the ConfigMap, only
// if all of it was read: no later run changes it. A cluster without the marketplace has no
// OperatorHub.
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
	}
	hub := func(key, path string) {
		lines = append(lines, fmt.Sprintf(`case $CRDS in *operatorhubs.config.openshift.io*) %s ;; *) %s= ;; esac`, read(key, "operatorhub.config.openshift.io/cluster", path), name(key)))
	}
	hub(keyDefaultsOff, ".spec.disableAllDefaultSources")
	hub(keySources, ".spec.sources")
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
