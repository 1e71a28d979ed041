package update

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/operatorhub"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/manifests/internal/updatepath"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Blocker is one thing that holds an update back, or has to be looked at before it.
type Blocker struct {
	Object string `json:"object"` // as oc takes it: KIND/NAME, with the namespace before it where it has one
	Why    string `json:"why"`
	Do     string `json:"do,omitempty"`
	// Holds says that the update does not begin, or does not get through; else it is something to know.
	Holds bool `json:"holds"`
}

// Target is an update to judge.
type Target struct {
	To       semver.Version
	Payloads []documents.PayloadFacts    // of the releases that the mirror has, for this cluster's architecture
	Contents []documents.CatalogContents // of the catalogs, as far as known; for the operators of OLM v1
}

// Judgement is what an update meets.
type Judgement struct {
	From     string    `json:"from,omitempty"` // the version that runs; "" where it is not known
	To       string    `json:"to"`
	Steps    []string  `json:"steps"` // the versions that the way leads over, the target last; none: no way is known
	Risks    []string  `json:"risks,omitempty"`
	Blockers []Blocker `json:"blockers"`
	Unknown  []string  `json:"unknown,omitempty"` // what was not read of the cluster and would have to be looked at
}

// Holds reports whether the update does not begin or does not get through.
func (j *Judgement) Holds() bool {
	return slices.ContainsFunc(j.Blockers, func(b Blocker) bool { return b.Holds })
}

// Judge says what holds back the update of a cluster to a version: as the version operator, OLM and the
// machine config operator judge it, and whether the releases of the mirror lead there.
func Judge(state *cluster.State, t Target) *Judgement {
	h := &handover.Handover{Site: site.Site{Cluster: state, Payloads: t.Payloads, Contents: t.Contents}}
	w := &Way{Handover: h, Hub: &operatorhub.Hub{Handover: h}}
	j := &judge{Way: w, out: &Judgement{To: t.To.String()}}
	j.steps(t)
	minor := updatepath.MinorOf(t.To) != updatepath.MinorOf(j.from)
	if j.known && origin.CompareReleases(t.To, j.from) <= 0 {
		return j.out
	}
	j.version(minor)
	if minor {
		j.clusterOperators()
		j.gates()
		j.operators(t.To)
	}
	j.subscriptions()
	j.pools()
	if minor {
		j.removedAPIs(t.To)
	}
	j.unknown(minor)
	return j.out
}

// judge is one call of [Judge].
type judge struct {
	*Way
	out   *Judgement
	from  semver.Version
	known bool
	way   []updatepath.Step
}

func (j *judge) add(holds bool, object, do, format string, args ...any) {
	why := text.ASCII(text.Cut(text.OneLine(fmt.Sprintf(format, args...)), 400))
	j.out.Blockers = append(j.out.Blockers, Blocker{Object: text.ASCII(object), Why: why, Do: do, Holds: holds})
}

// steps finds the way over the releases of the mirror.
func (j *judge) steps(t Target) {
	j.from, j.known = j.Site.Cluster.Running()
	if !j.known {
		j.out.Unknown = append(j.out.Unknown, "the version that runs: the cluster's ClusterVersion was not read")
		return
	}
	j.out.From = j.from.String()
	if newer := origin.CompareReleases(t.To, j.from); newer <= 0 {
		if newer < 0 {
			j.add(true, "clusterversion/version", "name a newer version", "the cluster runs %s, which is newer", j.from)
		}
		return
	}
	has := slices.ContainsFunc(t.Payloads, func(f documents.PayloadFacts) bool { return f.Version.EQ(t.To) })
	var list []updatepath.Release
	for i := range t.Payloads {
		if origin.CompareReleases(t.Payloads[i].Version, t.To) <= 0 {
			list = append(list, site.UpdateRelease(&t.Payloads[i]))
		}
	}
	steps, apart := updatepath.Find(j.from, list)
	switch {
	case !has:
		j.add(true, "release/"+t.To.String(), "carry the release with the next bundle", "the mirror does not have the release %s", t.To)
	case len(apart) > 0 || len(steps) == 0:
		j.add(true, "release/"+t.To.String(), "carry the releases between, with shortestPath", "no update that is known leads from %s to %s over the releases of the mirror", j.from, t.To)
	default:
		j.way = steps
	}
	for _, s := range j.way {
		j.out.Steps = append(j.out.Steps, s.To.String())
		j.out.Risks = append(j.out.Risks, s.Risks...)
		if s.Unasked {
			j.out.Risks = append(j.out.Risks, fmt.Sprintf("no update graph knows the update from %s to %s, so its known problems are not known here", s.From, s.To))
		}
	}
	j.out.Risks = text.Sorted(j.out.Risks)
}

