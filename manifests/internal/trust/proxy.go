package trust

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpproxy"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/oci/text"
)

// clusterProxy is what of proxies.config.openshift.io/cluster matters here (openshift/api,
// config/v1). The status is what nodes have: the network operator adds the cluster's own networks.
type clusterProxy struct {
	Spec, Status struct {
		HTTPProxy  string `json:"httpProxy"`
		HTTPSProxy string `json:"httpsProxy"`
		NoProxy    string `json:"noProxy"`
	}
}

const ProxyObject = "proxy.config.openshift.io/cluster"

// Proxy gives the cluster's proxy; known is false where nothing is known of it.
func (t *Trust) Proxy() (p clusterProxy, known bool) {
	if !t.Site.Cluster.Known("Proxy") {
		return p, false
	}
	one, ok := t.Site.Cluster.One("Proxy", "", "cluster")
	if !ok {
		return p, true
	}
	return p, json.Unmarshal(one.Body, &p) == nil
}

// BehindProxy lists the mirror's hosts that nodes ask through the cluster's proxy; known is false
// where nothing is known of it, and the list then has all of them.
func (t *Trust) BehindProxy() (hosts []string, known bool) {
	p, known := t.Proxy()
	if !known {
		return t.MirrorHosts(), false
	}
	now := p.Status
	if now.HTTPProxy+now.HTTPSProxy == "" { // not taken up yet
		now = p.Spec
	}
	// CRI-O reads its environment as all programs in Go do (MCO, etc-mco-proxy.yaml).
	of := (&httpproxy.Config{HTTPProxy: now.HTTPProxy, HTTPSProxy: now.HTTPSProxy, NoProxy: now.NoProxy}).ProxyFunc()
	for _, m := range t.Mirrors() {
		at := &url.URL{Scheme: "https", Host: m.Host}
		if t.Site.PlainHTTP {
			at.Scheme = "http"
		}
		// A proxy that is no address cannot be judged: it counts as one.
		if through, err := of(at); (through != nil || err != nil) && !slices.Contains(hosts, handover.ProxyHost(m.Host)) {
			hosts = append(hosts, handover.ProxyHost(m.Host))
		}
	}
	return hosts, true
}

