package emit

import (
	"fmt"

	"github.com/satchel-airgap/satchel/oci/text"
)

// applyPage writes the steps that point the cluster at the mirror, in the order
// of "Converting a connected cluster to a disconnected cluster".
func (e *emission) applyPage() []byte {
	p := &page{}
	p.text("# Point the cluster at %s", e.site.Mirror)
	p.text("satchel wrote these files for %s. Log in as cluster-admin (check with `oc whoami`) and run the commands in this directory, one step after the other.", e.counted)
	e.pageGaps(p)
	if len(e.notes) > 0 {
		p.head("Read this first")
		var list []string
		for _, n := range e.notes {
			list = append(list, text.OneLine(text.Printable(n)))
		}
		p.list(list)
	}
	e.stepBefore(p)
	e.stepPullSecret(p)
	e.stepCA(p)
	e.stepPlainHTTP(p)
	e.stepRules(p)
	e.stepCheck(p)
	e.stepSuperfluous(p)
	e.stepCatalogs(p)
	e.stepRelease(p)
	e.stepGraph(p)
	e.stepApplications(p)
	e.stepCut(p)
	e.pageTagged(p)
	e.pageCollect(p)
	return p.bytes()
}

func (e *emission) stepBefore(p *page) {
	p.step("Check the cluster and save its configuration")
	p.text("Every node must be Ready, every pool Updated and not paused (a paused pool applies no change), and no operator degraded. The commands save copies for the way back (see %s). They never overwrite an existing copy, so keep the files of the first run.", fileRestore)
	lines := []string{
		"oc get clusterversion,clusteroperators,nodes,machineconfigpools",
		save("image.config.openshift.io/cluster", beforeImage),
	}
	if e.switchesHub() {
		lines = append(lines, save("operatorhub.config.openshift.io/cluster", beforeHub), save("catalogsource -n openshift-marketplace", beforeCatalogs))
	}
	if e.secret.written {
		lines = append(lines, "[ -s "+beforeSecret+" ] || "+extractPullSecret(beforeSecret))
	}
	if len(e.icsps) > 0 {
		lines = append(lines, save("imagecontentsourcepolicy", "before-icsp.yaml"), save("imagedigestmirrorset,imagetagmirrorset", "before-idms-itms.yaml")+" || true")
	}
	p.run(lines...)
	if len(e.icsps) > 0 {
		p.text("Clusters before 4.13 do not have the last two resources. The error about that does no harm.")
	}
}

const (
	beforeImage    = "before-image-config.yaml"
	beforeHub      = "before-operatorhub.yaml"
	beforeCatalogs = "before-catalogsources.yaml"
	// beforeSecret holds credentials; only its owner can read it.
	beforeSecret = "before-pull-secret.json"
)

// save is a command that saves a resource and never overwrites an older copy.
func save(resource, file string) string {
	return fmt.Sprintf("[ -s %s ] || oc get %s -o yaml > %[1]s", file, resource)
}

func (e *emission) stepApplications(p *page) {
	p.step("Check that everything still works")
	p.text("Every node must be Ready, no pod in ImagePullBackOff or ErrImagePull, and no operator degraded. A node does not pull images again that it already has, so a missing image shows only when a node must pull it.")
	p.run(
		"oc get nodes",
		"oc get pods --all-namespaces | grep -v -e Running -e Completed",
		"oc get clusteroperators",
	)
}

func (e *emission) stepCut(p *page) {
	p.step("The cut")
	p.text("Disconnect the cluster from the internet. The way back is in %s.", fileRestore)
	switch {
	case e.secret.written && !e.secret.insights:
		p.text("The pull secret has no %s, so the Insights operator sends no reports and will not be degraded.", insightsHost)
	case e.secret.written:
		p.step("After the cut: the pull secret without Insights")
		p.text("The Insights operator can no longer send reports and would be degraded. Without %s in the pull secret it does not try. %s %s", insightsHost, wholeSecret, nodesPullSecret)
		p.run(setPullSecret(fileAfterCut), "oc get clusteroperator insights")
	default:
		p.text("After that, the Insights operator is degraded until %s is removed from the pull secret. If you give the present pull secret (`--pull-secret`), satchel render writes that one too.", insightsHost)
	}
}
