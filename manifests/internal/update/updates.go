package update

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/blang/semver/v4"
	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/lead"
	"github.com/satchel-airgap/satchel/manifests/internal/operatorhub"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/sigstore"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/manifests/internal/trust"
	"github.com/satchel-airgap/satchel/manifests/internal/updatepath"
	"github.com/satchel-airgap/satchel/oci"
)

// carriedPayload is a payload of the bundle whose tag says what it is.
type carriedPayload struct {
	img     oci.Image
	version semver.Version
	arch    string                  // as releases write it
	facts   *documents.PayloadFacts // nil: not known
	earlier bool                    // another bundle brought it, and the mirror has it
}

// updates are what is to be done to get the cluster to the newest release of the bundle.
type updates struct {
	running semver.Version
	known   bool // which release runs
	// arch is that of the payloads for this cluster, "" where it is not known and the bundle
	// has several.
	arch    string
	carried []carriedPayload // of that architecture, the oldest first
	others  []oci.Image      // of other architectures
	unnamed []oci.Image      // whose tag is no version
	stages  []updatepath.Stage
	paused  bool             // the first stage is under way: pools of worker nodes wait already
	apart   []semver.Version // of the bundle, that no known update leads to
	// refused is the release before which the way ends, because nodes would refuse images.
	refused       *carriedPayload
	refusedImages []sigstore.Unsigned
}

// Way is the part of the updates.
type Way struct {
	*handover.Handover
	Trust   *trust.Trust
	Hub     *operatorhub.Hub
	Lead    *lead.Lead
	signed  []signedPayload
	Update  updateState
	pinned  pinnedState
	Updates updates
}

// FindUpdates finds the updates that are left, over the releases of the bundle and, between them,
// those of earlier bundles that the mirror still has. Where the release that runs is not known, they
// begin with the oldest of the bundle.
func (w *Way) FindUpdates() {
	w.sortPayloads()
	u := &w.Updates
	if len(u.carried) == 0 {
		return
	}
	var steps []updatepath.Step
	from := u.running
	if !u.known {
		from = u.carried[0].version
		steps = []updatepath.Step{{To: from}}
	}
	found, apart := updatepath.Find(from, u.Releases())
	u.apart = slices.DeleteFunc(apart, func(v semver.Version) bool {
		c, _ := u.of(v)
		return c.earlier
	})
	steps = w.untilRefused(append(steps, found...))
	w.Lead.Reached = w.reached(steps)
	u.stages = updatepath.Stages(steps)
	if u.paused = len(u.stages) > 0 && w.UnderWay(); u.paused {
		u.stages = split(u.stages)
	}
}

// sortPayloads finds the payloads that are for the cluster.
func (w *Way) sortPayloads() {
	u := updates{}
	u.running, u.known = w.Site.Cluster.Running()
	var all []carriedPayload
	all, u.unnamed = w.carriedPayloads()
	archs := map[string]bool{}
	for _, c := range all {
		if !c.earlier {
			archs[c.arch] = true
		}
	}
	u.arch = w.clusterArch(all)
	if u.arch == "" && len(archs) == 1 {
		u.arch = slices.Collect(maps.Keys(archs))[0]
	}
	for _, c := range all {
		switch {
		case c.arch == u.arch:
			u.carried = append(u.carried, c)
		case !c.earlier:
			u.others = append(u.others, c.img)
		}
	}
	u.keepBetween()
	w.Updates = u
}

// untilRefused ends a way before the first release with which nodes would refuse images that they need.
func (w *Way) untilRefused(steps []updatepath.Step) []updatepath.Step {
	u := &w.Updates
	for i, s := range steps {
		c, ok := u.of(s.To)
		if !ok {
			continue
		}
		refused := w.Lead.RefusedFrom(s.To, c.img, u.running, func(img oci.Image) bool {
			return u.runs(img) || slices.ContainsFunc(steps[:i], func(s updatepath.Step) bool {
				before, ok := u.of(s.To)
				return ok && lead.PartOf(before.img, img)
			})
		})
		if len(refused) > 0 {
			u.refused, u.refusedImages = &c, refused
			return steps[:i]
		}
	}
	return steps
}

// runs reports whether an image is one of the release that the cluster runs.
func (u *updates) runs(img oci.Image) bool {
	return u.known && slices.ContainsFunc(img.Reasons, func(r oci.Reason) bool {
		return r.Kind == origin.KindRelease && (r.Name == origin.NameRunning(u.running.String()) || r.Name == u.running.String()+" "+u.arch)
	})
}

// reached are the release that runs and those that steps lead to; nil where it is not sure that
// others are not updated to.
func (w *Way) reached(steps []updatepath.Step) map[string]bool {
	u := &w.Updates
	unknown := slices.ContainsFunc(u.carried, func(c carriedPayload) bool {
		return c.facts == nil && origin.CompareReleases(c.version, u.running) > 0
	})
	if !u.known || u.arch == "" || unknown || len(u.unnamed) > 0 || w.Site.Unchecked && len(u.apart) > 0 {
		return nil
	}
	list := map[string]bool{u.running.String(): true}
	for _, s := range steps {
		list[s.To.String()] = true
	}
	return list
}

