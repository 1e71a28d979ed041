package cluster

import (
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/updatepath"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Release is one that a cluster needs.
type Release struct {
	Version string // may be empty
	Digest  string // of its image, sha256:HEX; may be empty, but not both
	Why     string // present, desired, begun, or before
	From    string // which file says so
}

// release is how a ClusterVersion names one.
type release struct {
	Version string `json:"version"`
	Image   string `json:"image"`
	State   string `json:"state"`
}

// clusterVersion reads what a cluster runs (openshift/api, config/v1, ClusterVersion). The
// history has the newest first.
func (r *reading) clusterVersion(body []byte) error {
	var cv struct {
		Spec struct {
			ClusterID     string  `json:"clusterID"`
			DesiredUpdate release `json:"desiredUpdate"`
		} `json:"spec"`
		Status struct {
			Desired release   `json:"desired"`
			History []release `json:"history"`
		} `json:"status"`
	}
	if err := json.Unmarshal(body, &cv); err != nil {
		return err
	}
	r.cluster(cv.Spec.ClusterID)
	named := r.release(cv.Spec.DesiredUpdate, "desired")
	named = r.release(cv.Status.Desired, "desired") || named
	at := 0
	for i, one := range cv.Status.History {
		at = i + 1
		if one.State == "Completed" {
			named = r.release(one, "present") || named
			break
		}
		named = r.release(one, "begun") || named
	}
	r.earlier(cv.Status.History, at)
	if !named {
		return &Error{Why: "a ClusterVersion names no release"}
	}
	return nil
}

// minorsBehind is how far nodes of a pool that is paused may be behind: an update from one
// release with extended support to the next goes over the one between them.
const minorsBehind = 2

// earlier adds the last release of each minor version before the present one, which nodes
// of a paused pool may still run.
func (r *reading) earlier(history []release, at int) {
	if at == 0 {
		return
	}
	present, err := semver.Parse(history[at-1].Version)
	if err != nil {
		return
	}
	seen := map[updatepath.Minor]bool{updatepath.MinorOf(present): true}
	for _, one := range history[at:] {
		v, err := semver.Parse(one.Version)
		minor := updatepath.MinorOf(v)
		way, ok := updatepath.Way(minor, updatepath.MinorOf(present))
		if err != nil || !ok || len(way) > minorsBehind || one.State != "Completed" || seen[minor] {
			continue
		}
		seen[minor] = true
		r.release(one, "before")
	}
}

// hostedCluster counts a cluster of which the file of another one says what it runs
// (openshift/hypershift, v1beta1, HostedCluster).
func (r *reading) hostedCluster(body []byte) error {
	var hc struct {
		Spec struct {
			ClusterID string `json:"clusterID"`
		} `json:"spec"`
	}
	err := json.Unmarshal(body, &hc)
	r.cluster(hc.Spec.ClusterID)
	return err
}

// cluster notes a cluster. One without an ID counts each time that it is read.
func (r *reading) cluster(id string) {
	if id == "" {
		id = fmt.Sprintf("%s#%d", r.file, r.clusters)
	}
	r.clusters++
	if r.use.Clusters == nil {
		r.use.Clusters = map[string]bool{}
	}
	r.use.Clusters[id] = true
}

// release reports whether one is named.
func (r *reading) release(one release, why string) bool {
	digest := digestPattern.FindString(one.Image)
	if digest == "" && one.Image != "" {
		r.text("image", one.Image, Name{By: "ClusterVersion of " + r.file, Live: true})
	}
	if one.Version == "" && digest == "" {
		return false
	}
	for _, have := range r.use.Releases {
		if have.Version == one.Version && have.Digest == digest && have.From == r.file {
			return true
		}
	}
	r.use.Releases = append(r.use.Releases, Release{text.ASCII(text.Cut(one.Version, 100)), digest, why, r.file})
	return true
}

// Operator is one that a cluster has, or is about to have.
type Operator struct {
	Package string
	Bundle  string // the name of its ClusterServiceVersion; "": which is not known, so all
	Why     string // installed, or to be installed
	From    string // the object, and which file has it
}

// subscription reads what is installed (operator-framework/api, v1alpha1, Subscription).
func (r *reading) subscription(h head, body []byte) error {
	var s struct {
		Spec struct {
			Name        string `json:"name"`
			StartingCSV string `json:"startingCSV"`
		} `json:"spec"`
		Status struct {
			InstalledCSV string `json:"installedCSV"`
			CurrentCSV   string `json:"currentCSV"`
		} `json:"status"`
	}
	if err := json.Unmarshal(body, &s); err != nil {
		return err
	}
	if s.Status.InstalledCSV != "" {
		r.operator(h, s.Spec.Name, s.Status.InstalledCSV, "installed")
	} else {
		r.operator(h, s.Spec.Name, "", "to be installed")
	}
	next := s.Status.CurrentCSV
	if s.Status.InstalledCSV == "" {
		next = cmp.Or(next, s.Spec.StartingCSV)
	}
	if next != "" && next != s.Status.InstalledCSV {
		r.operator(h, s.Spec.Name, next, "to be installed")
	}
	return nil
}

// extension reads what OLM v1 has installed (operator-controller, v1, ClusterExtension).
func (r *reading) extension(h head, body []byte) error {
	var e struct {
		Spec struct {
			Source struct {
				Catalog struct {
					PackageName string `json:"packageName"`
				} `json:"catalog"`
			} `json:"source"`
		} `json:"spec"`
		Status struct {
			Install struct {
				Bundle struct {
					Name string `json:"name"`
				} `json:"bundle"`
			} `json:"install"`
		} `json:"status"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return err
	}
	why := "installed"
	if e.Status.Install.Bundle.Name == "" {
		why = "to be installed"
	}
	r.operator(h, e.Spec.Source.Catalog.PackageName, e.Status.Install.Bundle.Name, why)
	return nil
}

func (r *reading) operator(h head, pkg, bundle, why string) {
	if pkg == "" && bundle == "" {
		return
	}
	r.use.Operators = append(r.use.Operators, Operator{text.ASCII(text.Cut(pkg, 200)), text.ASCII(text.Cut(bundle, 200)), why, r.by(h) + " of " + r.file})
}
