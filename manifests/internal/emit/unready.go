package emit

import (
	"encoding/json"
	"fmt"

	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/oci/text"
)

// mostUnready is how many lines a page has of what was not ready, and longestMessage how many
// characters of a message.
const mostUnready, longestMessage = 12, 200

// conditioned is what conditions are read of, by kind.
type conditioned struct {
	Spec struct {
		Paused bool `json:"paused"` // of a MachineConfigPool
	} `json:"spec"`
	Status struct {
		Conditions []condition `json:"conditions"`
	} `json:"status"`
}

type condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"`
	Message string `json:"message"`
}

// unreadyWhen is a condition of a kind of object, with which nothing should be changed.
type unreadyWhen struct{ kind, condition, status, says string }

// pageUnready says what of the cluster was not ready when its state was saved: changes of rules
// or the pull secret would meet a change that is under way, or nodes that take none.
func (e *emission) pageUnready(p *page.Page) {
	lines := e.unready()
	if len(lines) == 0 {
		return
	}
	p.Text("**Stop: when the state of the cluster was saved, not all of it was ready.** Run nothing of this page before it is, unless what it waits for is images that this mirror has now. `oc adm wait-for-stable-cluster` waits for operators; it does not mend them. Then fetch the state once more (the line is at the end of this page), and run satchel render with it: what runs by then may need other steps.")
	if left := len(lines) - mostUnready; left > 0 {
		lines = append(lines[:mostUnready], fmt.Sprintf("and %d more", left))
	}
	p.List(lines)
}

// unready lists what was not as it should be, in Markdown. What a paused pool waits for is said elsewhere.
func (e *emission) unready() (lines []string) {
	for _, u := range []unreadyWhen{
		{"ClusterVersion", "Progressing", "True", "an update of the cluster is under way"},
		{"ClusterVersion", "Failing", "True", "an update of the cluster fails"},
		{"ClusterOperator", "Degraded", "True", "the cluster operator %s is degraded"},
		{"ClusterOperator", "Available", "False", "the cluster operator %s is not available"},
		{"MachineConfigPool", "Degraded", "True", "the pool %s is degraded"},
		{"MachineConfigPool", "Updated", "False", "nodes of the pool %s do not have its configuration yet"},
		{"Node", "Ready", "False", "the node %s is not ready"},
		{"Node", "Ready", "Unknown", "the node %s is not ready"},
	} {
		lines = append(lines, e.met(u)...)
	}
	return lines
}

// met lists the objects with a condition.
func (e *emission) met(u unreadyWhen) (lines []string) {
	for _, o := range e.Site.Cluster.Of(u.kind) {
		var c conditioned
		if json.Unmarshal(o.Body, &c) != nil || c.Spec.Paused || u.kind == "ClusterVersion" && e.way.UpdateFirst() {
			continue
		}
		for _, have := range c.Status.Conditions {
			if have.Type == u.condition && have.Status == u.status {
				lines = append(lines, u.line(o.Name, have.Message))
			}
		}
	}
	return lines
}

func (u unreadyWhen) line(name, message string) string {
	line := u.says
	if u.kind != "ClusterVersion" {
		line = fmt.Sprintf(u.says, page.Markdown(name))
	}
	if message != "" {
		line += ": " + page.Markdown(text.Cut(message, longestMessage))
	}
	return line
}
