package update

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/operatorhub"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/updatepath"
	"github.com/satchel-airgap/satchel/oci/text"
)

// installedOperator is what OLM has installed: a ClusterServiceVersion with its Subscription, or,
// with OLM v1, the bundle of a ClusterExtension.
type installedOperator struct {
	csv, namespace, version string // csv: of OLM v1, the bundle
	extension               string // the ClusterExtension of OLM v1
	most                    string // olm.maxOpenShiftVersion, MAJOR.MINOR; "" for none
	wrong                   string // what is wrong with that property: OLM then holds back each next minor version; "" for nothing
	holds                   bool   // the cluster says that it holds back the next minor version
	pkg                     string // of the Subscription; "" without one
	channels                []string
	manual                  bool   // each of its updates is approved by hand
	pinned                  string // the versions that a ClusterExtension allows; "" for any
}

// name says what it is, and where.
func (op installedOperator) name() string {
	if op.extension != "" {
		return fmt.Sprintf("`%s` of the ClusterExtension `%s`", page.Markdown(op.csv), page.Markdown(op.extension))
	}
	return fmt.Sprintf("`%s` in %s", page.Markdown(op.csv), page.Markdown(op.namespace))
}

// blocks reports whether it holds back an update between two minor versions. 4.23 and 5.0 are
// one release under two names (operator-lifecycle-manager, versionutils).
func (op installedOperator) blocks(next updatepath.Minor) bool {
	to := next.String()
	if to == "5.0" {
		to = "4.23"
	}
	return op.holds || op.wrong != "" || op.most != "" && older(op.most, to)
}

const (
	// What OLM reads is the first, which it writes itself: all properties of a bundle
	// (operator-lifecycle-manager, pkg/controller/registry/resolver/projection). The second is what an author
	// writes into a ClusterServiceVersion, and counts where the first is not there.
	annotationProperties = "operatorframework.io/properties"
	annotationOfAuthor   = "olm.properties"

	labelCopied  = "olm.copiedFrom" // a copy in another namespace, which counts for nothing
	propertyMost = "olm.maxOpenShiftVersion"
)

// minorText is what the property holds: a string, or a number of older bundles.
var minorText = regexp.MustCompile(`^"?v?([0-9]+\.[0-9]+)(?:\.0)?"?$`)

// installed lists the operators of the cluster.
func (w *Way) installed() (list []installedOperator) {
	subscriptions := map[string]installedOperator{}
	for _, o := range w.Site.Cluster.Of("Subscription") {
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
			subscriptions[o.Namespace+"/"+s.Status.Installed] = installedOperator{pkg: s.Spec.Name, channels: []string{s.Spec.Channel}, manual: s.Spec.Plan == "Manual"}
		}
	}
	for _, o := range w.Site.Cluster.Of("ClusterServiceVersion") {
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
		op.most, op.wrong = mostOpenShift(csv.Metadata.Annotations)
		list = append(list, op)
	}
	return list
}

// mostOpenShift reads the newest minor version that an operator may be on, "" for any, as OLM does
// (operator-lifecycle-manager, pkg/controller/operators/openshift, maxOpenShiftVersion): what it cannot
// read, or finds twice, is wrong.
func mostOpenShift(annotations map[string]string) (most, wrong string) {
	list, err := propertiesOf(annotations)
	if err != nil {
		return "", "its properties cannot be read"
	}
	found := 0
	for _, p := range list {
		if p.Type != propertyMost {
			continue
		}
		found++
		if m := minorText.FindSubmatch(p.Value); m != nil {
			most = string(m[1])
		} else {
			wrong = fmt.Sprintf("its property %s is not MAJOR.MINOR", propertyMost)
		}
	}
	if found > 1 {
		wrong = fmt.Sprintf("it has the property %s twice", propertyMost)
	}
	if wrong != "" {
		return "", wrong
	}
	return most, ""
}

// csvProperty is one of a bundle.
type csvProperty struct {
	Type  string          `json:"type"`
	Value json.RawMessage `json:"value"`
}

// propertiesOf reads those of a ClusterServiceVersion.
func propertiesOf(annotations map[string]string) (list []csvProperty, err error) {
	if body, ok := annotations[annotationProperties]; ok {
		var all struct {
			Properties []csvProperty `json:"properties"`
		}
		err := json.Unmarshal([]byte(body), &all)
		return all.Properties, err
	}
	if body := annotations[annotationOfAuthor]; body != "" && json.Unmarshal([]byte(body), &list) != nil {
		//lint:ignore nilerr OLM does not look at it
		return nil, nil
	}
	return list, nil
}

// older reports whether a minor version, as text, is older than another.
func older(a, b string) bool {
	x, err := semver.ParseTolerant(a)
	y, err2 := semver.ParseTolerant(b)
	return err == nil && err2 == nil && x.LT(y)
}

// minors are the minor versions on the way, from the one that runs to the last.
func minors(steps []updatepath.Step) (from, to []updatepath.Minor) {
	for _, s := range steps {
		if s.From.Major > 0 && s.Minor() {
			from, to = append(from, updatepath.MinorOf(s.From)), append(to, updatepath.MinorOf(s.To))
		}
	}
	return from, to
}

