package manifests

import (
	"fmt"
)

const (
	fileHubRestore   = "restore/operatorhub-patch.yaml"
	fileImageRestore = "restore/image-config-patch.yaml"
)

// emitRestore writes how to go back when the network returns ("Restoring the network").
func (e *emission) emitRestore() error {
	if e.switchesHub() {
		if err := e.addObject(fileHubRestore, modePublic, hubPatch{}); err != nil {
			return err
		}
	}
	if img := e.site.PresentImage; img != nil && e.ca.written {
		patch := imagePatch{}
		if img.TrustedCA != "" {
			patch.Spec.AdditionalTrustedCA = &nameRef{img.TrustedCA}
		}
		if err := e.addObject(fileImageRestore, modePublic, patch); err != nil {
			return err
		}
	}
	e.add(fileRestore, modePublic, e.restorePage())
	return nil
}

func (e *emission) restorePage() []byte {
	p := &page{}
	p.text("# When the network returns")
	p.text("Run the commands in the directory above this one, where APPLY.md is, logged in as cluster-admin. Reach the registries on the internet from a node first; the mirror may stay where it is all the while.")
	e.restoreSecret(p)
	e.restoreCatalogs(p)
	e.restoreRules(p)
	e.restoreCA(p)
	return p.bytes()
}

func (e *emission) restoreSecret(p *page) {
	switch {
	case e.secret.written && e.secret.insights:
		p.step("The pull secret with Insights again")
		p.run("oc set data secret/pull-secret -n openshift-config --from-file=.dockerconfigjson="+filePullSecret, "oc get clusteroperator insights")
		p.text("If the pull secret was changed since, put %s back into the present one by hand instead. Nodes: since 4.7.4 no drain and no reboot.", insightsHost)
	case !e.secret.written:
		p.step("The pull secret")
		p.text("If %s was taken out of it for the Insights operator, put the entry back.", insightsHost)
		p.run("oc extract secret/pull-secret -n openshift-config --to=-")
	}
}

func (e *emission) restoreCatalogs(p *page) {
	if !e.switchesHub() {
		return
	}
	p.step("The default catalogs again")
	var lines []string
	for _, c := range e.catalogs {
		lines = append(lines, "oc delete catalogsource -n openshift-marketplace --ignore-not-found "+c.name)
	}
	p.run(append(lines,
		"oc patch operatorhub.config.openshift.io/cluster --type=merge --patch-file "+fileHubRestore,
		"oc get catalogsource,pods -n openshift-marketplace",
	)...)
}

func (e *emission) restoreRules(p *page) {
	if len(e.icsps) == 0 {
		return
	}
	p.step("Delete the rules")
	p.text("Nodes: every node is drained, one after the other. Rules of earlier runs are named satchel-* too: see what `oc get imagecontentsourcepolicy` lists.")
	var lines []string
	for _, o := range e.icsps {
		lines = append(lines, "oc delete imagecontentsourcepolicy --ignore-not-found "+o.name)
	}
	p.run(append(lines, waitForNodes()...)...)
	p.text("A node's registries.conf has no [[registry]] entry of ours after that:")
	p.run(
		"NODE=$(oc get nodes -o jsonpath='{.items[0].metadata.name}')",
		"oc debug -q node/\"$NODE\" -- chroot /host cat /etc/containers/registries.conf",
	)
}

func (e *emission) restoreCA(p *page) {
	if !e.ca.written {
		return
	}
	p.step("The mirror's authorities: only if the mirror goes away")
	if e.site.PresentImage != nil {
		p.text("They do no harm. This makes image.config what it was:")
		p.run("oc patch image.config.openshift.io/cluster --type=merge --patch-file " + fileImageRestore)
	} else {
		p.text("They do no harm. What image.config named before is in before-image-config.yaml, which step 1 of APPLY.md wrote; `null` takes the name away:")
		p.run("oc patch image.config.openshift.io/cluster --type=merge -p '{\"spec\":{\"additionalTrustedCA\":null}}'")
	}
	if e.ca.fresh {
		p.run("oc delete configmap -n openshift-config " + e.ca.name)
		return
	}
	p.text("Other registries may be in the ConfigMap: this takes the mirror alone out of it.")
	p.run(fmt.Sprintf("oc patch configmap -n openshift-config %s --type=json -p '[{\"op\":\"remove\",\"path\":\"/data/%s\"}]'", e.ca.name, e.ca.key))
}
