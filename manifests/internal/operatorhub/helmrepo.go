package operatorhub

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
)

const (
	FileHelmOff = "helmchartrepository-off.yaml"
	FileHelmOn  = "restore/helmchartrepository-on.yaml"
)

// DefaultHelmURLs are where the console's default repository of charts is, by version of
// console-operator's manifest, which the cluster creates once and then leaves alone.
var DefaultHelmURLs = []string{"https://charts.openshift.io", "https://redhat-developer.github.io/redhat-helm-charts"}

// HelmRepository is what of one matters here (openshift/api, helm/v1beta1).
type HelmRepository struct {
	Spec struct {
		Disabled         bool `json:"disabled"`
		ConnectionConfig struct {
			URL string `json:"url"`
		} `json:"connectionConfig"`
	} `json:"spec"`
}

// defaultHelm lists the default repositories of charts that the cluster is known to have on, and
// those that are off.
func (h *Hub) defaultHelm() (on, off []string) {
	for _, o := range h.Site.Cluster.Of("HelmChartRepository") {
		var r HelmRepository
		switch {
		case json.Unmarshal(o.Body, &r) != nil || !slices.Contains(DefaultHelmURLs, strings.TrimRight(r.Spec.ConnectionConfig.URL, "/")):
		case r.Spec.Disabled:
			off = append(off, o.Name)
		default:
			on = append(on, o.Name)
		}
	}
	return on, off
}

// switchesHelm reports whether the default repository of charts is turned off.
func (h *Hub) switchesHelm() bool {
	on, _ := h.defaultHelm()
	return h.SwitchesHub() && (!h.Site.Cluster.Known("HelmChartRepository") || len(on) > 0)
}

// EmitHelm writes the patches. There is none that names the mirror: the console reads index.yaml
// from a web server (the CRD takes http and https alone), and a registry has none.
func (h *Hub) EmitHelm() error {
	if h.switchesHelm() {
		patch := kube.HelmPatch{}
		patch.Spec.Disabled = new(bool)
		*patch.Spec.Disabled = true
		if err := h.AddObject(FileHelmOff, handover.ModePublic, patch); err != nil {
			return err
		}
	}
	if _, off := h.defaultHelm(); h.switchesHelm() || h.Applied() && len(off) > 0 {
		return h.AddObject(FileHelmOn, handover.ModePublic, kube.HelmPatch{})
	}
	return nil
}

// StepHelm is about the repositories of Helm charts.
func (h *Hub) StepHelm(p *page.Page) {
	if h.SwitchesHub() && !h.switchesHelm() {
		p.Nothing("the console's Helm charts")
	}
	if !h.switchesHelm() {
		return
	}
	p.Step("Helm charts in the console")
	p.Text("The console offers charts from https://charts.openshift.io (older versions: https://redhat-developer.github.io/redhat-helm-charts), and would show an error for it after the cut. Nodes: nothing changes.")
	names, _ := h.defaultHelm()
	if len(names) == 0 {
		p.Text("A cluster without the console has no such object: then nothing changes.")
		p.Run(page.Chain(eachHelm("oc patch helmchartrepository \"$r\" --patch-file " + FileHelmOff + " --type=merge")...)...)
	} else {
		var lines []string
		for _, n := range names {
			lines = append(lines, "oc patch helmchartrepository "+page.Shell(n)+" --type=merge --patch-file "+FileHelmOff)
		}
		p.Run(lines...)
	}
	if len(h.Charts) > 0 {
		chart := h.Charts[0]
		p.Text("The console reads charts from web servers alone, not from registries, so the charts of this bundle are not in its list. Install them with helm, such as `helm install NAME oci://%s` with `--version`.", h.Repo(chart).Name())
	}
}

// eachHelm does something with each default repository of charts.
func eachHelm(command string) []string {
	var paths string
	for _, url := range DefaultHelmURLs {
		paths += `{range .items[?(@.spec.connectionConfig.url=="` + url + `")]}{.metadata.name} {end}`
	}
	return page.EachOf("r", "helmchartrepositories.helm.openshift.io", "oc get helmchartrepositories -o jsonpath='"+paths+"'", command)
}

// RestoreHelm turns the default repositories of Helm charts on again.
func (h *Hub) RestoreHelm(p *page.Page) {
	if !h.Has(FileHelmOn) {
		return
	}
	on, off := h.defaultHelm()
	p.Step("Helm charts in the console")
	sentence, lines := h.TellUnkept(handover.KeyChartsOff)
	p.Text("The console offers them again, unless that was off before satchel.%s", sentence)
	const patch = `case " $OFF " in *" $r "*) ;; *) oc patch helmchartrepository "$r" --patch-file ` + FileHelmOn + " --type=merge ;; esac"
	each := eachHelm(patch)
	if names := slices.Concat(on, off); len(names) > 0 {
		each = []string{"( for r in " + strings.Join(names, " ") + "; do " + patch + " || exit 1; done )"}
	}
	p.Run(page.Chain(slices.Concat(lines, []string{handover.ReadBefore("OFF", handover.KeyChartsOff)}, each)...)...)
}
