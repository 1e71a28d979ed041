package needed

import (
	"encoding/json"
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// history is what a ClusterVersion or a HostedCluster says of releases (openshift/api, config/v1;
// openshift/hypershift, v1beta1).
type history []release

type release struct {
	State   string `json:"state"`
	Version string `json:"version"`
	Image   string `json:"image"`
}

// present are the releases that are installed, or that an update to has begun: up to the newest
// that is whole.
func (h history) present() (list history) {
	for _, r := range h {
		list = append(list, r)
		if r.State == "Completed" {
			break
		}
	}
	return list
}

// running lists the releases that a cluster runs, and those of the clusters that it hosts.
func running(s *cluster.State, from sources) (list []imageset.Running) {
	add := func(image, why string) {
		ref, err := oci.ParseRef(from.back(image))
		if err != nil {
			return
		}
		if ref.Digest != "" {
			ref = ref.WithDigest(ref.Digest)
		}
		same := func(r imageset.Running) bool { return ref.Digest != "" && r.Ref.Digest == ref.Digest }
		if !slices.ContainsFunc(list, same) {
			list = append(list, imageset.Running{Ref: ref, Why: text.ASCII(why)})
		}
	}
	if cv, ok := s.One("ClusterVersion", "", "version"); ok {
		var body struct {
			Status struct {
				Desired struct {
					Image string `json:"image"`
				} `json:"desired"`
				History history `json:"history"`
			} `json:"status"`
		}
		if json.Unmarshal(cv.Body, &body) == nil {
			now := body.Status.History.present()
			if len(now) == 0 {
				now = history{{Image: body.Status.Desired.Image}}
			}
			for _, r := range now {
				add(r.Image, "cluster "+s.Name)
			}
		}
	}
	for _, u := range s.Images {
		// A tenant may call a container so too.
		if u.Kind == "Pod" && u.Namespace == "openshift-cluster-version" && u.Container == "cluster-version-operator" && !u.Ended {
			image := u.Image
			if ref, err := oci.ParseRef(image); err != nil || ref.Digest == "" {
				image = u.ID
			}
			add(image, "cluster "+s.Name)
		}
	}
	for _, h := range Hosted(s) {
		for _, r := range h.releases {
			add(r.Image, h.who+" of cluster "+s.Name)
		}
	}
	return list
}

// HostedRelease is what a hosted cluster, or one of its pools of nodes, runs or is about to.
type HostedRelease struct {
	who      string
	releases history
}

// Who names it for people.
func (h HostedRelease) Who() string { return h.who }

// Versions are those of the releases, as far as they are known.
func (h HostedRelease) Versions() (list []string) {
	for _, r := range h.releases {
		if r.Version != "" {
			list = append(list, r.Version)
		}
	}
	return list
}

// Hosted lists what the clusters that a cluster hosts run: their control planes, and each NodePool,
// which keeps its own release when the cluster has gone on (openshift/hypershift, v1beta1).
func Hosted(s *cluster.State) (list []HostedRelease) {
	known := map[string]history{} // by namespace and name of the hosted cluster
	for _, o := range s.Of("HostedCluster") {
		var body struct {
			Spec struct {
				Release struct {
					Image string `json:"image"`
				} `json:"release"`
			} `json:"spec"`
			Status struct {
				Version struct {
					History history `json:"history"`
				} `json:"version"`
			} `json:"status"`
		}
		if json.Unmarshal(o.Body, &body) != nil {
			continue
		}
		all := body.Status.Version.History
		known[o.Namespace+"/"+o.Name] = all
		now := all.present()
		if !slices.ContainsFunc(now, func(r release) bool { return r.Image == body.Spec.Release.Image }) {
			now = append(now, release{Image: body.Spec.Release.Image}) // wanted, and not begun
		}
		list = append(list, HostedRelease{"hosted cluster " + o.Name, now})
	}
	for _, o := range s.Of("NodePool") {
		var body struct {
			Spec struct {
				ClusterName string `json:"clusterName"`
				Release     struct {
					Image string `json:"image"`
				} `json:"release"`
			} `json:"spec"`
			Status struct {
				Version string `json:"version"`
			} `json:"status"`
		}
		if json.Unmarshal(o.Body, &body) != nil {
			continue
		}
		list = append(list, HostedRelease{"node pool " + o.Name, poolReleases(body.Spec.Release.Image, body.Status.Version, known[o.Namespace+"/"+body.Spec.ClusterName])})
	}
	return list
}

// poolReleases are the release that a pool is to run, and the one that its nodes have: that one is
// told by its version alone, and the history of the hosted cluster has its image.
func poolReleases(wanted, has string, of history) (list history) {
	for _, r := range of {
		switch {
		case r.Image == wanted && r.Image != "", r.Version == has && has != "":
			list = append(list, r)
		}
	}
	if !slices.ContainsFunc(list, func(r release) bool { return r.Image == wanted }) {
		list = append(list, release{Image: wanted})
	}
	if has != "" && !slices.ContainsFunc(list, func(r release) bool { return r.Version == has }) {
		list = append(list, release{Version: has})
	}
	return list
}

// Begun lists the versions of a cluster that an update to has begun and not ended, the newest first.
func Begun(s *cluster.State) (list []string) {
	var body struct {
		Status struct {
			History history `json:"history"`
		} `json:"status"`
	}
	if cv, ok := s.One("ClusterVersion", "", "version"); !ok || json.Unmarshal(cv.Body, &body) != nil {
		return nil
	}
	for _, r := range body.Status.History.present() {
		if r.State != "Completed" && r.Version != "" {
			list = append(list, r.Version)
		}
	}
	return list
}
