package emit

import (
	"fmt"
	"strings"

	"github.com/satchel-airgap/satchel/oci/text"
)

// newPage begins a page for the cluster.
func (e *emission) newPage() *page { return &page{} }

// applyPage writes the steps that point the cluster at the mirror, in the order
// of "Converting a connected cluster to a disconnected cluster". A step is left out, and named
// in the list of what is not to be done, only where the cluster's own objects show that.
func (e *emission) applyPage() []byte {
	steps := e.newPage()
	for _, step := range []func(*page){
		e.stepBefore,
		e.stepProxy,
		e.stepPullSecret, e.stepCA, e.stepPlainHTTP,
		e.stepRules, e.stepCheck, e.stepSuperfluous,
		e.stepCatalogs,
		e.stepRelease,
		e.stepGraph,
		e.stepApplications,
		e.pageCut, e.pageTagged, e.pageCollect,
	} {
		step(steps)
	}
	p := &page{}
	p.text("# Point the cluster at %s", e.site.Mirror)
	p.text("satchel wrote these files for %s. Log in as cluster-admin (check with `oc whoami`) and run the commands in this directory, one step after the other.", e.counted)
	if len(steps.idle) > 0 {
		p.text("Nothing to do: %s.", strings.Join(steps.idle, ", "))
	}
	e.pageGaps(p)
	if len(e.notes) > 0 {
		p.head("Read this first")
		var list []string
		for _, n := range e.notes {
			list = append(list, text.OneLine(text.Printable(n)))
		}
		p.list(list)
	}
	p.b.Write(steps.b.Bytes())
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