// pageOperators names the operators that hold back updates to another minor version, and what
// the mirror has instead (operator-lifecycle-manager, openshift/helpers.go, and, for OLM v1,
// cluster-olm-operator, incompatible_operator_controller.go: one that may not be on the next
// minor version makes the cluster not upgradeable).
func (w *Way) pageOperators(p *page.Page, steps []updatepath.Step) {
	from, to := minors(steps)
	if len(to) == 0 && w.Updates.known {
		return
	}
	// An operator that holds nothing back may have a message too, such as "All is well".
	const says = `oc get clusteroperator %s --ignore-not-found -o jsonpath='{range .status.conditions[?(@.type=="Upgradeable")]}{.status}{": "}{.message}{"\n"}{end}'`
	commands := []string{fmt.Sprintf(says, "operator-lifecycle-manager")}
	if !w.OlderThan(operatorhub.OlmV1) && !w.Hub.WithoutOLMv1() {
		commands = append(commands, fmt.Sprintf(says, "olm"))
	}
	which := "This command prints False and names those that hold it back; with True, or nothing, none does:"
	if len(commands) > 1 {
		which = "These commands print False and name those that hold it back, of Subscriptions and of ClusterExtensions (OLM v1); with True, or nothing, none does:"
	}
	p.Text("Operators first: each installed operator must be of a version that the next minor version allows (`olm.maxOpenShiftVersion`), else the update to that does not begin. %s", which)
	p.Run(commands...)
	var list, change []string
	for _, op := range slices.Concat(w.installed(), w.extensions()) {
		for i, next := range to {
			if op.blocks(next) {
				line := w.heldBy(op, from[i], next)
				if list = append(list, line); strings.HasSuffix(line, toChange) {
					by, _ := w.lifts(op, from[i], next)
					change = append(change, w.changeChannel(op, by.channel)...)
				}
				break
			}
		}
	}
	if len(list) > 0 {
		p.Text("Of those in the cluster, these must be updated before. An operator with automatic approval is updated as soon as its catalog is there; for one with manual approval, approve its InstallPlan (`oc get installplan -A`). **An operator that is updated may drain or restart nodes**: its release notes say whether it does.")
		p.List(list)
	}
	if len(list) > 0 && w.begun(steps) {
		p.Text("**The rules and the catalogs of this bundle come after the step that resumes the pools.** If an operator of this list cannot be updated without them, resume the pools now (`oc patch machineconfigpool NAME --type=merge -p '{\"spec\":{\"paused\":false}}'`: that drains and restarts every node of them, and once more with the next update). Then save the state of the cluster again, and run satchel render again with `--from-cluster`.")
	}
	if len(change) > 0 {
		p.Text("These commands change the channels. The ConfigMap %s keeps before what they are now, for the way back. OLM then updates these operators, as said above.", handover.BeforeName)
		p.Run(handover.WithKeep(page.Chain(change...)...)...)
	}
}

// toChange ends what is said of a Subscription whose channel must change.
const toChange = ", so change the channel."

// changeChannel keeps the channel of the Subscription that an operator was installed by, and changes it.
func (w *Way) changeChannel(op installedOperator, to string) (lines []string) {
	if !page.Plain(to) {
		return nil
	}
	for _, o := range w.Site.Cluster.Of("Subscription") {
		var s operatorhub.Follower
		if o.Namespace == op.namespace && json.Unmarshal(o.Body, &s) == nil && s.Status.InstalledCSV == op.csv {
			lines = append(lines, fmt.Sprintf("keep %s%s.%s oc get subscriptions.operators.coreos.com %[3]s -n %[2]s -o jsonpath='{.spec.channel}'", handover.KeyFollows, o.Namespace, o.Name),
				fmt.Sprintf(`oc patch subscriptions.operators.coreos.com %s -n %s --type=merge -p '{"spec":{"channel":"%s"}}'`, o.Name, o.Namespace, to))
		}
	}
	return lines
}

// heldBy says of an operator which update it holds back, and which version lifts that.
func (w *Way) heldBy(op installedOperator, from, next updatepath.Minor) string {
	line := op.name()
	if op.most != "" {
		line += fmt.Sprintf(" may be on %s at most, and", op.most)
	}
	if op.wrong != "" {
		line += " is not judged by OLM, because " + op.wrong + ", and"
	}
	line += fmt.Sprintf(" holds back the update to %s", next)
	if op.manual {
		line += " (its updates are approved by hand)"
	}
	if op.pkg == "" {
		return line + ": it has no Subscription that names its package."
	}
	by, known := w.lifts(op, from, next)
	pkg := page.Markdown(op.pkg)
	switch {
	case by.version != "" && by.after != (handover.Minor{}):
		return line + fmt.Sprintf(": %s %s would lift that, but only the catalog for %s has it (`%s`), which comes after the update: it cannot lift it. Carry a version of %s that may be on %s from the catalog for %s.", pkg, page.Markdown(by.version), by.after, by.file, pkg, next, from)
	case by.version != "":
		return line + fmt.Sprintf(": %s %s, in channel %s in the mirror, lifts that.%s", pkg, page.Markdown(by.version), page.Markdown(by.channel), op.follow(by.channel))
	case known:
		return line + fmt.Sprintf(": no version of %s in this bundle lifts that. Carry a newer one.", pkg)
	}
	return line + fmt.Sprintf(": satchel does not know whether a version of %s in the mirror lifts that.", pkg)
}