// conditioned is what conditions are read of.
type conditioned struct {
	Spec struct {
		Paused    bool                       `json:"paused"`
		Overrides []struct{ Unmanaged bool } `json:"overrides"`
	} `json:"spec"`
	Status struct {
		Conditions []struct{ Type, Status, Reason, Message string } `json:"conditions"`
		Phase      string                                           `json:"phase"`
		Reason     string                                           `json:"reason"`
		Message    string                                           `json:"message"`
	} `json:"status"`
}

// is gives the message of a condition that is as named.
func (c *conditioned) is(name, status string) (message string, ok bool) {
	for _, one := range c.Status.Conditions {
		if one.Type == name && one.Status == status {
			return cut(one.Message, one.Reason), true
		}
	}
	return "", false
}

// cut is a message for one line; the reason where there is none.
func cut(message, reason string) string {
	if message == "" {
		message = reason
	}
	return text.Cut(text.OneLine(message), 240)
}

// after puts a message behind what is said, if there is one.
func after(message string) string {
	if message == "" {
		return ""
	}
	return ": " + message
}

// version looks at the ClusterVersion: overrides hold back every update, and an update that is under
// way has to end before another begins (cluster-version-operator, precondition/clusterversion).
func (j *judge) version(minor bool) {
	var cv conditioned
	one, ok := j.Present("ClusterVersion", "", "version")
	if !ok || json.Unmarshal(one.Body, &cv) != nil {
		return
	}
	const object = "clusterversion/version"
	if slices.ContainsFunc(cv.Spec.Overrides, func(o struct{ Unmanaged bool }) bool { return o.Unmanaged }) {
		j.add(true, object, "remove spec.overrides", "it has overrides (spec.overrides): with those no update begins")
	}
	if why, is := cv.is("Failing", "True"); is {
		j.add(true, object, "mend what it names, then look again", "it is failing: %s", why)
	} else if why, is := cv.is("Progressing", "True"); is {
		j.add(true, object, "wait until it is done: oc adm wait-for-stable-cluster", "an update is under way: %s", why)
	}
	if why, is := cv.is("ReleaseAccepted", "False"); is {
		j.add(false, object, "oc adm upgrade --clear, if nobody wants it any more", "it refuses the release that it was told to update to: %s", why)
	}
	if why, is := cv.is("Upgradeable", "False"); is && minor && !j.Site.Cluster.Seen("ClusterOperator") {
		j.add(true, object, "do what the message says", "it says that it cannot be updated to the next minor version: %s", why)
	}
}

// clusterOperators are those that say they cannot be updated to another minor version.
func (j *judge) clusterOperators() {
	for _, o := range j.Site.Cluster.Of("ClusterOperator") {
		var co conditioned
		if json.Unmarshal(o.Body, &co) != nil {
			continue
		}
		object := "clusteroperator/" + o.Name
		if why, is := co.is("Upgradeable", "False"); is {
			j.add(true, object, "do what the message says", "it holds back updates to the next minor version: %s", why)
		}
		if why, is := co.is("Degraded", "True"); is {
			j.add(true, object, "mend it before the update", "it is degraded%s", after(why))
		} else if why, is := co.is("Available", "False"); is {
			j.add(true, object, "mend it before the update", "it is not available%s", after(why))
		}
	}
}

// minorSteps are the steps of the way that lead to another minor version. Where no way is known, the gates of the
// version that runs count for any.
func (j *judge) minorSteps() []updatepath.Step {
	if len(j.way) == 0 {
		return []updatepath.Step{{From: j.from, To: semver.Version{Major: j.from.Major, Minor: j.from.Minor + 1}}}
	}
	return slices.DeleteFunc(slices.Clone(j.way), func(s updatepath.Step) bool { return !s.Minor() })
}

