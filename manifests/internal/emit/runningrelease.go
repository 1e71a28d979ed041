package emit

import (
	"fmt"
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/oci"
)

// runningPayload is the payload that the cluster is known to run, by its digest.
func (e *emission) runningPayload() (img oci.Image, version string, known bool) {
	var cv struct {
		Status struct {
			Desired struct{ Image, Version string } `json:"desired"`
		} `json:"status"`
	}
	if !e.Read("ClusterVersion", "version", &cv) {
		return img, "", false
	}
	ref, err := oci.ParseRef(cv.Status.Desired.Image)
	if err != nil || ref.Digest == "" {
		return img, "", false
	}
	return oci.Image{Origin: origin.Release, Source: ref, Path: origin.PathPayload, Root: oci.Descriptor{Digest: ref.Digest}}, cv.Status.Desired.Version, true
}

// runningLacks says that the mirror does not have the release that the cluster runs, or is not known
// to have it; "" where it has it, where it is not known what runs, and where the cluster is updated to
// another one before it is cut off.
func (e *emission) runningLacks() string {
	img, version, known := e.runningPayload()
	if !known || e.way.Updates.Leads() && e.cutAlready() == "" || slices.ContainsFunc(e.Payloads, func(have oci.Image) bool { return have.Root.Digest == img.Root.Digest }) {
		return ""
	}
	const bring = "Nodes cannot pull its images again after the cut, and no node can be added: bring it there before (`satchel pack --from-cluster`)"
	switch has, asked := e.Site.RunningInMirror[img.Root.Digest]; {
	case has:
		return ""
	case asked:
		return fmt.Sprintf("the release that the cluster runs, %s (%s), is not in the mirror. %s", version, img.Root.Digest, bring)
	}
	return fmt.Sprintf("this bundle does not have the release that the cluster runs, %s (%s), and the mirror was not asked whether it has it from an earlier one. If it has not: n%s", version, img.Root.Digest, bring[1:])
}

// noteRunning says it where the page begins, unless the bundle has no release at all and nothing
// was found out.
func (e *emission) noteRunning() {
	img, _, _ := e.runningPayload()
	if _, asked := e.Site.RunningInMirror[img.Root.Digest]; !asked && len(e.Payloads) == 0 {
		return
	}
	if why := e.runningLacks(); why != "" {
		e.Note("%s", why)
	}
}

// pageRunning stops the cut where the release that runs is not in the mirror.
func (e *emission) pageRunning(p *page.Page) {
	if why := e.runningLacks(); why != "" {
		p.Text("**Stop: %s.**", why)
	}
}