// keepBetween leaves out what earlier bundles brought and no update of this cluster may lead over: it
// is not newer than what runs, or not older than the newest release of this bundle.
func (u *updates) keepBetween() {
	var own []carriedPayload
	for _, c := range u.carried {
		if !c.earlier {
			own = append(own, c)
		}
	}
	u.carried = slices.DeleteFunc(u.carried, func(c carriedPayload) bool {
		if !c.earlier {
			return false
		}
		if len(own) == 0 || origin.CompareReleases(c.version, own[len(own)-1].version) >= 0 {
			return true
		}
		if u.known {
			return origin.CompareReleases(c.version, u.running) <= 0
		}
		return origin.CompareReleases(c.version, own[0].version) <= 0
	})
}

// UpdateFirst reports whether an update that is under way comes before the other steps: the pools of
// worker nodes are paused for it, and get nothing else until it is done.
func (w *Way) UpdateFirst() bool {
	return w.Updates.paused && !w.ReleaseIncomplete() && !w.MasterPaused() && w.Updates.arch != "" && !w.Hosted()
}

// begun reports whether updates are those that worker nodes wait for already.
func (w *Way) begun(steps []updatepath.Step) bool {
	return w.UpdateFirst() && steps[0].To.EQ(w.Updates.stages[0].Steps[0].To)
}

// Releases are the payloads as the search for a path takes them.
func (u *updates) Releases() (list []updatepath.Release) {
	for _, c := range u.carried {
		r := updatepath.Release{Version: c.version}
		if c.facts != nil {
			r = site.UpdateRelease(c.facts)
			r.Version = c.version
		}
		list = append(list, r)
	}
	return list
}

// steps lists the updates of all stages.
func (u *updates) steps() []updatepath.Step { return stepsOf(u.stages) }

func stepsOf(stages []updatepath.Stage) (list []updatepath.Step) {
	for _, s := range stages {
		list = append(list, s.Steps...)
	}
	return list
}

// Leads reports whether there is an update to do.
func (u *updates) Leads() bool { return len(u.steps()) > 0 }

// of gives the payload of a version.
func (u *updates) of(v semver.Version) (carriedPayload, bool) {
	i := slices.IndexFunc(u.carried, func(c carriedPayload) bool { return c.version.EQ(v) })
	if i < 0 {
		return carriedPayload{}, false
	}
	return u.carried[i], true
}

// carriedPayloads sorts the payloads, those of earlier bundles among them, the oldest first, and
// gives those of the bundle apart whose tag is no version.
func (w *Way) carriedPayloads() (list []carriedPayload, others []oci.Image) {
	has := map[digest.Digest]bool{}
	for _, img := range w.Payloads {
		has[img.Root.Digest] = true
		c := carriedPayload{img: img}
		for _, tag := range append(img.NamedTags(), img.Source.Tag) {
			if t, ok := origin.ParseReleaseTag(tag); ok {
				c.version, c.arch = t.Version, t.Arch
				break
			}
		}
		if c.arch == "" {
			others = append(others, img)
			continue
		}
		for i := range w.Site.Payloads {
			if f := &w.Site.Payloads[i]; f.Payload == img.Root.Digest {
				c.facts = f
			}
		}
		list = append(list, c)
	}
	for i := range w.Site.EarlierReleases {
		if e := &w.Site.EarlierReleases[i]; !has[e.Image.Root.Digest] {
			list = append(list, carriedPayload{img: e.Image, version: e.Facts.Version, arch: e.Facts.Architecture, facts: &e.Facts, earlier: true})
		}
	}
	slices.SortStableFunc(list, func(a, b carriedPayload) int { return origin.CompareReleases(a.version, b.version) })
	return list, others
}

// archNames are the architectures that releases write otherwise than Go.
var archNames = map[string]string{"amd64": "x86_64", "arm64": "aarch64", "multi": "multi"}

// clusterArch is the architecture of the payload that the cluster runs, as releases write it: of
// its own digest, if the bundle has it, else as the version operator says, else of all nodes;
// "" where it is not known.
func (w *Way) clusterArch(carried []carriedPayload) string {
	var cv struct {
		Status struct {
			Desired struct {
				Image        string `json:"image"`
				Architecture string `json:"architecture"`
			} `json:"desired"`
			Conditions []struct{ Type, Message string } `json:"conditions"`
		} `json:"status"`
	}
	if one, ok := w.Present("ClusterVersion", "", "version"); ok && json.Unmarshal(one.Body, &cv) == nil {
		for _, c := range carried {
			if strings.HasSuffix(cv.Status.Desired.Image, "@"+c.img.Root.Digest.String()) {
				return c.arch
			}
		}
		if cv.Status.Desired.Architecture == "Multi" {
			return "multi"
		}
		for _, c := range cv.Status.Conditions {
			if _, arch, ok := strings.Cut(c.Message, `architecture="`); ok && c.Type == "ReleaseAccepted" {
				arch, _, _ = strings.Cut(arch, `"`)
				return releaseArch(strings.ToLower(arch))
			}
		}
	}
	archs := map[string]bool{}
	for _, node := range w.Site.Cluster.Of("Node") {
		archs[nodeArch(node.Body)] = true
	}
	switch len(archs) {
	case 0:
		return ""
	case 1:
		for arch := range archs {
			return releaseArch(arch)
		}
	}
	return "multi"
}

func releaseArch(arch string) string {
	if name := archNames[arch]; name != "" {
		return name
	}
	return arch
}

// nodeArch is the architecture of a node, as Go writes it.
func nodeArch(body json.RawMessage) string {
	var n struct {
		Status struct {
			NodeInfo struct {
				Architecture string `json:"architecture"`
			} `json:"nodeInfo"`
		} `json:"status"`
	}
	_ = json.Unmarshal(body, &n) // "" then, as of a node that says nothing
	return n.Status.NodeInfo.Architecture
}
