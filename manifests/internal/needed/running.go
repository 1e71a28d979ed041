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
type history []struct {
	State   string `json:"state"`
	Version string `json:"version"`
	Image   string `json:"image"`
}

// present are the releases that are installed, or that an update to has begun: up to the newest
// that is whole.
func (h history) present() (images []string) {
	for _, r := range h {
		images = append(images, r.Image)
		if r.State == "Completed" {
			break
		}
	}
	return images
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
			images := body.Status.History.present()
			if len(images) == 0 {
				images = []string{body.Status.Desired.Image}
			}
			for _, image := range images {
				add(image, "cluster "+s.Name)
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
	for _, o := range s.Of("HostedCluster") {
		var body struct {
			Status struct {
				Version struct {
					History history `json:"history"`
				} `json:"version"`
			} `json:"status"`
		}
		if json.Unmarshal(o.Body, &body) == nil {
			for _, image := range body.Status.Version.History.present() {
				add(image, "hosted cluster "+o.Name+" of cluster "+s.Name)
			}
		}
	}
	return list
}
