package draft

import (
	"encoding/json"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/needed"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// componentPlaces are where the components of releases are, beside the payload's own place.
var componentPlaces = []string{"quay.io/openshift-release-dev/", "quay.io/okd/", "quay.io/openshift/okd-content"}

// images writes what applications use and neither a release nor an operator brings.
func (w *writer) images() {
	covered := w.ofOperators()
	few := &needed.Needs{}
	for _, u := range w.needs.Uses {
		if !w.ofRelease(u.Image) && !w.ofRelease(u.ID) && !covered[digestOf(u.Image)] && !covered[digestOf(u.ID)] && !covered[u.Image] {
			few.Uses = append(few.Uses, u)
		}
	}
	set, err := few.Pods()
	if err != nil {
		w.notes = append(w.notes, "images are left out: "+err.Error())
		return
	}
	list, notes := set.Images()
	w.notes = append(w.notes, notes...)
	if len(list) > 0 {
		w.any = true
		w.line(1, "# Images that neither the release nor the operators bring, by the digests that run, and who uses them.")
		w.line(1, "additionalImages:")
	}
	taken := map[string]bool{}
	for _, p := range list {
		ref := p.Ref
		if p.Tag != "" && ref.Tag == "" && !taken[ref.Name()+":"+p.Tag] {
			ref.Tag = p.Tag // of several images that were called so, the first has the tag in the mirror
		}
		taken[ref.Name()+":"+ref.Tag] = true
		w.line(1, "- name: %s # %s", quoted(ref.String()), text.ASCII(p.Why))
	}
}

// ofRelease reports whether an image is a component of a release.
func (w *writer) ofRelease(image string) bool {
	for _, place := range componentPlaces {
		if strings.HasPrefix(image, place) {
			return true
		}
	}
	ref, err := oci.ParseRef(image)
	if err != nil {
		return false
	}
	for _, r := range w.needs.Running {
		if ref.Name() == r.Ref.Name() || ref.Digest != "" && ref.Digest == r.Ref.Digest {
			return true
		}
	}
	return false
}

// ofOperators are the images that installed ClusterServiceVersions name as theirs, by name and by
// digest.
func (w *writer) ofOperators() map[string]bool {
	covered := map[string]bool{}
	for _, s := range w.list {
		for _, o := range s.Of("ClusterServiceVersion") {
			var csv struct {
				Spec struct {
					Related []struct {
						Image string `json:"image"`
					} `json:"relatedImages"`
				} `json:"spec"`
			}
			if json.Unmarshal(o.Body, &csv) != nil {
				continue
			}
			for _, r := range csv.Spec.Related {
				covered[r.Image], covered[digestOf(r.Image)] = true, true
			}
		}
	}
	delete(covered, "")
	return covered
}

// digestOf is the digest in the name of an image; "" if there is none.
func digestOf(image string) string {
	_, digest, _ := strings.Cut(image, "@")
	return digest
}
