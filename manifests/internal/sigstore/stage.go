package sigstore

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/updatepath"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Stage is what nodes demand at one point of a cluster's way: as it is, or while it runs a
// release.
type Stage struct {
	Version  semver.Version // that runs; the zero value for the cluster as it is, if that is not known
	Policies []*Policy

	by map[string][]*Policy // what pods of each namespace must satisfy; see [ByNamespace]
}

// Way is the way of a cluster, from the release that runs to the newest that it may get.
type Way struct {
	Stages  []Stage        // by version
	Running semver.Version // the zero value: not known

	// Uses reports whether pods of a namespace name images of a repository now; nil: not known, so
	// all may. Pods that come with new images are not among them.
	Uses func(namespace, repository string) bool
}

// Present are the policies that a cluster has now.
type Present struct {
	Policies []*Policy
	Whole    bool // it has no other ClusterImagePolicy
}

// Release is a release, and the policies that its payload brings.
type Release struct {
	Version  semver.Version
	Policies []json.RawMessage
}

// zero reports whether a version is not known.
func zero(v semver.Version) bool { return v.Equals(semver.Version{}) }

// WayOf finds out what is demanded on the way over those of the releases that are not older
// than the one that runs. hosted is for a cluster whose control plane runs elsewhere.
func WayOf(running semver.Version, present Present, releases []Release, hosted bool) (*Way, error) {
	w := &Way{Running: running}
	if present.Whole || len(present.Policies) > 0 {
		w.Stages = append(w.Stages, Stage{Version: running, Policies: present.Policies})
	}
	releases = slices.SortedFunc(slices.Values(releases), func(a, b Release) int { return origin.CompareReleases(a.Version, b.Version) })
	for _, r := range releases {
		if !zero(running) && (origin.CompareReleases(r.Version, running) < 0 || r.Version.Equals(running) && present.Whole) {
			continue
		}
		policies := slices.Clone(present.Policies) // those of others stay
		for _, body := range r.Policies {
			if !enforced(body, hosted) {
				continue
			}
			p, err := Parse(body)
			if err != nil {
				return nil, err
			}
			policies = slices.DeleteFunc(policies, func(have *Policy) bool { return have.String() == p.String() })
			policies = append(policies, p)
		}
		w.Stages = append(w.Stages, Stage{Version: r.Version, Policies: policies})
	}
	for i := range w.Stages {
		w.Stages[i].by = ByNamespace(w.Stages[i].Policies)
	}
	return w, nil
}

// enforced reports whether a cluster without feature gates gets an object of a payload
// (openshift/library-go, manifest.Include): one for technology previews, or for other
// kinds of clusters, it does not get.
func enforced(body []byte, hosted bool) bool {
	var o struct {
		Metadata struct {
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
	}
	if json.Unmarshal(body, &o) != nil {
		return true // Parse says what is wrong with it
	}
	a := o.Metadata.Annotations
	if sets, ok := a["release.openshift.io/feature-set"]; ok && !slices.Contains(strings.Split(sets, ","), "Default") {
		return false
	}
	if a["release.openshift.io/delete"] == "true" {
		return false
	}
	const include = "include.release.openshift.io/"
	profile := "self-managed-high-availability"
	if hosted {
		profile = "ibm-cloud-managed"
	}
	for key := range maps.Keys(a) {
		if strings.HasPrefix(key, include) {
			return a[include+profile] == "true"
		}
	}
	return true
}

// applies reports whether nodes may pull an image of these releases while the stage lasts. What
// runs now is judged by each release on the way: worker nodes that wait keep it until the last.
// A later release is run until the cluster has updated from it: at most a minor version further.
// Newer images come first under the older rules. An image of no known release counts as one of
// the release that runs.
func (w *Way) applies(s Stage, versions []semver.Version) bool {
	if len(versions) == 0 || zero(s.Version) {
		return true
	}
	stage := updatepath.MinorOf(s.Version)
	return slices.ContainsFunc(versions, func(v semver.Version) bool {
		of := updatepath.MinorOf(v)
		return !zero(w.Running) && v.EQ(w.Running) || !of.Before(stage) || updatepath.Follows(of, stage)
	})
}

// VersionsOf lists the releases that an image is part of.
func VersionsOf(img oci.Image) (list []semver.Version) {
	for _, r := range img.Reasons {
		if r.Kind != origin.KindRelease {
			continue
		}
		name, _, _ := strings.Cut(r.Name, " ")
		if v, err := semver.Parse(name); err == nil {
			list = append(list, v)
		}
	}
	return list
}

// Demanded is a policy that an image must satisfy, and when.
type Demanded struct {
	Policy *Policy
	Unused bool // it is an ImagePolicy, and no pods of its namespace name the repository now
	stages []semver.Version
}

// When says for people when the policy counts: now, and with which releases.
func (d Demanded) When() string {
	var names, parts []string
	for _, v := range d.stages {
		switch {
		case !zero(v) && !slices.Contains(names, v.String()):
			names = append(names, v.String())
		case zero(v) && len(parts) == 0:
			parts = append(parts, "now")
		}
	}
	if len(names) > 0 {
		parts = append(parts, "with "+text.Some(names, 3))
	}
	return strings.Join(parts, " and ")
}

// unused reports whether no pods that a policy binds name the repository of an image now.
func (w *Way) unused(p *Policy, pulled oci.Ref) bool {
	return p.Namespace != "" && w.Uses != nil && !w.Uses(p.Namespace, pulled.Name())
}

// on lists the policies of the way that an image must satisfy, each once.
func (w *Way) on(img oci.Image, pulled oci.Ref) (list []Demanded) {
	versions := VersionsOf(img)
	for _, s := range w.Stages {
		if !w.applies(s, versions) {
			continue
		}
		for _, ns := range slices.Sorted(maps.Keys(s.by)) {
			for _, p := range For(s.by[ns], pulled) {
				i := slices.IndexFunc(list, func(d Demanded) bool { return d.Policy.origin == p.origin })
				if i < 0 {
					i, list = len(list), append(list, Demanded{Policy: p, Unused: w.unused(p, pulled)})
				}
				list[i].stages = append(list[i].stages, s.Version)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b Demanded) int { return cmp.Compare(a.Policy.String(), b.Policy.String()) })
	return list
}
