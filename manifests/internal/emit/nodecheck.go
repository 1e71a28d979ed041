package emit

import (
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
)

func (e *emission) stepCheck(p *page) {
	if len(e.icsps) == 0 {
		return
	}
	p.step("Check a node")
	p.text("The difference to %s is what rules of other origin add. (Older versions write `mirror-by-digest-only = true` once for each registry, in place of `pull-from-mirror` for each mirror; that is the same.) Then an image by the mirror's name, and by its own as pods pull it:", fileRegistries)
	lines := []string{
		"NODE=$(oc get nodes -o jsonpath='{.items[0].metadata.name}')",
		"oc debug -q node/\"$NODE\" -- chroot /host cat /etc/containers/registries.conf | diff " + fileRegistries + " -",
	}
	if e.ca.written {
		lines = append(lines, "oc debug -q node/\"$NODE\" -- chroot /host ls /etc/docker/certs.d")
	}
	if e.secret.added {
		lines = append(lines, "oc debug -q node/\"$NODE\" -- chroot /host grep -oF '\""+e.site.Mirror.Host+"' /var/lib/kubelet/config.json")
	}
	img, ok := e.ruled()
	if ok {
		lines = append(lines,
			"oc debug -q node/\"$NODE\" -- chroot /host crictl pull "+e.place(img),
			"oc debug -q node/\"$NODE\" -- chroot /host crictl pull "+img.Source.WithDigest(img.Root.Digest).String())
	}
	p.run(lines...)
	if ok {
		p.text("The first pull names the mirror itself. If it fails, stop here: the second may have come from the internet, which a node falls back to as long as it is there.")
	}
	p.text("`journalctl -u crio` on the node names the mirror in \"Trying to access\"; `crictl images` shows an image's own name always.")
}

// ruled is an image that a node pulls through the rules, a payload if there is one.
func (e *emission) ruled() (oci.Image, bool) {
	for _, img := range slices.Concat(e.payloads, e.nodeImages()) {
		// A chart or another artifact cannot be pulled as an image; what was made has no rule.
		if runs := len(img.Platforms) > 0 || img.Path == origin.PathPayload; runs && img.Subject == "" && !img.Built && img.Source.Name() != e.site.Mirror.Repo(img).Name() {
			return img, true
		}
	}
	return oci.Image{}, false
}
