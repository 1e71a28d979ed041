package emit

import (
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/oci"
)

// eachOf is a command that prints a Ready node of each pool: nodes of a pool have the same
// configuration. mark is what nodes of a pool have in common, in their metadata.
func eachOf(mark string) string {
	return `oc get nodes -l kubernetes.io/os=linux -o jsonpath='{range .items[*]}{.status.conditions[?(@.type=="Ready")].status} {.metadata.` + mark + `}+ {.metadata.name}{"\n"}{end}' | grep '^True ' | sort -u -k 2,2 | cut -d ' ' -f3`
}

const (
	markPool     = `annotations.machineconfiguration\.openshift\.io/currentConfig`
	markNodePool = `labels.hypershift\.openshift\.io/nodePool` // of the nodes of a hosted cluster (openshift/hypershift)
)

// stepCheck looks whether nodes have what the steps before gave them.
func (e *emission) stepCheck(p *page.Page) {
	if rules := len(e.lead.ICSPs) > 0 || e.Hosted() && len(e.lead.HostedRules()) > 0; !rules {
		return
	}
	idle := p.IdleParts()
	if slices.Contains(idle, handover.IdleHosted) || slices.Contains(idle, handover.IdleRules) && (!e.trust.CA.Written || slices.Contains(idle, handover.IdleCA)) {
		p.Nothing("a check of a node")
		return
	}
	p.Step("Check a node")
	img, pulls := e.sampleImage()
	e.pageCheck(p, pulls)
	mark := markPool
	if e.Hosted() {
		mark = markNodePool
	}
	lines := []string{
		"echo \"== $NODE\"",
		"oc debug -q node/\"$NODE\" -- chroot /host cat /etc/containers/registries.conf | diff " + handover.FileRegistries + " -",
	}
	if e.trust.CA.Written && !e.Hosted() { // there, the mirror's authorities are among those of the system
		lines = append(lines, "oc debug -q node/\"$NODE\" -- chroot /host ls /etc/docker/certs.d")
	}
	if nodes := e.login.Secret.Nodes; nodes != nil {
		for _, name := range nodes.Names() {
			lines = append(lines, "oc debug -q node/\"$NODE\" -- chroot /host grep -oF '\""+name+"\"' /var/lib/kubelet/config.json")
		}
	}
	if pulls {
		for _, place := range append(e.Places(img), img.Source.WithDigest(img.Root.Digest).String()) {
			lines = append(lines, "oc debug -q node/\"$NODE\" -- chroot /host crictl pull "+page.Shell(place))
		}
	}
	p.Run(page.Each("NODE", eachOf(mark), lines...)...)
	if pulls {
		p.Text("If a pull by a name in the mirror fails, stop here, even if the last one works: nodes fall back to the internet while they can reach it.")
	}
	p.Text("`journalctl -u crio` on the node shows the mirror in \"Trying to access\". `crictl images` always shows an image's own name.")
}

// pageCheck says what the loop looks at, and what may differ.
func (e *emission) pageCheck(p *page.Page, pulls bool) {
	pool, differ := "pool", "that satchel did not write"
	if e.Site.PresentRules != nil {
		differ = "that changed after you saved the present ones"
	}
	if e.Hosted() {
		pool = "NodePool"
	}
	p.Text("The loop looks at one Ready node of each %s. (If it prints STOP, no node is Ready, or the nodes cannot be read.) The command with `diff` compares its registries.conf with the one here. Nodes of a %[1]s that is paused differ until it is resumed. Other differences come from rules %s. (Older versions write `mirror-by-digest-only = true` once for each registry, not `pull-from-mirror` for each mirror. Both mean the same.)", pool, differ)
	if pulls {
		p.Text("The last commands of the loop pull an image: first by its name in the mirror, with the credential that the node has now, then by its own name, as pods do.")
	}
}

// sampleImage finds an image that a node pulls through the rules, if possible a payload.
func (e *emission) sampleImage() (oci.Image, bool) {
	for _, img := range slices.Concat(e.Payloads, e.NodeImages()) {
		// A chart or another artifact cannot be pulled as an image; no rule is for a built image.
		if e.lead.Withheld(img.Source.Name()) {
			continue
		}
		if runs := len(img.Platforms) > 0 || img.Path == origin.PathPayload; runs && img.Subject == "" && !img.Built && img.Source.Name() != e.Repo(img).Name() {
			return img, true
		}
	}
	return oci.Image{}, false
}
