package update

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/updatepath"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// StepUpdate are the steps that take the cluster to the newest release of the bundle.
func (w *Way) StepUpdate(p *page.Page) {
	u := &w.Updates
	if len(w.Payloads)+len(w.signed) == 0 {
		return
	}
	signatures := w.newSignatures()
	steps := u.steps()
	switch {
	case u.known && len(steps)+len(u.apart)+len(signatures) == 0 && len(u.carried) > 0 && len(u.unnamed) == 0 && u.refused == nil:
		p.Nothing(fmt.Sprintf("the update (the cluster runs %s, and no release of the bundle is newer)", u.running))
		return
	case w.Hosted():
		w.stepHosted(p)
		return
	}
	if w.UpdateFirst() {
		w.stepRest(p)
		return
	}
	w.stepBeforeUpdate(p, signatures, u.stages)
	if w.ReleaseIncomplete() || w.MasterPaused() || u.arch == "" {
		return
	}
	w.stepStages(p, u.stages)
}

// StepUnderWay are the steps of an update that worker nodes wait for already: they come before all
// others, which these nodes get when their pools go on.
func (w *Way) StepUnderWay(p *page.Page) {
	if w.UpdateFirst() {
		w.stepBeforeUpdate(p, w.newSignatures(), w.Updates.stages[:1])
		w.stepStages(p, w.Updates.stages[:1])
	}
}

// stepRest are the updates after one that was under way, and the catalogs for after that one.
func (w *Way) stepRest(p *page.Page) {
	for _, s := range w.Updates.stages[0].Steps {
		w.Hub.StepCatalogSwitch(p, s.To)
	}
	rest := w.Updates.stages[1:]
	steps := stepsOf(rest)
	if len(steps) == 0 {
		return
	}
	p.Step("Prepare the update to %s", steps[len(steps)-1].To)
	w.Hub.PageNoSwitch(p, targets(steps))
	w.pageOperators(p, steps)
	w.pageBackup(p)
	w.stepStages(p, rest)
}

// stepStages are updates, and what comes between them. A backup was made before the first one.
func (w *Way) stepStages(p *page.Page, stages []updatepath.Stage) {
	for i, stage := range stages {
		begun := w.begun(stage.Steps)
		if stage.Waits && !begun {
			w.stepPause(p, stage, i > 0)
		}
		for j, s := range stage.Steps {
			w.stepUpdateTo(p, s, stage.Waits, i+j > 0 && s.Minor())
			if !begun {
				w.Hub.StepCatalogSwitch(p, s.To)
			}
			if stage.Waits && j < len(stage.Steps)-1 {
				w.pageOperatorsThrough(p, stage.Steps[j+1])
			}
		}
		if stage.Waits {
			w.stepUnpause(p, stage)
		}
	}
}

// targets are the releases that updates lead to.
func targets(steps []updatepath.Step) (to []semver.Version) {
	for _, s := range steps {
		to = append(to, s.To)
	}
	return to
}

// pageBackup keeps what the control plane is before an update.
func (w *Way) pageBackup(p *page.Page) {
	p.Text("Make a backup of etcd. It stays on that node: copy it to another machine. Nodes: nothing changes.")
	p.Run(
		"NODE=$("+handover.ReadyNodes("node-role.kubernetes.io/master")+" | head -n 1)",
		"oc debug -q node/\"$NODE\" -- chroot /host /usr/local/bin/cluster-backup.sh /home/core/assets/backup",
	)
}

// newSignatures are the ConfigMaps with signatures that the cluster does not have yet.
func (w *Way) newSignatures() (list []handover.Named) {
	for _, s := range w.signed {
		if _, has := w.Present("ConfigMap", "openshift-config-managed", "sha256-"+s.payload.Encoded()); !has {
			list = append(list, handover.Named{File: s.file})
		}
	}
	return list
}

// ReleaseIncomplete reports whether images of a release are missing in the bundle.
func (w *Way) ReleaseIncomplete() bool {
	return slices.ContainsFunc(w.Gaps, func(g oci.Gap) bool {
		return g.Image.Origin == origin.Release && g.Image.Subject == "" && !origin.IsGraph(g.Image.Source)
	})
}

