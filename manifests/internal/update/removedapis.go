package update

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/oci/text"
)

// removes is in the name of a gate that asks whether programs use APIs which the next version removes, such as
// ack-4.18-kube-1.32-api-removals-in-4.19.
const removes = "api-removals"

// removedAPIs says who uses APIs that the Kubernetes of the target no longer has, or that nobody looked. The update
// gets through all the same; what uses them fails after it.
func (j *judge) removedAPIs(to semver.Version) {
	if !j.known {
		return
	}
	if !j.Site.Cluster.Seen("APIRequestCount") {
		j.unreadAPIs()
		return
	}
	kube := kubernetesOf(to)
	for _, o := range j.Site.Cluster.Of("APIRequestCount") {
		var in struct {
			Status struct {
				Removed string `json:"removedInRelease"`
				Hours   []struct {
					Nodes []struct {
						Users []struct{ Username, UserAgent string } `json:"byUser"`
					} `json:"byNode"`
				} `json:"last24h"`
			} `json:"status"`
		}
		var major, minor uint64
		if json.Unmarshal(o.Body, &in) != nil {
			continue
		}
		if n, err := fmt.Sscanf(in.Status.Removed, "%d.%d", &major, &minor); n < 2 || err != nil || major != 1 || minor > kube {
			continue
		}
		var users []string
		for _, hour := range in.Status.Hours {
			for _, node := range hour.Nodes {
				for _, u := range node.Users {
					if !j.platformUser(u.Username) {
						users = append(users, text.ASCII(strings.TrimSpace(u.Username+" ("+u.UserAgent+")")))
					}
				}
			}
		}
		if users = text.Sorted(users); len(users) > 0 {
			j.add(false, "apirequestcount/"+o.Name, "update these programs, or have them use a newer version of the API, before the cluster is updated",
				"Kubernetes 1.%d no longer has it (%s has 1.%d), and it was used within 24 hours by %s", minor, to, kube, text.Some(users, 4))
		}
	}
}

// unreadAPIs says that nobody knows who uses what a version of the way removes, where one is known to remove something.
func (j *judge) unreadAPIs() {
	for _, s := range j.minorSteps() {
		for _, g := range j.gatesOf(s) {
			if strings.Contains(g.name, removes) && !g.acked {
				j.add(false, "apirequestcounts", "look at the column REMOVEDINRELEASE of: oc get apirequestcounts; a must-gather has them too: name its directory with --from-cluster", "%s removes APIs, and which programs use them was not read", s.To)
				return
			}
		}
	}
}

// kubernetesOf is the minor version of the Kubernetes 1 that a release has: 4.12 has 1.25, and each minor version the
// next one; 5.0 is 4.23.
func kubernetesOf(v semver.Version) uint64 {
	const first, seam = 13, 23
	if v.Major > 4 {
		return v.Minor + seam + first
	}
	return v.Minor + first
}

// platformUser reports whether a user is a part of the platform, which is updated with it: what is no account of a
// program or person, and accounts in its namespaces, if OLM has installed nothing there.
func (j *judge) platformUser(name string) bool {
	account, is := strings.CutPrefix(name, "system:serviceaccount:")
	if !is {
		return strings.HasPrefix(name, "system:") && name != "system:admin"
	}
	space, _, _ := strings.Cut(account, ":")
	installed := slices.ContainsFunc(j.Site.Cluster.Of("Subscription"), func(o cluster.Object) bool { return o.Namespace == space })
	return cluster.Platform(space) && space != "default" && !installed
}
