package emit

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/lead"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/oci/text"
)

// emitBefore writes the ConfigMap, where all of it is known and the cluster does not have it yet.
func (e *emission) emitBefore() error {
	e.Before = e.stateBefore()
	if _, ok := e.Present("ConfigMap", "openshift-config", handover.BeforeName); ok {
		return nil
	}
	cm := kube.ConfigMap{Object: kube.Ours("v1", "ConfigMap", handover.BeforeName, "openshift-config"), Data: map[string]string{}}
	for _, key := range []string{handover.KeyTrustedCA, handover.KeyInsecure, handover.KeyDefaultsOff, handover.KeySources, handover.KeyNoProxy, handover.KeyUpstream, handover.KeyChannel} {
		value, known := e.Before.Get(key)
		if !known {
			return nil
		}
		cm.Data[key] = value
	}
	for _, key := range []string{handover.KeyTrustedKeys, handover.KeyServedOff, handover.KeyChartsOff} {
		if value, known := e.Before.Get(key); known {
			cm.Data[key] = value
		}
	}
	if e.Applied() {
		e.Note("satchel was in this cluster before, and the ConfigMap openshift-config/%s is not there: %s has what the cluster was before satchel as far as that can be worked out; look through it before step 1 creates it", handover.BeforeName, handover.FileBefore)
	}
	return e.AddObject(handover.FileBefore, handover.ModePublic, cm)
}