// stepBeforeUpdate says which way the cluster goes, and does what comes before the first update of
// some stages.
func (w *Way) stepBeforeUpdate(p *page.Page, signatures []handover.Named, stages []updatepath.Stage) {
	u := &w.Updates
	steps := stepsOf(stages)
	switch {
	case u.known && len(steps) > 0:
		p.Step("Prepare the update to %s", steps[len(steps)-1].To)
	case u.known && u.stops():
		p.Step("The update: stop")
	case u.known && len(signatures) > 0:
		p.Step("The signatures of releases")
	case u.known:
		p.Step("The update")
	default:
		p.Step("Prepare the update")
	}
	w.pageWay(p)
	w.Hub.PageNoSwitch(p, targets(steps))
	if len(steps) > 0 && !w.ReleaseIncomplete() && !w.MasterPaused() {
		w.pageOperators(p, steps)
	}
	w.pageSignatures(p, signatures)
	switch {
	case len(steps) == 0:
	case w.ReleaseIncomplete():
		p.Text("Images of a release are missing (see the top of this page). Do not update before they are in the mirror too.")
	case w.MasterPaused():
		p.Text("**Stop: the pool `master` is paused. The nodes of the control plane do not change until it is resumed, so do not begin an update.** Resume it (`oc patch machineconfigpool master --type=merge -p '{\"spec\":{\"paused\":false}}'`: that may drain and restart its nodes, for what has waited), wait until it is Updated, save the state of the cluster again and run satchel render again with `--from-cluster`: then this page has the commands of the update.")
	case u.arch != "":
		w.pageBackup(p)
	}
}

// stops reports whether there is a newer release that the cluster is not to be updated to.
func (u *updates) stops() bool { return u.refused != nil || len(u.apart) > 0 }

// pageWay lists the updates in order, and what is not needed.
func (w *Way) pageWay(p *page.Page) {
	u := &w.Updates
	steps := u.steps()
	var to []string
	for _, s := range steps {
		to = append(to, s.To.String())
	}
	switch {
	case u.known && len(to) > 0:
		p.Text("The cluster runs %s. It is updated to %s.", u.running, strings.Join(to, ", then to "))
	case u.known && u.stops():
		p.Text("The cluster runs %s. No update is to be begun now.", u.running)
	case u.known:
		p.Text("The cluster runs %s. There is no update to do.", u.running)
	case u.arch == "" && len(u.others) > 0:
		p.Text("The bundle has payloads of several architectures, and satchel does not know which one the cluster runs. Run satchel render again with `--from-cluster`: then this page has the commands of the update. The payloads are:")
		w.pagePayloads(p, u.others)
	case len(to) > 0:
		p.Text("satchel does not know which release the cluster runs. This command shows it. The bundle brings it to %s. For releases up to the one that runs, the commands below do nothing. With `--cluster-version` or `--from-cluster`, satchel render writes only what is left.", strings.Join(to, ", then to "))
		p.Run("oc get clusterversion")
	}
	rest, held := u.besides(steps)
	if len(rest) > 0 {
		p.Text("Nothing to do for the other releases of the bundle, which the cluster has behind it or does not need on this way: %s.", text.Some(rest, 10))
	}
	if len(u.unnamed) > 0 {
		p.Text("The tags of these payloads do not say which version they are, so satchel knows of no update to them, and this page has none. Pack them by their versions, so that a page says whether the cluster may be updated to them:")
		w.pagePayloads(p, u.unnamed)
	}
	if u.refused != nil {
		p.Text("**%s**", w.Lead.NoUpdate(u.refused.img, u.refusedImages))
	}
	if len(held) > 0 {
		p.Text("Newer releases are held back with it: do not update to %s either.", text.And(held))
	}
	w.pageApart(p)
	if u.arch != "" && len(u.others) > 0 {
		var names []string
		for _, img := range u.others {
			names = append(names, origin.PayloadName(img))
		}
		p.Text("Other payloads of the bundle are not for this cluster (its architecture: %s): %s.", u.arch, text.Some(names, 5))
	}
}

// besides lists the releases of the bundle that are not on the way: the rest, which are not needed,
// and those that are held back because nodes would refuse images of one that is older.
func (u *updates) besides(steps []updatepath.Step) (rest, held []string) {
	for _, c := range u.carried {
		is := c.version.EQ
		switch {
		case c.earlier || slices.ContainsFunc(u.apart, is) || slices.ContainsFunc(steps, func(s updatepath.Step) bool { return is(s.To) }):
		case u.refused == nil || origin.CompareReleases(c.version, u.refused.version) < 0:
			rest = append(rest, c.version.String())
		case !is(u.refused.version):
			held = append(held, c.version.String())
		}
	}
	return rest, held
}

// pageApart stops before the releases that no known update leads to.
func (w *Way) pageApart(p *page.Page) {
	u := &w.Updates
	if len(u.apart) == 0 {
		return
	}
	var apart []string
	for _, v := range u.apart {
		apart = append(apart, v.String())
	}
	from := "the oldest release of the bundle"
	if u.known {
		from = u.running.String()
	}
	p.Text("**Stop: do not update to %s. No update that satchel knows of leads there from %s:** not by the update graphs, and not by what the releases say themselves, over the releases of this bundle and those that earlier bundles brought. An update that is not supported may leave the cluster broken. Carry the releases between too: `shortestPath` in the configuration finds them.", text.And(apart), from)
	if w.Site.Unchecked {
		p.Text("satchel did not ask the mirror which releases earlier bundles brought. If they have those between, run satchel render again without `--offline`.")
	}
}

