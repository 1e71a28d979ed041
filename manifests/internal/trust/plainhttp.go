package trust

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/oci/text"
)

// NewInsecure lists the hosts that nodes must be told to use without TLS.
func (t *Trust) NewInsecure() (hosts []string) {
	if !t.Site.PlainHTTP || len(t.Images) == 0 {
		return nil
	}
	for _, m := range t.Mirrors() {
		if img := t.Site.PresentImage; (img == nil || !handover.Within(m.String(), img.Sources.Insecure)) && !slices.Contains(hosts, m.Host) {
			hosts = append(hosts, m.Host)
		}
	}
	return hosts
}

// notePlainHTTP says what nodes need for a mirror without TLS.
func (t *Trust) notePlainHTTP() {
	if hosts := t.NewInsecure(); len(hosts) > 0 {
		where := "image.config.openshift.io/cluster"
		if t.Hosted() {
			where = "the image configuration in its HostedCluster"
		}
		t.Note("%s speaks plain HTTP, without TLS: nodes pull from it only if %s has it in insecureRegistries; %s shows how to add it there, before the rules", text.And(hosts), where, handover.FileApply)
	}
}

// Insecure lists what nodes use without checking certificates, once the pages were followed.
func (t *Trust) Insecure() (list []string) {
	if img := t.Site.PresentImage; img != nil {
		list = append(list, img.Sources.Insecure...)
	}
	return append(list, t.NewInsecure()...)
}

const (
	readInsecure = "LIST=$(oc get image.config.openshift.io/cluster -o jsonpath='{.spec.registrySources.insecureRegistries}')"
	setInsecure  = `oc patch image.config.openshift.io/cluster --type=merge -p "{\"spec\":{\"registrySources\":{\"insecureRegistries\":${LIST:-[]}}}}"`
)

// StepPlainHTTP comes before the rules: nodes must not ask the mirror by TLS, which fails.
func (t *Trust) StepPlainHTTP(p *page.Page) {
	hosts := t.NewInsecure()
	if t.Hosted() { // it is its HostedCluster's
		return
	}
	if len(hosts) == 0 {
		if t.Site.PlainHTTP && len(t.Images) > 0 {
			p.Nothing("plain HTTP in image.config")
		}
		return
	}
	p.Step("Plain HTTP: let nodes use it for the mirror")
	p.Text("The mirror answered satchel by plain HTTP. Nodes use only TLS, unless image.config lists the registry. The commands add %s to the list spec.registrySources.insecureRegistries, unless it is there. Nothing else of the list changes.", page.Code(hosts))
	p.Drains("a new entry in insecureRegistries")
	lines := []string{readInsecure, setInsecure}
	for _, host := range hosts {
		lines = append(lines, page.Or(fmt.Sprintf(`echo "$LIST" | grep -F '"%s"'`, host), fmt.Sprintf(`oc patch image.config.openshift.io/cluster --type=json -p '[{"op":"add","path":"/spec/registrySources/insecureRegistries/-","value":"%s"}]'`, host)))
	}
	p.Text("(Versions before 4.7 also reboot each node.)")
	t.Waits(p, "Every node must have the list")
	p.Run(t.Rollout(lines...)...)
	p.Text("Whoever is in the network between the nodes and the mirror can read passwords that are sent to it. Give the mirror a certificate when you can, then remove this entry again (which also drains every node).")
}

// RestorePlainHTTP takes away what was not in the list before.
func (t *Trust) RestorePlainHTTP(p *page.Page) {
	if !t.Site.PlainHTTP || len(t.Images) == 0 || t.Hosted() {
		return
	}
	before, known := t.Before.Insecure()
	var lines []string
	for _, host := range t.Hosts() {
		switch {
		case known && handover.Within(host, before):
		case known:
			lines = append(lines, withoutInsecure(host))
		default:
			lines = append(lines, page.Or(fmt.Sprintf(`echo "$BEFORE" | grep -F '"%s"'`, host), withoutInsecure(host)))
		}
	}
	if len(lines) == 0 {
		return
	}
	p.Step("Plain HTTP: only if the mirror goes away")
	p.Text("The commands take %s out of spec.registrySources.insecureRegistries, if it was not there before satchel. Nothing else of the list changes.", page.Code(t.Hosts()))
	p.Drains("this change")
	first := []string{readInsecure}
	if !known {
		first = append(first, handover.ReadBefore("BEFORE", handover.KeyInsecure))
	}
	lines = append(lines, page.Or(`[ "$LIST" != "[]" ]`, "LIST=null"), setInsecure)
	p.Run(page.Chain(append(first, lines...)...)...)
}

// withoutInsecure takes a host out of the list in LIST, which is JSON.
func withoutInsecure(host string) string {
	return fmt.Sprintf(`LIST=$(echo "$LIST" | sed -e 's|"%s"||' -e 's|,,|,|' -e 's|\[,|[|' -e 's|,\]|]|')`, regexp.QuoteMeta(host))
}