// MirrorHosts are the hosts that nodes pull from, as noProxy has them.
func (t *Trust) MirrorHosts() (hosts []string) {
	for _, m := range t.Mirrors() {
		if h := handover.ProxyHost(m.Host); !slices.Contains(hosts, h) {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

// StepProxy comes before everything else: it reboots, and without it nodes cannot pull.
func (t *Trust) StepProxy(p *page.Page) {
	hosts, known := t.BehindProxy()
	if len(t.Images) == 0 || t.Hosted() { // noProxy of a hosted cluster is its HostedCluster's
		return
	}
	if len(hosts) == 0 {
		p.Nothing("the cluster's proxy")
		return
	}
	p.Step("The cluster's proxy: let nodes ask the mirror directly")
	names := text.And(handover.Codes(hosts))
	if known {
		p.Text("The cluster uses a proxy, and its noProxy does not have %s: nodes would send pulls from the mirror through the proxy.", names)
	} else {
		p.Text("If the cluster uses a proxy, nodes send pulls from the mirror through it, unless noProxy has %s. The command prints the proxies and noProxy. If it prints no proxy, or if noProxy covers the mirror (its name, a domain that it is in, or its network), go on with the next step.", names)
		p.Run("oc get " + ProxyObject + ` -o jsonpath='{.status.httpProxy} {.status.httpsProxy}{"\n"}{.status.noProxy}{"\n"}'`)
	}
	p.Text("The commands read what noProxy has now, and add to it only what it does not have.")
	p.Reboots("a change of noProxy")
	t.Waits(p, "Every node must have the new noProxy")
	p.Run(t.Rollout(AddNoProxy(hosts)...)...)
	p.Text("This is noProxy as nodes have it:")
	p.Run("oc get " + ProxyObject + ` -o jsonpath='{.status.noProxy}{"\n"}'`)
}

// AddNoProxy are the lines of a chain that add hosts to noProxy, where a proxy is used that they are not
// excepted from.
func AddNoProxy(hosts []string) []string {
	lines := []string{
		"PROXY=$(oc get " + ProxyObject + " -o jsonpath='{.status.httpProxy}{.status.httpsProxy}')",
		"ALL=$(oc get " + ProxyObject + " -o jsonpath='{.status.noProxy}')",
		"NOW=$(oc get " + ProxyObject + " -o jsonpath='{.spec.noProxy}')",
		"ALL=$(echo \"$ALL\" | tr -d ' ')",
		"NEW=$NOW",
	}
	for _, h := range hosts {
		lines = append(lines, fmt.Sprintf(`case ",$ALL,$NEW," in %s) ;; *) NEW="${NEW:+$NEW,}%s" ;; esac`, strings.Join(CoveredBy(h), "|"), h))
	}
	return append(lines, page.Or(`[ -z "$PROXY" ] || [ "$NEW" = "$NOW" ]`, "oc patch "+ProxyObject+` --type=merge -p '{"spec":{"noProxy":"'"$NEW"'"}}'`))
}

// CoveredBy are the shell's patterns of a list that has a host, or a domain that it is in.
func CoveredBy(host string) []string {
	list := []string{`*,\*,*`, "*," + host + ",*"}
	if _, err := netip.ParseAddr(host); err == nil || strings.Contains(host, "/") {
		return list
	}
	for rest := host; ; {
		i := strings.IndexByte(rest, '.')
		if i < 0 {
			return list
		}
		rest = rest[i+1:]
		list = append(list, "*,"+rest+",*", "*,."+rest+",*", `*,\*.`+rest+",*")
	}
}

// RestoreProxy takes the mirror out of noProxy again.
func (t *Trust) RestoreProxy(p *page.Page) {
	hosts, known := t.BehindProxy()
	if known && len(hosts) == 0 {
		hosts = t.AddedToProxy()
	}
	if len(hosts) == 0 || len(t.Images) == 0 || t.Hosted() {
		return
	}
	p.Step("The cluster's proxy: only if the mirror goes away")
	p.Text("As long as the mirror runs, noProxy may keep it. The commands take out what APPLY.md added; the ConfigMap %s shows what was there before.", handover.BeforeName)
	p.Reboots("a change of noProxy")
	lines := []string{
		handover.ReadBefore("BEFORE", handover.KeyNoProxy),
		"NOW=$(oc get " + ProxyObject + " -o jsonpath='{.spec.noProxy}')",
		`NEW=",$NOW,"`,
	}
	for _, h := range hosts {
		lines = append(lines, fmt.Sprintf(`case ",$BEFORE," in *,%s,*) ;; *) NEW="${NEW/,%s,/,}" ;; esac`, h, strings.ReplaceAll(h, "/", `\/`)))
	}
	lines = append(lines,
		`NEW="${NEW#,}"`, `NEW="${NEW%,}"`,
		`if [ -n "$NEW" ]; then VALUE="\"$NEW\""; else VALUE=null; fi`,
		page.Or(`[ "$NEW" = "$NOW" ]`, "oc patch "+ProxyObject+` --type=merge -p '{"spec":{"noProxy":'"$VALUE"'}}'`))
	p.Run(page.Chain(lines...)...)
}

// AddedToProxy lists the mirror's hosts that stand in noProxy by name, where an earlier run may
// have put them.
func (t *Trust) AddedToProxy() (hosts []string) {
	p, _ := t.Proxy()
	for _, h := range t.MirrorHosts() {
		if slices.Contains(strings.Split(p.Spec.NoProxy, ","), h) {
			hosts = append(hosts, h)
		}
	}
	return hosts
}