// gates are those of the minor version that runs and, of later ones, those that are known.
func (j *judge) gates() {
	if !j.known {
		return
	}
	steps := j.minorSteps()
	shown := j.ConfigMapData("openshift-config-managed", "admin-gates")
	for i, s := range steps {
		for _, g := range j.gatesOf(s) {
			_, now := shown[g.name]
			now = now && updatepath.MinorOf(s.From) == updatepath.MinorOf(j.from)
			do := fmt.Sprintf(`check what it says, then: oc patch configmap admin-acks -n openshift-config --type=merge -p '{"data":{"%s":"true"}}'`, g.name)
			says := g.text
			if says == "" && g.when != "" {
				says = "where " + g.when
			}
			switch {
			case g.acked:
			case now:
				j.add(true, "gate/"+g.name, do, "it is not acknowledged: %s", cut(says, "the cluster has this gate"))
			case i == 0 && j.Site.Cluster.Known("ConfigMap") && !g.holds:
				j.add(false, "gate/"+g.name, "", "the cluster does not have this gate now; it comes %s", cut(says, "with the release"))
			default:
				j.add(g.holds, "gate/"+g.name, do, "it will have to be acknowledged before the update to %s: %s", s.To, cut(says, "an administrator has to look"))
			}
		}
	}
}

// operators are those that may not be on a minor version of the way.
func (j *judge) operators(to semver.Version) {
	if !j.known {
		return
	}
	next, ok := updatepath.Way(updatepath.MinorOf(j.from), updatepath.MinorOf(to))
	if !ok {
		return
	}
	conditions := j.operatorConditions()
	for _, op := range slices.Concat(j.installed(), j.extensions()) {
		object := op.namespace + "/clusterserviceversion/" + op.csv
		if op.extension != "" {
			object = "clusterextension/" + op.extension
		}
		for _, m := range next {
			if !op.blocks(m) {
				continue
			}
			why := fmt.Sprintf("the operator %s holds back the update to %s", op.csv, m)
			switch {
			case op.wrong != "":
				why += ": " + op.wrong + ", so OLM takes it for one that fits no later version"
			case op.most != "":
				why += ": it may be on " + op.most + " at most"
			}
			do := "update it first to a version that may be on " + m.String()
			if op.manual {
				do += "; its updates are approved by hand"
			}
			if by, known := j.liftOf(op, m); by != "" {
				do += "; the mirrored catalogs have " + by
			} else if known {
				do += "; the mirrored catalogs have none"
			}
			j.add(true, object, do, "%s", why)
			break
		}
		if why, is := conditions[op.namespace+"/"+op.csv]; is {
			j.add(false, op.namespace+"/operatorcondition/"+op.csv, "wait until it says so no more, before its own update", "the operator lets OLM not replace it by another version now: %s", why)
		}
	}
}

// liftOf names a version of the operator's package that may be on a minor version, by the contents of
// catalogs; known is false where they do not say it.
func (j *judge) liftOf(op installedOperator, m updatepath.Minor) (by string, known bool) {
	for _, c := range j.Site.Contents {
		version, channel, has := liftIn(c, op, m)
		known = known || has
		if version != "" {
			return fmt.Sprintf("%s %s in channel %s", op.pkg, version, channel), true
		}
	}
	return "", known
}

// operatorConditions are the operators that OLM does not replace now (operator-framework/api, v2,
// OperatorCondition: its name is that of the ClusterServiceVersion; what an administrator overrides counts first).
func (j *judge) operatorConditions() map[string]string {
	held := map[string]string{}
	for _, o := range j.Site.Cluster.Of("OperatorCondition") {
		var c struct {
			Spec struct {
				Overrides  []struct{ Type, Status, Reason, Message string } `json:"overrides"`
				Conditions []struct{ Type, Status, Reason, Message string } `json:"conditions"`
			} `json:"spec"`
		}
		if json.Unmarshal(o.Body, &c) != nil {
			continue
		}
		for _, one := range append(c.Spec.Overrides, c.Spec.Conditions...) {
			if one.Type != "Upgradeable" {
				continue
			}
			if one.Status == "False" {
				held[o.Namespace+"/"+o.Name] = cut(one.Message, one.Reason)
			}
			break
		}
	}
	return held
}

