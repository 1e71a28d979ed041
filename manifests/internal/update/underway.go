package update

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/updatepath"
)

// UnderWay reports whether the worker nodes are known to wait for an update that has begun. A paused
// pool alone does not show that, because sites pause pools for other reasons too.
func (w *Way) UnderWay() bool {
	pool, ok := w.pausedPool("worker")
	if !ok {
		return false
	}
	behind := w.minorsBehind()
	if behind > 1 { // both updates are done, and the pool is only to be resumed
		return false
	}
	if pool.Metadata.Annotations[KeyPaused] != "" || behind > 0 {
		return true
	}
	return w.minorBegun(len(w.Site.Cluster.Of("Node")) == 0 && !pool.updated())
}

// MasterPaused reports whether the pool of the control plane is paused, so that no update gets
// through.
func (w *Way) MasterPaused() bool {
	_, ok := w.pausedPool("master")
	return ok
}

// pausedPool gives a pool that is known to be paused.
func (w *Way) pausedPool(name string) (pool workerPool, ok bool) {
	for _, o := range w.Site.Cluster.Of("MachineConfigPool") {
		if o.Name != name {
			continue
		}
		if json.Unmarshal(o.Body, &pool) == nil && pool.Spec.Paused {
			return pool, true
		}
	}
	return workerPool{}, false
}

// updated reports whether the pool says that all its nodes have what it wants.
func (p *workerPool) updated() bool {
	for _, c := range p.Status.Conditions {
		if c.Type == "Updated" {
			return c.Status == "True"
		}
	}
	return false
}

// split parts the first stage, which is under way, where worker nodes can go on: after the updates to
// the next minor version, unless it is of two minor versions itself.
func split(stages []updatepath.Stage) []updatepath.Stage {
	first := stages[0]
	n := len(first.Steps)
	for i, s := range first.Steps {
		if !first.Waits && updatepath.MinorOf(s.To) != updatepath.MinorOf(first.Steps[0].To) {
			n = i
			break
		}
	}
	parts := []updatepath.Stage{{Steps: first.Steps[:n], Waits: true}}
	if rest := first.Steps[n:]; len(rest) > 0 {
		parts = append(parts, updatepath.Stage{Steps: rest})
	}
	return append(parts, stages[1:]...)
}

// minorsBehind is how many minor versions the kubelet of a worker node is older than one of the
// control plane.
func (w *Way) minorsBehind() int {
	newest, oldest := -1, -1
	for _, o := range w.Site.Cluster.Of("Node") {
		minor, master, ok := kubeletOf(o)
		switch {
		case !ok:
		case master:
			newest = max(newest, minor)
		case oldest < 0 || minor < oldest:
			oldest = minor
		}
	}
	if oldest < 0 {
		return 0
	}
	return max(newest-oldest, 0)
}

// kubeletOf gives the minor version of a node's kubelet, and whether the node is of the control plane.
func kubeletOf(o cluster.Object) (minor int, master, ok bool) {
	var n struct {
		Metadata struct {
			Labels map[string]string `json:"labels"`
		} `json:"metadata"`
		Status struct {
			NodeInfo struct {
				KubeletVersion string `json:"kubeletVersion"`
			} `json:"nodeInfo"`
		} `json:"status"`
	}
	if json.Unmarshal(o.Body, &n) != nil {
		return 0, false, false
	}
	_, master = n.Metadata.Labels["node-role.kubernetes.io/master"]
	if !master {
		_, master = n.Metadata.Labels["node-role.kubernetes.io/control-plane"]
	}
	parts := strings.SplitN(n.Status.NodeInfo.KubeletVersion, ".", 3)
	if len(parts) < 2 {
		return 0, master, false
	}
	minor, err := strconv.Atoi(parts[1])
	return minor, master, err == nil
}

// minorBegun reports whether the history of the cluster has an update to another minor version that is
// not complete or, where completed counts too, that was the last one.
func (w *Way) minorBegun(completed bool) bool {
	var cv struct {
		Status struct {
			History []struct{ State, Version string } `json:"history"`
		} `json:"status"`
	}
	one, ok := w.Present("ClusterVersion", "", "version")
	if !ok || json.Unmarshal(one.Body, &cv) != nil || len(cv.Status.History) < 2 {
		return false
	}
	h := cv.Status.History // the newest first
	if h[0].State != "Partial" && !completed {
		return false
	}
	to, err := semver.Parse(h[0].Version)
	from, wrong := semver.Parse(h[1].Version)
	return err == nil && wrong == nil && updatepath.MinorOf(from).Before(updatepath.MinorOf(to))
}