// pagePayloads lists payloads.
func (w *Way) pagePayloads(p *page.Page, payloads []oci.Image) {
	var list []string
	for _, img := range payloads {
		list = append(list, fmt.Sprintf("%s: `%s` (in the mirror: `%s`)", origin.PayloadName(img), img.Source.WithDigest(img.Root.Digest), w.Place(img)))
	}
	p.List(list)
}

// stepUpdateTo is one update; backup: none was made for it before.
func (w *Way) stepUpdateTo(p *page.Page, s updatepath.Step, waits, backup bool) {
	c, ok := w.Updates.of(s.To)
	if !ok {
		return
	}
	p.Step("Update to %s", s.To)
	w.pageRisks(p, s, c)
	w.pageFrom(p, s, c)
	w.pageGates(p, s)
	if backup && !waits {
		w.pageBackup(p)
	}
	if waits {
		p.Text("**Nodes: the update drains and restarts the control plane nodes, one after the other.** Worker nodes wait: their pools are paused.")
	} else {
		p.Reboots("the update")
		w.pageStays(p, s.To)
	}
	p.Text("In the mirror, the release is `%s`. The commands do nothing if the cluster has %s or a newer release already%s. Use an `oc` of %s%s. If `oc adm upgrade` answers that the update is not recommended, read the reason. Only if it does not concern this cluster, repeat the command with `--allow-not-recommended`.", w.Place(c.img), s.To, w.Updates.elseStop(c), ocFor(s.To), w.carriedOC(c))
	now, isNewest := newest(s.To)
	to := page.Shell(s.To.String())
	p.Run(append(now, begin(c, isNewest)...)...)
	p.Text("Wait until the whole cluster has it. If this ends with STOP, do not go on: the update was refused, or is not done, and `oc adm upgrade` shows why. **A request that was refused stays: the update begins by itself, and drains and restarts nodes, once the reason is gone.** To take it back: `oc adm upgrade --clear`. (The command about Progressing may end with an error about a timeout: then the update was over before.)")
	lines := page.Chain(
		"oc wait clusterversion version --for=jsonpath='{.status.desired.version}'="+to+" --timeout=15m",
		"{ oc wait clusterversion version --for=condition=Progressing --timeout=5m || true; }",
		"oc wait clusterversion version --for=condition=Progressing=False --timeout=4h",
		"oc adm wait-for-stable-cluster --timeout=2h",
		"oc wait $("+handover.NotPaused+") --for=condition=Updated --timeout=4h",
		"oc get clusterversion",
	)
	p.Run(slices.Concat(now, []string{"if " + isNewest + "; then"}, lines, []string{"else", `echo "The cluster runs $NOW, which is newer: there is nothing to wait for."`, "fi"})...)
}

// pageFrom says where a release came from that an earlier bundle brought, and how the commands find
// out whether an update to it is supported where it is not known which one runs.
func (w *Way) pageFrom(p *page.Page, s updatepath.Step, c carriedPayload) {
	if c.earlier {
		p.Text("An earlier bundle brought this release, and the mirror still has it.")
	}
	if sources := w.Lead.WithheldOf(c.img); len(sources) > 0 {
		p.Text("**These files have no new rule for images of this release, those of %s (see the step about rules).** Begin the update only if nodes get them all the same: from there, or by rules that the cluster has already.", text.And(handover.Codes(sources)))
	}
	switch {
	case w.Updates.known:
	case len(c.from()) > 0 && !w.Hosted():
		p.Text("satchel does not know which release the cluster runs. The commands begin the update only from a release that an update graph or %s itself names. With any other they print STOP.", s.To)
	default:
		p.Text("**satchel does not know which release the cluster runs, so it does not know whether an update from that to %s is supported.** See first that it is%s.", s.To, w.graphPage())
	}
}

// graphPage is where a person sees which updates there are; "" for OKD.
func (w *Way) graphPage() string {
	if w.Okd() {
		return ""
	}
	return " (https://access.redhat.com/labs/ocpupgradegraph)"
}

// from lists the releases that a graph, or the payload itself, says an update leads from.
func (c carriedPayload) from() []string {
	if c.facts == nil {
		return nil
	}
	list := slices.Clone(c.facts.Previous)
	for _, up := range c.facts.Updates {
		list = append(list, up.From.String())
	}
	return text.Sorted(list)
}

