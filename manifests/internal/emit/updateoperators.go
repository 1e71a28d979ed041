package emit

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/updatepath"
	"github.com/satchel-airgap/satchel/oci/text"
)

// installedOperator is a ClusterServiceVersion that the cluster has, and its Subscription.
type installedOperator struct {
	csv, namespace, version string
	most                    string // olm.maxOpenShiftVersion, MAJOR.MINOR; "" for none
	pkg, channel            string // of the Subscription; "" without one
	manual                  bool   // each of its updates is approved by hand
}

const (
	annotationProperties = "olm.properties" // operator-lifecycle-manager, projection
	labelCopied          = "olm.copiedFrom" // a copy in another namespace, which counts for nothing
	propertyMost         = "olm.maxOpenShiftVersion"
)

// minorText is what the property holds: a string, or a number of older bundles.
var minorText = regexp.MustCompile(`^"?v?([0-9]+\.[0-9]+)(\.[0-9]+)?"?$`)

// installed lists the operators of the cluster.
func (e *emission) installed() (list []installedOperator) {
	subscriptions := map[string]installedOperator{}
	for _, o := range e.site.Cluster.Of("Subscription") {
		var s struct {
			Spec struct {
				Name    string `json:"name"`
				Channel string `json:"channel"`
				Plan    string `json:"installPlanApproval"`
			} `json:"spec"`
			Status struct {
				Installed string `json:"installedCSV"`
			} `json:"status"`
		}
		if json.Unmarshal(o.Body, &s) == nil && s.Status.Installed != "" {
			subscriptions[o.Namespace+"/"+s.Status.Installed] = installedOperator{pkg: s.Spec.Name, channel: s.Spec.Channel, manual: s.Spec.Plan == "Manual"}
		}
	}
	for _, o := range e.site.Cluster.Of("ClusterServiceVersion") {
		var csv struct {
			Metadata struct {
				Annotations map[string]string `json:"annotations"`
			} `json:"metadata"`
			Spec struct {
				Version string `json:"version"`
			} `json:"spec"`
		}
		if o.Labels[labelCopied] != "" || json.Unmarshal(o.Body, &csv) != nil {
			continue
		}
		op := subscriptions[o.Namespace+"/"+o.Name]
		op.csv, op.namespace, op.version = o.Name, o.Namespace, csv.Spec.Version
		op.most = mostOpenShift(csv.Metadata.Annotations[annotationProperties])
		list = append(list, op)
	}
	return list
}

// mostOpenShift reads the newest minor version that an operator may be on; "" for any.
func mostOpenShift(properties string) (most string) {
	var list []struct {
		Type  string          `json:"type"`
		Value json.RawMessage `json:"value"`
	}
	if json.Unmarshal([]byte(properties), &list) != nil {
		return ""
	}
	for _, p := range list {
		if m := minorText.FindSubmatch(p.Value); p.Type == propertyMost && m != nil && (most == "" || older(most, string(m[1]))) {
			most = string(m[1])
		}
	}
	return most
}

// older reports whether a minor version, as text, is older than another.
func older(a, b string) bool {
	x, err := semver.ParseTolerant(a)
	y, err2 := semver.ParseTolerant(b)
	return err == nil && err2 == nil && x.LT(y)
}

// pageOperators names the operators that hold back updates to another minor version, and what
// the mirror has instead (operator-lifecycle-manager, openshift/helpers.go: one that may not be
// on the next minor version makes the cluster not upgradeable).
func (e *emission) pageOperators(p *page.Page, steps []updatepath.Step) {
	var to []updatepath.Minor
	for _, s := range steps {
		if s.From.Major > 0 && s.Minor() {
			to = append(to, updatepath.MinorOf(s.To))
		}
	}
	if len(to) == 0 && e.updates.known {
		return
	}
	p.Text("Operators first: each installed operator must be of a version that the next minor version allows (`olm.maxOpenShiftVersion`), else the update to that does not begin. This command names those that hold it back; if it prints nothing, none does:")
	p.Run(`oc get clusteroperator operator-lifecycle-manager --ignore-not-found -o jsonpath='{.status.conditions[?(@.type=="Upgradeable")].message}{"\n"}'`)
	var list []string
	for _, op := range e.installed() {
		for _, next := range to {
			if op.most != "" && older(op.most, next.String()) {
				list = append(list, e.heldBy(op, next))
				break
			}
		}
	}
	if len(list) > 0 {
		p.Text("Of those in the cluster, these must be updated before. An operator with automatic approval is updated as soon as its catalog is there; for one with manual approval, approve its InstallPlan (`oc get installplan -A`).")
		p.List(list)
	}
}

