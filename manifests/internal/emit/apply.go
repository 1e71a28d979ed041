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
	p.text("satchel wrote these files for %s. Run the commands in this directory, logged in as cluster-admin (`oc whoami`), one step after the other.", text.Count(len(e.images)+len(e.graph), "image", "images"))
	e.pageGaps(p)
	if len(e.notes) > 0 {
		p.head("Read this first")
		var list []string
		for _, n := range e.notes {
			list = append(list, markdown(n))
		}
		p.list(list)
	}
	e.stepBefore(p)
	e.stepPullSecret(p)
	e.stepCA(p)
	e.stepRules(p)
	e.stepCheck(p)
	e.stepCatalogs(p)
	e.stepRelease(p)
	e.stepGraph(p)
	e.stepApplications(p)
	e.stepCut(p)
	e.pageTagged(p)
	return p.bytes()
}

func (e *emission) stepBefore(p *page) {
	p.step("Look at the cluster, and keep what is there")
	p.text("Every node Ready, every pool Updated and not paused (a paused pool takes nothing up), no operator degraded. The copies are for the way back, see %s; those that are here already stay, so keep the files of the first run.", fileRestore)
	lines := []string{
		"oc get clusterversion,clusteroperators,nodes,machineconfigpools",
		keep("image.config.openshift.io/cluster", beforeImage),
	}
	if e.switchesHub() {
		lines = append(lines, keep("operatorhub.config.openshift.io/cluster", beforeHub), keep("catalogsource -n openshift-marketplace", "before-catalogsources.yaml"))
	}
	if e.secret.written {
		lines = append(lines, "[ -s "+beforeSecret+" ] || "+extractPullSecret(beforeSecret))
	}
	if len(e.icsps) > 0 {
		lines = append(lines, keep("imagecontentsourcepolicy", "before-icsp.yaml"), keep("imagedigestmirrorset,imagetagmirrorset", "before-idms-itms.yaml")+" || true")
	}
	p.run(lines...)
	if len(e.icsps) > 0 {
		p.text("Clusters before 4.13 do not have the last two resources; the error says so, and does no harm.")
	}
}

const (
	beforeImage = "before-image-config.yaml"
	beforeHub   = "before-operatorhub.yaml"
	// beforeSecret holds credentials; the command that writes it keeps others out.
	beforeSecret = "before-pull-secret.json"
)

// keep is a command that saves a resource, and never writes over an older copy.
func keep(resource, file string) string {
	return fmt.Sprintf("[ -s %s ] || oc get %s -o yaml > %[1]s", file, resource)
}

func (e *emission) stepApplications(p *page) {
	p.step("See that everything still works")
	p.text("Every node Ready, no pod in ImagePullBackOff or ErrImagePull, no operator degraded. Pods keep images that their node has already; what a node must pull again shows only when it must.")
	p.run(
		"oc get nodes",
		"oc get pods --all-namespaces | grep -v -e Running -e Completed",
		"oc get clusteroperators",
	)
}

func (e *emission) stepCut(p *page) {
	p.step("The cut")
	p.text("Disconnect the cluster from the network. What the way back takes is in %s.", fileRestore)
	switch {
	case e.secret.written && !e.secret.insights:
		p.text("The pull secret has no %s, so the Insights operator does not report and will not be degraded.", insightsHost)
	case e.secret.written:
		p.step("After the cut: the pull secret without Insights")
		p.text("The Insights operator cannot report any more and would be degraded. Without %s in the pull secret it does not try. %s %s", insightsHost, wholeSecret, nodesPullSecret)
		p.run(setPullSecret(fileAfterCut), "oc get clusteroperator insights")
	default:
		p.text("The Insights operator is degraded from then on, until %s is taken out of the pull secret; satchel render writes that secret too if it has the present one (`--pull-secret`).", insightsHost)
	}
}
