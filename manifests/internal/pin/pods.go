package pin

import (
	"fmt"
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
)

// forPods has what pods use carried for all platforms, since pods do not say for which
// node's they need it: whichever image it is, and wherever it goes.
func forPods(list []Found) {
	used := map[oci.Ref]bool{}
	for _, f := range list {
		used[f.at()] = used[f.at()] || f.pods
	}
	for i := range list {
		if f := &list[i]; f.at() != (oci.Ref{}) && used[f.at()] {
			f.only = nil
		}
	}
}

// allOf reports whether list has every tag.
func allOf(tags, list []string) bool {
	return !slices.ContainsFunc(tags, func(t string) bool { return !slices.Contains(list, t) })
}

// withoutPods takes out images of pods that turned out to be others of the list: each
// is carried where that other is wanted. The others say then that pods name them by a tag.
func withoutPods(list []Found) []Found {
	tags := map[oci.Ref][]string{}
	for _, f := range list {
		if at := f.at(); at != (oci.Ref{}) && f.Image.Origin != origin.Pod {
			tags[at] = append(tags[at], f.Image.Tags...)
		}
	}
	named := map[oci.Ref][]oci.Reason{}
	list = slices.DeleteFunc(list, func(f Found) bool {
		others, ok := tags[f.at()]
		out := ok && f.Image.Origin == origin.Pod && allOf(f.Image.Tags, others)
		if out && len(f.Image.Tags) > 0 {
			named[f.at()] = append(named[f.at()], f.Image.Reasons...)
		}
		return out
	})
	for i := range list {
		if img := &list[i].Image; len(img.Tags) > 0 && len(named[list[i].at()]) > 0 {
			img.Reasons = oci.SortReasons(slices.Concat(img.Reasons, named[list[i].at()]))
		}
	}
	return list
}

// AssignPodTags has a tag that two images want in the mirror stay with the one that is not of
// a pod, else with the first: a cluster may run several versions of a tag, and each is
// carried by digest.
func AssignPodTags(images []oci.Image, note func(string)) {
	taken := map[string]oci.Image{} // by place
	for _, pods := range []bool{false, true} {
		for i := range images {
			img := &images[i]
			if pods != (img.Origin == origin.Pod) {
				continue
			}
			img.Tags = slices.DeleteFunc(slices.Clone(img.Tags), func(tag string) bool {
				at := img.MirrorPath() + ":" + tag
				other, there := taken[at]
				if !there {
					taken[at] = *img
				}
				lost := pods && there && other.Root.Digest != img.Root.Digest
				if lost {
					note(fmt.Sprintf("%s, which pods name by the tag %s, is carried only by its digest: that tag is %s in the mirror", img.Source.WithDigest(img.Root.Digest), tag, other.Source))
				}
				return lost
			})
		}
	}
}
