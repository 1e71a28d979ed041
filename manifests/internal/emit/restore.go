package emit

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
)

const (
	fileHubRestore   = "restore/operatorhub-patch.yaml"
	fileImageRestore = "restore/image-config-patch.yaml"
)

// emitRestore writes how to go back when the network returns ("Restoring the network").
func (e *emission) emitRestore() error {
	if off, known := e.before.get(keyDefaultsOff); known {
		patch := kube.HubRestore{Spec: kube.HubRestoreSpec{Sources: json.RawMessage("null")}}
		if value, err := strconv.ParseBool(off); err == nil {
			patch.Spec.DisableAllDefaultSources = &value
		}
		if list := e.before[keySources]; list != "" {
			patch.Spec.Sources = json.RawMessage(list)
		}
		if err := e.addObject(fileHubRestore, modePublic, patch); err != nil {
			return err
		}
	}
	for _, key := range e.recreated("") {
		e.add("restore/"+key, modePublic, []byte(e.before[key]))
	}
	if name, known := e.before.get(keyTrustedCA); known && e.ca.held && !e.hosted() {
		patch := kube.ImagePatch{}
		if name != "" {
			patch.Spec.AdditionalTrustedCA = &kube.NameRef{Name: name}
		}
		if err := e.addObject(fileImageRestore, modePublic, patch); err != nil {
			return err
		}
	}
	e.add(fileRestore, modePublic, e.restorePage())
	return nil
}

func (e *emission) restorePage() []byte {
	p := e.newPage()
	p.Text("# When the network returns")
	p.Text("Log in as cluster-admin and run the commands in the directory above this one, where APPLY.md is. First check that a node can reach the registries on the internet. The mirror may keep running.")
	e.restoreCatalogs(p)
	e.restoreClusterCatalogs(p)
	e.restoreHelm(p)
	e.restoreOthers(p)
	e.restoreUpdates(p)
	e.restoreRules(p)
	e.restoreCA(p)
	e.restorePlainHTTP(p)
	e.restoreSecret(p)
	e.restoreProxy(p)
	e.restoreLast(p)
	return p.Bytes()
}

// restoreLast deletes what is of no use without the mirror and harms nobody.
func (e *emission) restoreLast(p *page.Page) {
	p.Step("The rest: only if the mirror goes away")
	p.Text("The signatures of releases, and what this page reads. Nodes: nothing changes.")
	p.Run(
		"oc delete configmap -n openshift-config-managed -l "+kube.Mine,
		"oc delete configmap "+beforeName+" -n openshift-config --ignore-not-found",
	)
}

// recreated are the keys of objects of others that satchel replaced or had deleted, sorted.
func (e *emission) recreated(prefix string) (keys []string) {
	for _, key := range slices.Sorted(maps.Keys(e.before)) {
		name, isObject := strings.CutSuffix(key, ".yaml")
		if isObject && strings.HasPrefix(key, prefix) && !e.untouched(name) {
			keys = append(keys, key)
		}
	}
	return keys
}

// untouched reports whether an object of others is in the cluster as it was, and stays.
func (e *emission) untouched(name string) bool {
	if catalog, ok := strings.CutPrefix(name, keyCatalog); ok {
		one, has := e.present("CatalogSource", "openshift-marketplace", catalog)
		return has && !ours(one) && !slices.ContainsFunc(e.catalogs, func(c catalogObject) bool { return c.name == catalog })
	}
	gone := e.deleted()
	for _, kind := range ruleKinds {
		rule, ok := strings.CutPrefix(name, keyRules+strings.ToLower(string(kind))+"-")
		if _, has := e.present(string(kind), "", rule); ok && has {
			return !slices.ContainsFunc(gone, func(o rules.Other) bool { return o.Kind == kind && o.Name == rule })
		}
	}
	return false
}

// restoreOthers creates rules of others again, before satchel's go.
func (e *emission) restoreOthers(p *page.Page) {
	keys := e.recreated(keyRules)
	if len(keys) == 0 {
		return
	}
	p.Step("The rules of others")
	p.Text("These were deleted because satchel's rules have all that is in them. Nodes: no drain and no reboot.")
	line := "oc create"
	for _, key := range keys {
		line += " -f restore/" + key
	}
	p.Run(line)
}