// follow says what must change so that an operator gets a version of a channel.
func (op installedOperator) follow(channel string) (s string) {
	other := len(op.channels) > 0 && !slices.Contains(op.channels, channel)
	switch {
	case other && op.extension != "":
		s = fmt.Sprintf(" The ClusterExtension follows channel %s, so change its channels.", page.Markdown(text.And(op.channels)))
	case other:
		s = fmt.Sprintf(" The Subscription follows channel %s"+toChange, page.Markdown(op.channels[0]))
	}
	if op.pinned != "" {
		s += fmt.Sprintf(" The ClusterExtension allows version `%s`, so see that it allows this one.", page.Markdown(op.pinned))
	}
	return s
}

// lift is a version of an operator's package that may be on a minor version.
type lift struct {
	version, channel string
	file             string
	after            handover.Minor // the version whose update its catalog waits for; zero for none
}

// lifts finds the lowest version of the operator's package in this bundle that may be on a minor
// version, in its own channel if that has one; rather in a catalog that the cluster has before the
// update. known is false where the bundle does not say it.
func (w *Way) lifts(op installedOperator, from, next updatepath.Minor) (found lift, known bool) {
	for _, before := range []bool{true, false} {
		for _, c := range slices.Concat(w.Hub.Catalogs, w.Hub.Later) {
			is := c.After.Compare(handover.Minor{Major: from.Major, Minor: from.Minor}) <= 0
			for _, contents := range w.Site.Contents {
				if is != before || !contents.Of(contents.Catalog, c.Image) {
					continue
				}
				v, channel, has := liftIn(contents, op, next)
				known = known || has
				if v == "" {
					continue
				}
				if found = (lift{v, channel, c.File, c.After}); before {
					found.after = handover.Minor{}
				}
				return found, true
			}
		}
	}
	return lift{}, known
}

// liftIn finds that version in one catalog; has says whether the catalog has the package, and says
// of versions where they may be.
func liftIn(c documents.CatalogContents, op installedOperator, next updatepath.Minor) (version, channel string, has bool) {
	for _, pkg := range c.Packages {
		if pkg.Name != op.pkg {
			continue
		}
		has = c.MostOpenShift
		channels := slices.Clone(pkg.Channels)
		slices.SortStableFunc(channels, func(a, b documents.ChannelContents) int {
			return op.rank(a.Name) - op.rank(b.Name)
		})
		for _, ch := range channels {
			for _, v := range ch.Versions {
				if c.MostOpenShift && newer(v.Version, op.version) && !(installedOperator{most: v.MostOpenShift}).blocks(next) {
					return v.Version, ch.Name, true
				}
			}
		}
	}
	return "", "", has
}

// rank puts the operator's own channels first.
func (op installedOperator) rank(channel string) int {
	if slices.Contains(op.channels, channel) {
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
func (w *Way) pageSignatures(p *page.Page, files []handover.Named) {
	const checks = "The cluster version operator checks the GPG signature of a release before it updates. "
	if len(files) > 0 {
		p.Text(checks + "Apply the signatures first. Nodes: nothing changes.")
		p.Run("oc apply" + handover.Flagged(files))
	}
	var without []string
	for _, s := range w.Updates.steps() {
		c, ok := w.Updates.of(s.To)
		name := "sha256-" + c.img.Root.Digest.Encoded()
		if _, has := w.Present("ConfigMap", "openshift-config-managed", name); !ok || has || w.signatureFile(c.img.Root.Digest) != "" {
			continue
		}
		if c.earlier {
			p.Text(checks+"That of %s came with the bundle that brought it. This command must print the ConfigMap with it. If it does not, run satchel render with that bundle and apply its `release-signature-%s.yaml` first.", s.To, name)
			p.Run("oc get configmap " + name + " -n openshift-config-managed")
			continue
		}
		without = append(without, s.To.String())
	}
	if len(without) > 0 {
		look := "The operator looks for it on the internet, so update before the cut. After the cut, the signature"
		if w.Before[handover.KeyCut] == "true" {
			look = "This cluster is cut off, so the operator cannot look for it on the internet, and refuses the update. The signature"
		}
		p.Text(checks+"The bundle has none for %s. %s must be in the cluster before the update: in a ConfigMap in openshift-config-managed with the label `%s`. Pack the release again where the signatures can be reached: the bundle then brings that ConfigMap.", text.Some(without, 3), look, signatureLabel)
		if w.Okd() {
			p.Text("**Some releases of OKD have no signature that the cluster accepts.** `oc adm upgrade` then says of the update that the release cannot be verified, and nothing changes. Carry another release of OKD, one whose signature the bundle has.")
		}
	}
}
