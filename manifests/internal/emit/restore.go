package emit

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
	if name, known := e.trustedBefore(); known && e.ca.written {
		patch := imagePatch{}
		if name != "" {
			patch.Spec.AdditionalTrustedCA = &nameRef{name}
		}
		if err := e.addObject(fileImageRestore, modePublic, patch); err != nil {
			return err
		}
	}
	e.add(fileRestore, modePublic, e.restorePage())
	return nil
}

// trustedBefore is the ConfigMap that image.config named before; empty for none.
func (e *emission) trustedBefore() (name string, known bool) {
	switch {
	case e.site.PresentImage != nil:
		return e.site.PresentImage.TrustedCA, true
	case e.site.PresentCA != nil:
		return e.site.PresentCA.Name, true
	}
	return "", false
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
		p.text("%s What it was before the first step is in %s. Nodes: since 4.7.4 no drain and no reboot.", wholeSecret, beforeSecret)
		p.run(setPullSecret(filePullSecret), "oc get clusteroperator insights")
	case !e.secret.written:
		p.step("The pull secret")
		p.text("If %s was taken out of it for the Insights operator, get the secret, put the entry back in the file, and set it. Nodes: since 4.7.4 no drain and no reboot.", insightsHost)
		p.run(extractPullSecret("pull-secret-now.json"))
		p.run(setPullSecret("pull-secret-now.json"))
	}
}

func (e *emission) restoreCatalogs(p *page) {
	if !e.switchesHub() {
		return
	}
	p.step("The default catalogs again")
	p.text("Leave the patch out if %s says that they were off before (`disableAllDefaultSources: true`).", beforeHub)
	var lines []string
	if len(e.catalogs) > 0 {
		names := ""
		for _, c := range e.catalogs {
			names += " " + c.name
		}
		lines = append(lines, "oc delete catalogsource -n openshift-marketplace --ignore-not-found"+names)
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
	p.text("Nodes: every node is drained, one after the other (but never a single-node cluster). Rules of earlier runs are named satchel-* too: add them to the second command, so that nodes change once.")
	names := ""
	for _, o := range e.icsps {
		names += " " + o.name
	}
	p.run(append([]string{"oc get imagecontentsourcepolicy", "oc delete imagecontentsourcepolicy --ignore-not-found" + names}, waitForNodes()...)...)
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
	p.text("They do no harm. Nothing may name the mirror any more; this must print nothing:")
	p.run(
		"oc get clusterversion version -o jsonpath='{.status.desired.image}{\"\\n\"}' | grep -F '"+e.site.Mirror.Host+"/'",
		"oc get pods -A -o jsonpath='{..image}' | tr ' ' '\\n' | grep -F '"+e.site.Mirror.Host+"/' | sort -u",
	)
	if _, known := e.trustedBefore(); known {
		p.text("This makes image.config what it was:")
		p.run("oc patch image.config.openshift.io/cluster --type=merge --patch-file " + fileImageRestore)
	} else {
		p.text("Only if %s names no ConfigMap (additionalTrustedCA). If it names one, run satchel render again with that one as `--present-registry-ca`, for commands that keep it.", beforeImage)
		p.run("oc patch image.config.openshift.io/cluster --type=merge -p '{\"spec\":{\"additionalTrustedCA\":null}}'")
	}
	if !e.ca.present {
		p.run("oc delete configmap -n openshift-config --ignore-not-found " + e.ca.name)
		return
	}
	p.text("Other registries may be in the ConfigMap: this takes the mirror alone out of it.")
	p.run(fmt.Sprintf("oc patch configmap -n openshift-config %s --type=json -p '[{\"op\":\"remove\",\"path\":\"/data/%s\"}]'", e.ca.name, e.ca.key))
}