// heldBy says of an operator which update it holds back, and which version lifts that.
func (e *emission) heldBy(op installedOperator, next updatepath.Minor) string {
	line := fmt.Sprintf("`%s` in %s may be on %s at most, and holds back the update to %s", page.Markdown(op.csv), page.Markdown(op.namespace), op.most, next)
	if op.manual {
		line += " (its updates are approved by hand)"
	}
	if op.pkg == "" {
		return line + ": it has no Subscription that names its package."
	}
	version, channel, known := e.lifts(op, next)
	switch {
	case version != "" && channel == op.channel:
		return line + fmt.Sprintf(": %s %s, in channel %s in the mirror, lifts that.", page.Markdown(op.pkg), page.Markdown(version), page.Markdown(channel))
	case version != "":
		return line + fmt.Sprintf(": %s %s, in channel %s in the mirror, lifts that. The Subscription follows channel %s, so change the channel.", page.Markdown(op.pkg), page.Markdown(version), page.Markdown(channel), page.Markdown(op.channel))
	case known:
		return line + fmt.Sprintf(": no version of %s in this bundle lifts that. Carry a newer one.", page.Markdown(op.pkg))
	}
	return line + fmt.Sprintf(": satchel does not know whether a version of %s in the mirror lifts that.", page.Markdown(op.pkg))
}

// lifts finds the lowest version of the operator's package in this bundle that may be on a minor
// version, in its own channel if that has one. known is false where the bundle does not say it.
func (e *emission) lifts(op installedOperator, next updatepath.Minor) (version, channel string, known bool) {
	for _, c := range e.site.Contents {
		for _, pkg := range c.Packages {
			if pkg.Name != op.pkg {
				continue
			}
			known = c.MostOpenShift
			channels := slices.Clone(pkg.Channels)
			slices.SortStableFunc(channels, func(a, b documents.ChannelContents) int {
				return rank(a.Name, op.channel) - rank(b.Name, op.channel)
			})
			for _, ch := range channels {
				for _, v := range ch.Versions {
					if c.MostOpenShift && newer(v.Version, op.version) && !older(v.MostOpenShift, next.String()) {
						return v.Version, ch.Name, true
					}
				}
			}
		}
	}
	return "", "", known
}

func rank(name, first string) int {
	if name == first {
		return 0
	}
	return 1
}

// newer reports whether a version is above another one; what is no version is not.
func newer(a, b string) bool {
	x, err := semver.ParseTolerant(a)
	y, err2 := semver.ParseTolerant(strings.TrimSpace(b))
	return err == nil && (err2 != nil || x.GT(y))
}

// pageSignatures applies the signatures that the cluster does not have yet, also those of
// payloads that came with an earlier bundle.
func (e *emission) pageSignatures(p *page.Page, files []named) {
	const checks = "The cluster version operator checks the GPG signature of a release before it updates. "
	if len(files) > 0 {
		p.Text(checks + "Apply the signatures first. Nodes: nothing changes.")
		p.Run("oc apply" + flagged(files))
	}
	var without []string
	for _, s := range e.updates.steps() {
		if c, ok := e.updates.of(s.To); ok && e.signatureFile(c.img.Root.Digest) == "" {
			without = append(without, s.To.String())
		}
	}
	if len(without) > 0 {
		p.Text(checks+"The bundle has none for %s. The operator gets it from the internet, so update before the cut. After the cut, the signature must be in the cluster before the update: in a ConfigMap in openshift-config-managed with the label `%s`. On a host with internet access, `oc adm release mirror --release-image-signature-to-dir` writes that ConfigMap.", text.Some(without, 3), signatureLabel)
	}
}
