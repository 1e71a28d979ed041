package emit

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/oci"
)

const (
	fileHelmOff = "helmchartrepository-off.yaml"
	fileHelmOn  = "restore/helmchartrepository-on.yaml"
)

// defaultHelmURLs are where the console's default repository of charts is, by version of
// console-operator's manifest, which the cluster creates once and then leaves alone.
var defaultHelmURLs = []string{"https://charts.openshift.io", "https://redhat-developer.github.io/redhat-helm-charts"}

// helmRepository is what of one matters here (openshift/api, helm/v1beta1).
type helmRepository struct {
	Spec struct {
		Disabled         bool `json:"disabled"`
		ConnectionConfig struct {
			URL string `json:"url"`
		} `json:"connectionConfig"`
	} `json:"spec"`
}

// chartsOf lists the charts, which no node pulls.
func chartsOf(images []oci.Image) []oci.Image {
	return slices.DeleteFunc(images, func(i oci.Image) bool { return i.Origin != origin.Chart || i.Subject != "" || len(i.Platforms) > 0 })
}

// defaultHelm lists the default repositories of charts that the cluster is known to have on, and
// those that are off.
func (e *emission) defaultHelm() (on, off []string) {
	for _, o := range e.site.Cluster.Of("HelmChartRepository") {
		var r helmRepository
		switch {
		case json.Unmarshal(o.Body, &r) != nil || !slices.Contains(defaultHelmURLs, strings.TrimRight(r.Spec.ConnectionConfig.URL, "/")):
		case r.Spec.Disabled:
			off = append(off, o.Name)
		default:
			on = append(on, o.Name)
		}
	}
	return on, off
}

// switchesHelm reports whether the default repository of charts is turned off.
func (e *emission) switchesHelm() bool {
	on, _ := e.defaultHelm()
	return e.switchesHub() && (!e.site.Cluster.Known("HelmChartRepository") || len(on) > 0)
}

// emitHelm writes the patches. There is none that names the mirror: the console reads index.yaml
// from a web server (the CRD takes http and https alone), and a registry has none.
func (e *emission) emitHelm() error {
	if e.switchesHelm() {
		patch := kube.HelmPatch{}
		patch.Spec.Disabled = new(bool)
		*patch.Spec.Disabled = true
		if err := e.addObject(fileHelmOff, modePublic, patch); err != nil {
			return err
		}
	}
	if _, off := e.defaultHelm(); e.switchesHelm() || e.applied() && len(off) > 0 {
		return e.addObject(fileHelmOn, modePublic, kube.HelmPatch{})
	}
	return nil
}

func (e *emission) stepHelm(p *page.Page) {
	if e.switchesHub() && !e.switchesHelm() {
		p.Nothing("the console's Helm charts")
	}
	if !e.switchesHelm() {
		return
	}
	p.Step("Helm charts in the console")
	p.Text("The console offers charts from https://charts.openshift.io, and would show an error for it after the cut. Nodes: nothing changes.")
	names, _ := e.defaultHelm()
	if len(names) == 0 {
		p.Text("A cluster without the console has no such object: the command then reports that, and nothing changes.")
		p.Run(eachHelm("oc patch helmchartrepository \"$r\" --patch-file " + fileHelmOff + " --type=merge"))
	} else {
		var lines []string
		for _, n := range names {
			lines = append(lines, "oc patch helmchartrepository "+page.Shell(n)+" --type=merge --patch-file "+fileHelmOff)
		}
		p.Run(lines...)
	}
	if len(e.charts) > 0 {
		chart := e.charts[0]
		p.Text("The console reads charts from web servers alone, not from registries, so the charts of this bundle are not in its list. Install them with helm, such as `helm install NAME oci://%s` with `--version`.", e.repo(chart).Name())
	}
}

// eachHelm does something with each default repository of charts.
func eachHelm(command string) string {
	return "for r in $(oc get helmchartrepositories -o jsonpath='{range .items[?(@.spec.connectionConfig.url==\"" + defaultHelmURLs[0] + "\")]}{.metadata.name} {end}'); do " + command + "; done"
}

func (e *emission) restoreHelm(p *page.Page) {
	if !e.has(fileHelmOn) {
		return
	}
	on, off := e.defaultHelm()
	names := slices.Concat(on, off)
	p.Step("Helm charts in the console")
	if len(on) == 0 && len(off) > 0 {
		p.Text("Not if it was off before satchel.")
	}
	if len(names) == 0 {
		p.Run(eachHelm("oc patch helmchartrepository \"$r\" --patch-file " + fileHelmOn + " --type=merge"))
		return
	}
	var lines []string
	for _, n := range names {
		lines = append(lines, "oc patch helmchartrepository "+page.Shell(n)+" --type=merge --patch-file "+fileHelmOn)
	}
	p.Run(lines...)
}