// subscriptions looks at what OLM has not finished, which holds back no update of the cluster: versions that failed or wait, and updates that wait
// for somebody to approve them.
func (j *judge) subscriptions() {
	for _, o := range j.Site.Cluster.Of("ClusterServiceVersion") {
		var csv conditioned
		if o.Labels[labelCopied] != "" || json.Unmarshal(o.Body, &csv) != nil {
			continue
		}
		if p := csv.Status.Phase; p != "Succeeded" && p != "" {
			j.add(false, o.Namespace+"/clusterserviceversion/"+o.Name, "see what it waits for: oc describe csv "+o.Name+" -n "+o.Namespace, "its phase is %s%s", p, after(cut(csv.Status.Message, csv.Status.Reason)))
		}
	}
	told := map[string]bool{}
	for _, o := range j.Site.Cluster.Of("Subscription") {
		var s struct {
			Spec struct {
				Plan string `json:"installPlanApproval"`
			} `json:"spec"`
			Status struct {
				Installed string                `json:"installedCSV"`
				Current   string                `json:"currentCSV"`
				State     string                `json:"state"`
				Plan      struct{ Name string } `json:"installPlanRef"`
			} `json:"status"`
		}
		if json.Unmarshal(o.Body, &s) != nil || s.Spec.Plan != "Manual" || s.Status.Current == "" || s.Status.Current == s.Status.Installed {
			continue
		}
		do := "oc get installplan -n " + o.Namespace
		if s.Status.Plan.Name != "" {
			do = fmt.Sprintf(approve, s.Status.Plan.Name, o.Namespace)
		}
		have := s.Status.Installed
		if have == "" {
			have = "nothing"
		}
		told[o.Namespace+"/"+s.Status.Plan.Name] = true
		j.add(false, o.Namespace+"/subscription/"+o.Name, do, "an InstallPlan waits for approval: %s is installed, and %s is to be", have, s.Status.Current)
	}
	for _, p := range j.Site.Cluster.InstallPlans() {
		if p.Phase == cluster.PlanWaits && !told[p.Namespace+"/"+p.Name] {
			j.add(false, p.Namespace+"/installplan/"+p.Name, fmt.Sprintf(approve, p.Name, p.Namespace), "it waits for approval, to install %s", text.Some(p.Bundles, 3))
		}
	}
}

// approve is the command that approves an InstallPlan: its name, and its namespace.
const approve = `oc patch installplan %s -n %s --type=merge -p '{"spec":{"approved":true}}'`

// pools are those of machines that no update gets through: paused or degraded.
func (j *judge) pools() {
	for _, o := range j.Site.Cluster.Of("MachineConfigPool") {
		var pool conditioned
		if json.Unmarshal(o.Body, &pool) != nil {
			continue
		}
		object := "machineconfigpool/" + o.Name
		if pool.Spec.Paused {
			j.add(o.Name == "master", object, fmt.Sprintf(setPaused, o.Name, false), "it is paused: its nodes stay on the version that they have until it is resumed, and get no new rules, pull secret or authorities")
		}
		if why, is := pool.is("Degraded", "True"); is {
			j.add(true, object, "mend its nodes before the update", "it is degraded%s", after(why))
		}
	}
}

// unknown says what nobody looked at, because it was not read.
func (j *judge) unknown(minor bool) {
	kinds := []string{"MachineConfigPool", "Subscription", "ClusterServiceVersion"}
	if minor {
		kinds = append(kinds, "ClusterOperator", "ConfigMap")
	}
	if j.Hosted() {
		kinds = kinds[1:] // it has no pools of machines
	}
	var lacks []string
	for _, k := range kinds {
		if !j.Site.Cluster.Known(k) {
			lacks = append(lacks, k)
		}
	}
	if len(lacks) > 0 {
		j.out.Unknown = append(j.out.Unknown, strings.Join(lacks, ", ")+": not all of them were read")
	}
}