// begin are the commands that begin an update, unless the cluster has it; isNewest is a condition
// that holds where the release is not older than what runs. They look whether an update leads from
// what runs, also where that is known: the cluster may have been updated since.
func begin(c carriedPayload, isNewest string) []string {
	to := c.version.String()
	command := "oc adm upgrade --allow-explicit-upgrade --to-image " + page.Shell(c.img.Source.WithDigest(c.img.Root.Digest).String())
	if from := c.from(); len(from) > 0 {
		command = fmt.Sprintf(`case " %s " in *" $NOW "*) %s ;; *) echo "STOP: no update from $NOW to %s is known, and none is begun." ;; esac`, strings.Join(from, " "), command, to)
	}
	return []string{
		`if [ -z "$NOW" ]; then echo 'STOP: what the cluster runs could not be read, and no update is begun.'`,
		fmt.Sprintf(`elif [ "$NOW" = %s ] || ! %s; then echo "The cluster has $NOW: nothing to do."`, page.Shell(to), isNewest),
		"else " + command,
		"fi",
	}
}

// elseStop says that the commands look at what runs, where that is thought to be known.
func (u *updates) elseStop(c carriedPayload) string {
	if !u.known || len(c.from()) == 0 {
		return ""
	}
	return ", and print STOP if no update is known from the release that it runs by then"
}

// newest are commands that read the version that the cluster is to run, and a condition that
// holds where that is not newer than v.
func newest(v semver.Version) (lines []string, condition string) {
	// sort has what begins with ~ before the release, which is what a version means by -. OKD has
	// its candidates before the releases that have a number in their place.
	tilde, as := "s/-/~/", strings.Replace(v.String(), "-", "~", 1)
	if len(v.Pre) > 0 && strings.HasPrefix(v.Pre[0].VersionStr, "okd") {
		tilde += `;s/\.\([a-z]\)/~\1/`
		as = candidate.ReplaceAllString(as, "~$1")
	}
	return []string{
		"NOW=$(oc get clusterversion version -o jsonpath='{.status.desired.version}')",
		fmt.Sprintf(`NEWEST=$(printf '%%s\n' %s "$NOW" | sed '%s' | sort -V | tail -n 1)`, page.Shell(v.String()), tilde),
	}, fmt.Sprintf(`[ "$NEWEST" = %s ]`, page.Shell(as))
}

// candidate is the dot before a word in a version of OKD, such as 4.20.0-okd-scos.ec.14.
var candidate = regexp.MustCompile(`\.([a-z])`)

// pageRisks names the known problems of an update, or says that they are not known.
func (w *Way) pageRisks(p *page.Page, s updatepath.Step, c carriedPayload) {
	if s.Unasked {
		p.Text("**The update graphs of this bundle do not have this update: only the release itself names it.** So problems that are known of it are not listed here. Before you begin, look whether it is recommended: in the errata of the release, or by `oc adm upgrade --include-not-recommended` while the cluster reaches an update service.")
	}
	if len(s.Risks) == 0 || c.facts == nil {
		return
	}
	var list []string
	for _, up := range c.facts.Updates {
		if !up.From.EQ(s.From) {
			continue
		}
		for _, r := range up.Risks {
			list = append(list, fmt.Sprintf("%s: %s (%s)", page.Markdown(r.Name), page.Markdown(r.Message), page.Markdown(r.URL)))
		}
	}
	p.Text("**This update has known problems on some clusters.** Go on only if this cluster is not concerned:")
	p.List(list)
}

// waitsForStable is the first version whose oc has wait-for-stable-cluster (openshift/oc #1444).
var waitsForStable = semver.MustParse("4.14.0-0")

// ocFor says which oc an update needs.
func ocFor(v semver.Version) string {
	if v.LT(waitsForStable) {
		return "4.14 or newer: older ones have no `oc adm wait-for-stable-cluster`"
	}
	return "this version or a newer one"
}

// carriedOC names the oc of a release that the bundle brings; where that is too old, of the newest
// release of the bundle. "" for none.
func (w *Way) carriedOC(c carriedPayload) string {
	if c.version.LT(waitsForStable) {
		c = w.Updates.carried[len(w.Updates.carried)-1]
	}
	if c.earlier || c.facts == nil || c.version.LT(waitsForStable) {
		return ""
	}
	var files []string
	for _, t := range c.facts.Tools {
		if t.Name == "oc" {
			files = append(files, c.facts.ToolFile(t))
		}
	}
	if len(files) == 0 {
		return ""
	}
	return fmt.Sprintf(" (for the processor of this host, this directory has one: %s; copy it to a directory of your PATH as `oc`)", page.Code(files))
}