// stateBefore finds what is known: the ConfigMap has it, or, where it is known that there is none
// yet, the cluster's objects have, less what satchel made of them. Where that is not known, an
// earlier week may have changed what the objects say, and nothing of before is known.
func (e *emission) stateBefore() handover.Before {
	b := handover.Before{}
	switch kept, ok := e.KeptBefore(); {
	case ok:
		return kept
	case !e.Site.Cluster.Known("ConfigMap"):
		return b
	}
	if img := e.Site.PresentImage; img != nil {
		b[handover.KeyTrustedCA] = img.TrustedCA
		if e.trust.OwnCA() {
			b[handover.KeyTrustedCA] = ""
		}
		if ca := e.Site.PresentCA; ca != nil && !e.Applied() {
			b[handover.KeyTrustedKeys] = strings.Join(slices.Sorted(maps.Keys(ca.Data)), " ")
		}
		b[handover.KeyInsecure] = handover.JSONList(slices.DeleteFunc(slices.Clone(img.Sources.Insecure), func(s string) bool { return e.Applied() && e.IsHost(s) }))
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
	if e.Read("OperatorHub", "cluster", &spec) {
		b[handover.KeyDefaultsOff], b[handover.KeySources] = "", string(spec.Spec.Sources)
		if spec.Spec.Off && !e.Applied() { // else satchel has done that
			b[handover.KeyDefaultsOff] = strconv.FormatBool(true)
		}
	}
	if served, charts := e.hub.OffNow(); !e.Applied() {
		if e.Site.Cluster.Known("ClusterCatalog") {
			b[handover.KeyServedOff] = strings.Join(served, " ")
		}
		if e.Site.Cluster.Known("HelmChartRepository") {
			b[handover.KeyChartsOff] = strings.Join(charts, " ")
		}
	}
	if e.Read("Proxy", "cluster", &spec) {
		b[handover.KeyNoProxy] = e.WithoutMirror(spec.Spec.NoProxy)
	}
	if e.Read("ClusterVersion", "version", &spec) {
		b[handover.KeyUpstream], b[handover.KeyChannel] = spec.Spec.Upstream, spec.Spec.Channel
		if !e.way.Update.Kept && e.way.AsksUpdateService() {
			b[handover.KeyUpstream] = ""
		}
	}
	return b
}

// stepBefore saves what the cluster was before satchel, once.
func (e *emission) stepBefore(p *page.Page) {
	p.Step("Check the cluster and save its configuration")
	e.runCompare(p)
	e.pageUnready(p)
	const look, paused = "oc get clusterversion,clusteroperators,nodes", "gets no rules, no authorities and no pull secret before it is resumed"
	if e.Hosted() {
		p.Text("Every node must be Ready, and no operator degraded.")
		p.Run(look)
		p.Text("What this cluster's nodes have stands in its HostedCluster. %s", handover.OnManagement)
		p.Text("Every NodePool must be up to date and not paused (a paused one %s). %s", paused, e.GoodPools())
		p.Run(e.LookPools()...)
		p.Text("The next commands keep what the HostedCluster was before satchel, in a ConfigMap beside it, once. (The third one fails if the HostedCluster is not on the cluster that you are logged in to.) Then log in to this cluster again.")
		p.Run(lead.KeepHosted(e.HostedPlace())...)
	} else {
		p.Text("Every node must be Ready, every pool updated and not paused (a paused pool %s), and no operator degraded. The last command shows the pools. %s", paused, e.GoodPools())
		p.Run(append([]string{look}, e.LookPools()...)...)
		e.pagePaused(p)
		e.LookDisruption(p)
	}
	if _, ok := e.Present("ConfigMap", "openshift-config", handover.BeforeName); ok {
		p.Nothing("the copy of what the cluster was before satchel")
		return
	}
	p.Text("The way back (%s) must know what the cluster was before satchel. The ConfigMap openshift-config/%s keeps that. The first run makes it. Later ones only add what of others they are about to change or delete, before they do; what is in it is never overwritten. Nor is a copy that is in this directory already.", handover.FileRestore, handover.BeforeName)
	const found = "BEFORE=$(oc get configmap " + handover.BeforeName + " -n openshift-config --ignore-not-found -o name)"
	unless := func(create ...string) string {
		return `if [ -z "$BEFORE" ]; then` + "\n" + strings.Join(append(e.saves(), create...), " &&\n") + "\nfi"
	}
	if e.Has(handover.FileBefore) {
		p.Run(page.Chain(found, unless("oc create -f "+handover.FileBefore))...)
	} else {
		p.Text("If the commands print that satchel was here before, stop: the cluster is no longer as it was, so its objects of today must not be kept as those of before. Run satchel render with what the cluster is (`--from-cluster`). It works out what was there before.")
		p.Run(page.Chain(append(append([]string{found}, handover.NotEarlier()...), unless(createBefore()...))...)...)
	}
}

// saves are commands that make copies for a person to look at.
func (e *emission) saves() []string {
	served := func(crd, line string) string { // a cluster may lack the marketplace, or all of OLM
		return "case $CRDS in *" + crd + "*) " + line + " ;; esac"
	}
	list := []string{
		"CRDS=$(oc get crd -o name)",
		save("image.config.openshift.io/cluster", handover.BeforeImage),
		served("operatorhubs.config.openshift.io", save("operatorhub.config.openshift.io/cluster", handover.BeforeHub)),
		served("catalogsources.operators.coreos.com", save("catalogsource -n openshift-marketplace", handover.BeforeCatalogs)),
		save("imagecontentsourcepolicy", "before-icsp.yaml"),
	}
	sets := save("imagedigestmirrorset,imagetagmirrorset", "before-idms-itms.yaml")
	switch v, known := e.Site.Cluster.Running(); {
	case !known:
		list = append(list, served("imagedigestmirrorsets.config.openshift.io", sets))
	case site.HasMirrorSets(v):
		list = append(list, sets)
	}
	return list
}

// save is a command that saves a resource and never overwrites an older copy.
func save(resource, file string) string {
	return page.Or("[ -s "+file+" ]", "oc get "+resource+" -o yaml > "+file)
}

// keysOfMap prints the keys of a ConfigMap.
const keysOfMap = "{{range $k, $v := .data}}{{$k}} {{end}}{{range $k, $v := .binaryData}}{{$k}} {{end}}"

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
		read(handover.KeyTrustedCA, "image.config.openshift.io/cluster", ".spec.additionalTrustedCA.name"),
		name(handover.KeyTrustedKeys) + "=",
		page.Or(`[ -z "$`+name(handover.KeyTrustedCA)+`" ]`, name(handover.KeyTrustedKeys)+`=$(oc get configmap "$`+name(handover.KeyTrustedCA)+`" -n openshift-config --ignore-not-found -o go-template='`+keysOfMap+`')`),
		read(handover.KeyInsecure, "image.config.openshift.io/cluster", ".spec.registrySources.insecureRegistries"),
		read(handover.KeyNoProxy, "proxy.config.openshift.io/cluster", ".spec.noProxy"),
		read(handover.KeyUpstream, "clusterversion version", ".spec.upstream"),
		read(handover.KeyChannel, "clusterversion version", ".spec.channel"),
	}
	served := func(crd, key, resource, path string) {
		lines = append(lines, fmt.Sprintf(`case $CRDS in *%s*) %s ;; *) %s= ;; esac`, crd, read(key, resource, path), name(key)))
	}
	const hub = "operatorhubs.config.openshift.io"
	served(hub, handover.KeyDefaultsOff, "operatorhub.config.openshift.io/cluster", ".spec.disableAllDefaultSources")
	served(hub, handover.KeySources, "operatorhub.config.openshift.io/cluster", ".spec.sources")
	served("clustercatalogs.olm.operatorframework.io", handover.KeyServedOff, "clustercatalogs", `.items[?(@.spec.availabilityMode=="Unavailable")].metadata.name`)
	served("/helmchartrepositories.helm.openshift.io", handover.KeyChartsOff, "helmchartrepositories", ".items[?(@.spec.disabled==true)].metadata.name")
	literals = append(literals, "--from-literal="+handover.KeyTrustedKeys+`="$`+name(handover.KeyTrustedKeys)+`"`)
	return append(lines,
		"oc create configmap "+handover.BeforeName+" -n openshift-config "+strings.Join(literals, " "),
		"oc label configmap "+handover.BeforeName+" -n openshift-config "+kube.Mine)
}

// pagePaused names the pools that get no changes.
func (e *emission) pagePaused(p *page.Page) {
	names := e.PausedPools()
	if len(names) == 0 {
		return
	}
	p.Text("**Paused when the state of the cluster was saved: %s. Its nodes get nothing of what follows until the pool is resumed.**", text.And(names))
	if e.way.UpdateFirst() {
		p.Text("An update is under way that these nodes wait for. So the rest of it comes first here, and the other steps when the pools are resumed.")
		return
	}
	p.Text("Resume it first (`oc patch machineconfigpool NAME --type=merge -p '{\"spec\":{\"paused\":false}}'`: that may drain and restart its nodes, for what has waited). Or leave it paused, and keep the source of its images reachable until its nodes have got the changes too.")
}
