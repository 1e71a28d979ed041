package update

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Limits of PinnedImageSets (openshift-docs #99799; machine config operator, pinned_image_set.go).
const (
	// maxPinned is how many images one object may have.
	maxPinned = 500
	// roomPinned is how many times their size images need on a node while they are loaded.
	roomPinned = 2
	// leftPinned is what the machine config operator wants to have left then, in bytes
	// (MinFreeStorageAfterPrefetch).
	leftPinned = 16 << 30
)

// pinnedSince is the first release with PinnedImageSets. Before it they are a technology preview,
// and a cluster with previews gets no updates any more.
var pinnedSince = semver.MustParse("4.19.12")

type (
	PinnedImageSet struct {
		kube.Object
		Spec struct {
			PinnedImages []pinnedImage `json:"pinnedImages"`
		} `json:"spec"`
	}
	pinnedImage struct {
		Name string `json:"name"`
	}
)

// pinnedState is what the pages need to know of the images that nodes load before an update.
type pinnedState struct {
	payload oci.Image
	pools   []string
	files   map[string][]handover.Named // of each pool
	count   int                         // of the images
}

// EmitPinned writes the images of the next update, for nodes to load before it.
func (w *Way) EmitPinned() error {
	if !w.Site.PinImages {
		return nil
	}
	next, why := w.nextPinned()
	if why != "" {
		w.Note("no PinnedImageSet is written: %s", why)
		return nil
	}
	w.pinned = pinnedState{payload: next.img, pools: w.poolNames(), files: map[string][]handover.Named{}}
	images := w.imagesOf(next.img)
	w.pinned.count = len(images)
	for _, pool := range w.pinned.pools {
		n := 0
		for some := range slices.Chunk(images, maxPinned) {
			n++
			name := fmt.Sprintf("satchel-%s-%d", pool, n)
			set := PinnedImageSet{Object: kube.Ours("machineconfiguration.openshift.io/v1", "PinnedImageSet", name, "")}
			set.Metadata.Labels["machineconfiguration.openshift.io/role"] = pool
			set.Spec.PinnedImages = some
			file := fmt.Sprintf("pinnedimageset-%s-%d.yaml", pool, n)
			w.pinned.files[pool] = append(w.pinned.files[pool], handover.Named{Name: name, File: file})
			if err := w.AddObject(file, handover.ModePublic, set); err != nil {
				return err
			}
		}
	}
	return nil
}

// nextPinned is the release of the first update that is left, or why its images are not loaded before.
func (w *Way) nextPinned() (next carriedPayload, why string) {
	running, known := w.Site.Cluster.Running()
	next, found := w.nextPayload()
	switch {
	case !known:
		why = "it is not known which version the cluster runs (--cluster-version, --from-cluster)"
	case running.LT(pinnedSince):
		why = fmt.Sprintf("the cluster runs %s. Before %s they are a technology preview, and a cluster with technology previews gets no updates any more", running, pinnedSince)
	case w.Hosted():
		why = "a hosted cluster has no machine config pools"
	case found && next.earlier:
		why = fmt.Sprintf("the next release, %s, came with an earlier bundle, and this one does not list its images", origin.PayloadName(next.img))
	case found:
	case w.Updates.refused != nil:
		why = fmt.Sprintf("nodes would refuse images of %s, because signatures are missing or wrong (see the step about rules in %s)", origin.PayloadName(w.Updates.refused.img), handover.FileApply)
	case len(w.Updates.apart) > 0:
		why = fmt.Sprintf("satchel knows of no update from %s, which the cluster runs, to a newer release of the bundle", running)
	default:
		why = fmt.Sprintf("the bundle has no release that the cluster, which runs %s, is to be updated to", running)
	}
	return next, why
}

// nextPayload is the release of the first update that is left for the cluster.
func (w *Way) nextPayload() (next carriedPayload, found bool) {
	stages := w.Updates.stages
	if w.UpdateFirst() { // it comes before the step that loads images
		stages = stages[1:]
	}
	steps := stepsOf(stages)
	if len(steps) == 0 {
		return carriedPayload{}, false
	}
	return w.Updates.of(steps[0].To)
}

// imagesOf lists a payload and its components, under the names that pods have for them.
func (w *Way) imagesOf(payload oci.Image) (list []pinnedImage) {
	for _, img := range origin.ReleaseImages(w.Images)[payload.Root.Digest] {
		list = append(list, pinnedImage{img.Source.WithDigest(img.Root.Digest).String()})
	}
	slices.SortFunc(list, func(a, b pinnedImage) int { return cmp.Compare(a.Name, b.Name) })
	return slices.Compact(list)
}

// poolNames are the machine config pools: those of the site first, the control plane's last.
func (w *Way) poolNames() (list []string) {
	for _, o := range w.Site.Cluster.Of("MachineConfigPool") {
		list = append(list, o.Name)
	}
	if len(list) == 0 {
		list = []string{"worker", "master"}
	}
	rank := func(name string) int {
		switch name {
		case "worker":
			return 1
		case "master":
			return 2
		}
		return 0
	}
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b)) })
	return list
}

// StepPinned has the nodes load the images of the next update, one pool after the other.
func (w *Way) StepPinned(p *page.Page) {
	if len(w.pinned.files) == 0 {
		return
	}
	p.Step("Load the images of the update before it")
	p.Text("Nodes load the %s of %s now, and keep them, so that the update itself pulls nothing. Nodes: no drain and no reboot.", text.Count(w.pinned.count, "image", "images"), origin.PayloadName(w.pinned.payload))
	if size := w.Site.PayloadBytes[w.pinned.payload.Root.Digest]; size > 0 {
		p.Text("**Each node needs up to %.1f GB of free space in /var/lib/containers**: %d times what the images have packed, and %.1f GB that must be left. The first command shows what one node has.", float64(roomPinned*size+leftPinned)/1e9, roomPinned, leftPinned/1e9)
	} else {
		p.Text("**Each node needs %d times the size of the images as free space in /var/lib/containers, and %.1f GB that must be left.** The first command shows what one node has.", roomPinned, leftPinned/1e9)
	}
	p.Run("NODE=$("+handover.ReadyNodes()+" | head -n 1)", "oc debug -q node/\"$NODE\" -- chroot /host df -h /var/lib/containers")
	for i, pool := range w.pinned.pools {
		if i == 0 && len(w.pinned.pools) > 1 {
			p.Text("Begin with the pool `%s`, and go on only when each of its nodes has loaded the images: LOADED has as many numbers as SETS has names, each of them the GENERATION of its set, and FAILED is False. LOADING alone does not show it: it is False too before a node begins.", pool)
		} else {
			p.Text("Then the pool `%s`.", pool)
		}
		p.Run("oc apply"+handover.Flagged(w.pinned.files[pool]), "oc get pinnedimageset -o custom-columns=SET:.metadata.name,GENERATION:.metadata.generation", `oc get machineconfignodes -o custom-columns='NODE:.metadata.name,POOL:.spec.pool.name,SETS:.status.pinnedImageSets[*].name,LOADED:.status.pinnedImageSets[*].currentGeneration,LOADING:.status.conditions[?(@.type=="PinnedImageSetsProgressing")].status,FAILED:.status.conditions[?(@.type=="PinnedImageSetsDegraded")].status'`)
	}
}

// StepUnpin lets go of the images when the update is done.
func (w *Way) StepUnpin(p *page.Page) {
	var stale []string
	for _, o := range w.Site.Cluster.Of("PinnedImageSet") {
		if handover.Ours(o) && !w.pins(o.Name) {
			stale = append(stale, o.Name)
		}
	}
	switch {
	case len(w.pinned.files) > 0:
		p.Step("After the update: let nodes delete the images that they kept for it")
		p.Text("Only when every node runs %s. Nodes: no drain and no reboot.", origin.PayloadName(w.pinned.payload))
		for _, list := range w.pinned.files {
			for _, o := range list {
				stale = append(stale, o.Name)
			}
		}
	case len(stale) > 0:
		p.Step("Images that nodes keep for an earlier update")
		p.Text("If that update is done, nodes need not keep them. Nodes: no drain and no reboot.")
	default:
		return
	}
	slices.Sort(stale)
	p.Run("oc delete pinnedimageset --ignore-not-found " + strings.Join(slices.Compact(stale), " "))
}

// pins reports whether an object is one of those that are written.
func (w *Way) pins(name string) bool {
	for _, list := range w.pinned.files {
		if slices.ContainsFunc(list, func(o handover.Named) bool { return o.Name == name }) {
			return true
		}
	}
	return false
}
