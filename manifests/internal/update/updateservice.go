package update

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/oci"
)

// Names of the update service (openshift/cincinnati-operator, "Updating a cluster in a
// disconnected environment").
const (
	UpdatePackage   = "cincinnati-operator"
	updateCSV       = "update-service-operator."
	UpdateNamespace = "openshift-update-service"
	updateName      = "satchel"
	UpdateGroup     = "updateservice.operator.openshift.io/v1"
	// crdUpdateService comes with the operator.
	crdUpdateService = "updateservices.updateservice.operator.openshift.io"
	// graphPath is what the cluster version operator asks below the service's address.
	graphPath = "/api/upgrades_info/v1/graph"

	FileUpdateNamespace    = "updateservice-namespace.yaml"
	fileUpdateGroup        = "updateservice-operatorgroup.yaml"
	FileUpdateSubscription = "updateservice-subscription.yaml"
	FileUpdateService      = "updateservice.yaml"
)

// updateState is what the pages need to know of the update service.
type updateState struct {
	wanted    bool   // a graph is carried, so that one can be run
	stopped   string // why no UpdateService is written; empty if one is
	instead   string // what to do then
	name, ns  string
	object    UpdateService
	Kept      bool // the cluster has one that satchel did not make, under this name
	installed bool // the cluster has the operator
	Unsure    bool // it may have it: that is not known, and the bundle does not bring it
	catalog   string
}

type (
	UpdateService struct {
		kube.Object
		Spec updateServiceSpec `json:"spec"`
	}
	updateServiceSpec struct {
		GraphDataImage string `json:"graphDataImage"`
		Releases       string `json:"releases"`
		Replicas       int    `json:"replicas"`
	}
	namespaceObject struct {
		kube.Object
	}
	OperatorGroup struct {
		kube.Object
		Spec struct {
			TargetNamespaces []string `json:"targetNamespaces"`
		} `json:"spec"`
	}
	SubscriptionObject struct {
		kube.Object
		Spec subscriptionSpec `json:"spec"`
	}
	subscriptionSpec struct {
		Name            string `json:"name"`
		Source          string `json:"source"`
		SourceNamespace string `json:"sourceNamespace"`
	}
)

// FindUpdateService decides on the update service: before the authorities, which depend on it.
func (w *Way) FindUpdateService() {
	u := &w.Update
	u.name, u.ns = updateName, UpdateNamespace
	if list := w.Site.Cluster.Of("UpdateService"); len(list) > 0 { // a cluster runs one
		u.Kept, u.name, u.ns = !handover.Ours(list[0]), list[0].Name, list[0].Namespace
	}
	u.installed = len(w.Site.Cluster.Of("UpdateService")) > 0 || slices.ContainsFunc(w.Site.Cluster.Of("ClusterServiceVersion"), func(o cluster.Object) bool { return strings.HasPrefix(o.Name, updateCSV) })
	if len(w.Graph) == 0 {
		return
	}
	u.wanted = true
	for _, img := range w.Payloads {
		if w.lastChildMissing(img) {
			u.stopped = fmt.Sprintf("the release %s is for several architectures, and the mirror lacks the last image of its index. The update service opens that one, and fails for all releases without it", origin.PayloadName(img))
			u.instead = "Pack the release again without leaving an architecture out, bring that bundle here, and use the files that come with it."
		}
	}
	known, carried := w.Site.Cluster.Known("ClusterServiceVersion"), w.carriesOperator()
	switch {
	case u.stopped != "":
	case w.UnsignedPayload() != "":
		u.stopped = fmt.Sprintf("nodes would refuse images of %s, because signatures are missing or wrong (see the step about rules), and the update service would offer it to every cluster that asks", w.UnsignedPayload())
		u.instead = "Carry the signatures, and run satchel render again. A service that runs already may offer that release all the same: do not update to it."
	case !u.installed && !carried && known:
		u.stopped = "the cluster does not have the OpenShift Update Service operator, and no catalog of this bundle has it"
		u.instead = fmt.Sprintf("Add the package `%s` to the configuration for the next bundle.", UpdatePackage)
	}
	u.Unsure = !u.installed && !carried
	if w.Site.PlainHTTP && u.stopped == "" { // its operator names the registry without http:// (cincinnati-operator, new.go)
		u.stopped = fmt.Sprintf("%s speaks plain HTTP, and the update service reads releases by TLS alone", w.Mirrors()[0].Host)
		u.instead = "Give the mirror a certificate, and run satchel render again."
	}
}

// carriesOperator reports whether the bundle brings the operator.
func (w *Way) carriesOperator() bool {
	return slices.ContainsFunc(w.Images, func(img oci.Image) bool {
		return slices.ContainsFunc(origin.PartsOf(img), func(part origin.Part) bool {
			return part.Kind == origin.KindOperator && part.Name == UpdatePackage
		})
	})
}

// UnsignedPayload names a release of the bundle that nodes refuse images of; "" for none.
func (w *Way) UnsignedPayload() string {
	for _, img := range w.Payloads {
		if w.Lead.UnsignedIn(img) > 0 {
			return origin.PayloadName(img)
		}
	}
	return ""
}

// lastChildMissing reports whether the index of a payload may have its last manifest elsewhere
// alone (openshift/cincinnati, get_manifest_layers).
func (w *Way) lastChildMissing(img oci.Image) bool {
	if len(img.Omitted) == 0 || !oci.IsIndex(img.Root.MediaType) {
		return false
	}
	for _, p := range w.Site.Payloads {
		if p.Payload == img.Root.Digest && p.Last != "" {
			return slices.Contains(img.Omitted, p.Last)
		}
	}
	return true // a bundle of an earlier version does not say which is the last
}

// EmitUpdateService writes the update service, and its operator where the bundle brings that.
func (w *Way) EmitUpdateService() error {
	u := &w.Update
	if !u.wanted || u.stopped != "" || w.Hosted() { // a hosted cluster cannot be given its authorities
		return nil
	}
	u.catalog = w.catalogWith(UpdatePackage)
	switch known := w.Site.Cluster.Known("ClusterServiceVersion"); {
	case u.installed:
	case u.catalog == "" && known: // a catalog that is not for now has it
		u.stopped, u.instead = w.noOperatorNow()
		return nil
	case u.catalog == "":
		u.Unsure = true
	default:
		if err := w.emitUpdateOperator(); err != nil {
			return err
		}
	}
	replicas := 2
	if w.single() {
		replicas = 1
	}
	u.object = UpdateService{
		Object: kube.Ours(UpdateGroup, "UpdateService", u.name, u.ns),
		Spec: updateServiceSpec{
			GraphDataImage: w.Place(w.Graph[0]), // by a tag the operator would ask every five minutes
			Releases:       w.Repo(oci.Image{Path: origin.PathPayload}).Name(),
			Replicas:       replicas,
		},
	}
	return w.AddObject(FileUpdateService, handover.ModePublic, u.object)
}

func (w *Way) emitUpdateOperator() error {
	for file, o := range UpdateOperator(w.Update.catalog) {
		if err := w.AddObject(file, handover.ModePublic, o); err != nil {
			return err
		}
	}
	return nil
}

// UpdateOperator are the objects that install the operator from a catalog, by file.
func UpdateOperator(catalog string) map[string]any {
	ns := namespaceObject{kube.Ours("v1", "Namespace", UpdateNamespace, "")}
	ns.Metadata.Labels["openshift.io/cluster-monitoring"] = "true"
	group := OperatorGroup{Object: kube.Ours("operators.coreos.com/v1", "OperatorGroup", updateName, UpdateNamespace)}
	group.Spec.TargetNamespaces = []string{UpdateNamespace}
	sub := SubscriptionObject{
		Object: kube.Ours("operators.coreos.com/v1alpha1", "Subscription", UpdatePackage, UpdateNamespace),
		Spec:   subscriptionSpec{Name: UpdatePackage, Source: catalog, SourceNamespace: "openshift-marketplace"},
	}
	return map[string]any{FileUpdateNamespace: ns, fileUpdateGroup: group, FileUpdateSubscription: sub}
}

// catalogWith is the CatalogSource of a carried catalog that has a package, of several the one for the
// latest version: those for later ones than the cluster runs are not among them. Empty for none.
func (w *Way) catalogWith(pkg string) (name string) {
	var best handover.Minor
	for _, c := range w.Hub.Catalogs {
		m, _ := handover.IndexMinor(c.Image)
		if w.catalogHas(c.Image, pkg) && (name == "" || m.Compare(best) > 0) {
			name, best = c.Name, m
		}
	}
	return name
}

// catalogHas reports whether a carried catalog has a package.
func (w *Way) catalogHas(catalog oci.Image, pkg string) bool {
	return slices.ContainsFunc(w.Images, func(img oci.Image) bool {
		return slices.ContainsFunc(origin.PartsOf(img), func(part origin.Part) bool {
			return part.Kind == origin.KindOperator && part.Name == pkg && (catalog.Configured().String() == part.Catalog || catalog.Source.String() == part.Catalog)
		})
	})
}

// noOperatorNow says why no catalog for now has the update service's operator, and what to do.
func (w *Way) noOperatorNow() (why, instead string) {
	const lacks = "the cluster does not have the OpenShift Update Service operator, and "
	const again = "save the state of the cluster again, and run satchel render again with `--from-cluster`."
	for _, c := range w.Hub.Later {
		if w.catalogHas(c.Image, UpdatePackage) {
			return lacks + "only a catalog for after the update has it", "After the update, " + again
		}
	}
	for _, c := range w.Hub.Older {
		if w.catalogHas(c.Image, UpdatePackage) {
			return lacks + "of this bundle only catalogs for an earlier version than the cluster runs have it, which were left out",
				fmt.Sprintf("If the cluster's own catalog `%s` has it (`oc get packagemanifests -n openshift-marketplace -l catalog=%[1]s | grep %s`), install it from there. Else carry the catalog for the version that runs, with that package. Then %s", c.Name, UpdatePackage, again)
		}
	}
	return lacks + "of this bundle only catalogs that were left out have it (see the step about catalogs)", "Carry the catalog for the version that runs, with the package `" + UpdatePackage + "`."
}

// single reports whether the cluster is known to have one node for its control plane.
func (w *Way) single() bool {
	return w.Site.Cluster.Topology() == "SingleReplica"
}

// UpdatesFrom is where the cluster asks for updates, and by which channel.
func (w *Way) UpdatesFrom() (upstream, channel string, known bool) {
	one, ok := w.Present("ClusterVersion", "", "version")
	if !ok {
		return "", "", false
	}
	var cv struct {
		Spec struct {
			Upstream string `json:"upstream"`
			Channel  string `json:"channel"`
		} `json:"spec"`
	}
	if json.Unmarshal(one.Body, &cv) != nil {
		return "", "", false
	}
	return cv.Spec.Upstream, cv.Spec.Channel, true
}

// AsksUpdateService reports whether the cluster is known to ask its own update service.
func (w *Way) AsksUpdateService() bool {
	one, ok := w.Present("UpdateService", w.Update.ns, w.Update.name)
	if !ok {
		return false
	}
	var service struct {
		Status struct {
			PolicyEngineURI string `json:"policyEngineURI"`
		} `json:"status"`
	}
	upstream, _, known := w.UpdatesFrom()
	return known && json.Unmarshal(one.Body, &service) == nil && service.Status.PolicyEngineURI != "" && upstream == service.Status.PolicyEngineURI+graphPath
}

// StepUpdateService is the step of the update service.
func (w *Way) StepUpdateService(p *page.Page) {
	u := w.Update
	switch {
	case !u.wanted:
		return
	case w.Hosted():
		w.stepHostedService(p)
		return
	case u.stopped != "":
		p.Step("The update service: stop")
		p.Text("No UpdateService is written: %s. %s", u.stopped, u.instead)
		return
	case w.Change(u.object, "UpdateService", u.ns, u.name) == handover.Same && w.AsksUpdateService() && w.ChannelFits():
		p.Nothing("the update service")
		return
	}
	p.Step("The update service")
	nodes := "nothing changes."
	if !w.AsksUpdateService() {
		nodes = "nothing changes, except by the block that adds the authorities of the cluster's router (see there)."
	}
	p.Text("It tells clusters which updates there are: the releases of %s, with the graph of this bundle. One cluster can serve many. Nodes: %s", u.object.Spec.Releases, nodes)
	if u.Kept {
		p.Text("**The cluster has the UpdateService %s in %s, which satchel did not make. The command below makes it serve the releases of this mirror, with this graph.** The ConfigMap %s keeps it before, for the way back.", u.name, u.ns, handover.BeforeName)
	}
	w.pageUpdateOperator(p)
	w.pageServiceCA(p)
	apply := []string{"oc apply -f " + FileUpdateService, fmt.Sprintf("oc wait updateservice/%s -n %s --for=condition=ReconcileCompleted --timeout=15m", u.name, u.ns)}
	if u.Unsure {
		apply = append([]string{"oc get crd " + crdUpdateService}, apply...)
	}
	if u.Kept {
		p.Run(handover.WithKeep(page.Chain(append([]string{handover.KeepObject("updateservice", u.ns, u.name)}, apply...)...)...)...)
	} else {
		p.Run(page.Chain(apply...)...)
	}
	if !w.AsksUpdateService() {
		w.pageUpstream(p)
	}
	if !w.AsksUpdateService() || !w.ChannelFits() {
		w.pageChannel(p, fmt.Sprintf("oc get updateservice %s -n %s", u.name, u.ns))
	}
}

// pageServiceCA says where the update service has the mirror's authorities from: from the ConfigMap
// that image.config names, whatever nodes trust besides (updateservice_controller.go).
func (w *Way) pageServiceCA(p *page.Page) {
	ca := w.Site.PresentCA
	switch {
	case w.Trust.CA.Written:
		p.Text("The UpdateService needs the mirror's certificate authorities under the key `%s`: %s has them.", handover.UpdateServiceKey, handover.FileCA)
	case ca == nil || ca.Data[handover.UpdateServiceKey] == "":
		p.Text("**No certificate authority was given.** If the mirror's certificate is not of a public authority, stop here: the UpdateService needs the mirror's own under the key `%s` of the ConfigMap that image.config names, also where nodes trust the mirror already. Run satchel render again with `--ca-file`.", handover.UpdateServiceKey)
	}
}

// pageUpdateOperator installs the operator, or says that it is missing.
func (w *Way) pageUpdateOperator(p *page.Page) {
	switch {
	case w.Update.installed:
	case w.Update.Unsure:
		p.Text("**The OpenShift Update Service operator (package `%s`) must be in the cluster already: the cluster has nothing of this bundle to install it from.** If the command prints nothing, leave out all other commands of this step, and add the package to the configuration for the next bundle. (They would end with STOP.)", UpdatePackage)
		p.Run("oc get csv --all-namespaces -o name | grep " + updateCSV)
	default:
		if !w.Site.Cluster.Known("ClusterServiceVersion") {
			p.Text("If the first command prints a version, the operator is installed: leave out the second one.")
			p.Run("oc get csv --all-namespaces -o name | grep " + updateCSV)
		}
		p.Text("The operator comes from the catalog `%s`. The last command waits until its API is there.", w.Update.catalog)
		const there = "FOUND=$(oc get %s -n " + UpdateNamespace + " -o name)"
		p.Text("What is in that namespace already stays: with a second OperatorGroup, OLM would stop every operator there.")
		p.Run(append(page.Chain(
			"oc apply -f "+FileUpdateNamespace,
			fmt.Sprintf(there, "operatorgroup"), page.Or(`[ -n "$FOUND" ]`, "oc apply -f "+fileUpdateGroup),
			fmt.Sprintf(there, "subscriptions.operators.coreos.com"), page.Or(`[ -n "$FOUND" ]`, "oc apply -f "+FileUpdateSubscription)),
			"for i in $(seq 90); do oc get crd "+crdUpdateService+" --ignore-not-found -o name | grep . && break; sleep 10; done",
		)...)
	}
}

// pageUpstream makes the cluster ask the service; it must trust the router's certificate.
func (w *Way) pageUpstream(p *page.Page) {
	p.Text("The cluster version operator must trust the certificate of the cluster's router. The commands add the router's authorities to the ConfigMap that the cluster's proxy settings name, or to `user-ca-bundle`, and keep what stands there.")
	w.Trust.PageTrusted(p)
	there := fmt.Sprintf("oc get updateservice %s -n %s", w.Update.name, w.Update.ns)
	read := `oc get configmap default-ingress-cert -n openshift-config-managed -o jsonpath='{.data.ca-bundle\.crt}' > router-ca.crt`
	w.Waits(p, "Every node must have the authorities")
	p.Run(w.Rollout(slices.Concat([]string{there, read}, AddTrusted("router-ca.crt"))...)...)
	p.Text("Then the cluster asks the update service.")
	p.Run(page.Chain(
		fmt.Sprintf("UPSTREAM=$(oc get updateservice %s -n %s -o jsonpath='{.status.policyEngineURI}')", w.Update.name, w.Update.ns),
		`[ -n "$UPSTREAM" ]`,
		`oc patch clusterversion version --type=merge -p '{"spec":{"upstream":"'"$UPSTREAM`+graphPath+`"'"}}'`,
	)...)
}

// ChannelFits reports whether the cluster is known to have a channel of the minor version that it
// runs at the end of the page. One without a minor version in its name is the site's own.
func (w *Way) ChannelFits() bool {
	_, channel, known := w.UpdatesFrom()
	v, runs := w.Site.Cluster.Running()
	if steps := w.Updates.steps(); len(steps) > 0 {
		v, runs = steps[len(steps)-1].To, true
	}
	return known && runs && channel != "" && (!channelMinor.MatchString(channel) || strings.HasSuffix(channel, fmt.Sprintf("-%d.%d", v.Major, v.Minor)))
}

var channelMinor = regexp.MustCompile(`-[0-9]+\.[0-9]+$`)

// PageChannel gives the cluster a channel of the version that it runs: without one it asks no
// update service at all (cluster-version-operator, availableupdates.go), and one of another minor
// version need not have its release.
func (w *Way) PageChannel(p *page.Page) { w.pageChannel(p) }

// pageChannel does so only if all of some commands are successful.
func (w *Way) pageChannel(p *page.Page, first ...string) {
	p.Text("The cluster asks only if it has a channel, and that must be of the minor version that it runs. The commands keep the kind of channel that it has now, or had before satchel. (Channels of kind eus exist for even minor versions only; stable takes their place.) The last command must list the releases of the mirror within some minutes.")
	none := "stable-$MINOR"
	if w.Okd() {
		none = "" // OKD's channels have other names
	}
	p.Run(page.Chain(append(first,
		"MINOR=$(oc get clusterversion version -o jsonpath='{.status.desired.version}' | cut -d. -f1,2)",
		`[ -n "$MINOR" ]`,
		"CHANNEL=$(oc get clusterversion version -o jsonpath='{.spec.channel}')",
		"BEFORE=$(oc get configmap "+handover.BeforeName+" -n openshift-config --ignore-not-found -o jsonpath='{.data."+handover.KeyChannel+"}')",
		`CHANNEL="${CHANNEL:-${BEFORE:-`+none+`}}"`,
		`case "$CHANNEL" in *-[0-9].[0-9]*) CHANNEL="${CHANNEL%-*}-$MINOR" ;; esac`,
		`case "$CHANNEL" in eus-*[13579]) CHANNEL="stable-$MINOR" ;; esac`,
		page.Or(`[ -z "$CHANNEL" ]`, `oc adm upgrade channel --allow-explicit-channel "$CHANNEL"`),
		"oc adm upgrade",
	)...)...)
}

// CutUpdates says what the cluster asks for updates after the cut.
func (w *Way) CutUpdates(p *page.Page) {
	switch {
	case w.Hosted():
		w.cutHostedUpdates(p)
		return
	case w.AsksUpdateService():
		p.Text("The cluster asks its own update service for updates, so nothing changes there.")
		return
	}
	p.Text("Without an update service, the cluster asks for updates on the internet, and the alert CannotRetrieveUpdates fires after the cut. Without a channel it does not ask. The commands take the channel away where the cluster asks on the internet, and leave it where the cluster asks an update service of this site. (Put the channel back when the network returns: %s.)", handover.FileRestore)
	p.Run(page.Chain(
		"UPSTREAM=$(oc get clusterversion version -o jsonpath='{.spec.upstream}')",
		strings.Join([]string{`case "$UPSTREAM" in`,
			`""|https://*.openshift.com/*|https://*.openshift.org/*) oc adm upgrade channel --allow-explicit-channel ;;`,
			`*) echo "The cluster asks $UPSTREAM, and keeps its channel." ;;`,
			"esac"}, "\n"),
		"oc get clusterversion version -o jsonpath='{.spec.channel}'",
	)...)
}

// RestoreUpdates goes back to the updates from the internet.
func (w *Way) RestoreUpdates(p *page.Page) {
	if len(w.Payloads) == 0 && !w.Update.wanted {
		return
	}
	p.Step("Updates from the internet")
	if w.Hosted() {
		w.restoreHostedUpdates(p)
		return
	}
	p.Text("The cluster asks for updates where it did before, by the channel that it had before, of the version that it runs now.")
	p.Run(page.Chain(
		handover.ReadBefore("CHANNEL", handover.KeyChannel),
		handover.ReadBefore("UPSTREAM", handover.KeyUpstream),
		`if [ -n "$UPSTREAM" ]; then UPSTREAM="\"$UPSTREAM\""; else UPSTREAM=null; fi`,
		`oc patch clusterversion version --type=merge -p '{"spec":{"upstream":'"$UPSTREAM"'}}'`,
		"VERSION=$(oc get clusterversion version -o jsonpath='{.status.desired.version}')",
		`MINOR=$(echo "$VERSION" | cut -d. -f1,2)`,
		`case "$CHANNEL" in *-[0-9].[0-9]*) CHANNEL="${CHANNEL%-*}-$MINOR" ;; esac`,
		page.Or(`[ -z "$CHANNEL" ]`, `oc adm upgrade channel --allow-explicit-channel "$CHANNEL"`),
	)...)
	if w.Update.wanted && w.Update.stopped == "" {
		p.Text("This deletes the update service that satchel made. One of others that it changed is created again as it was. Other clusters may use it: look first.")
		p.Run("oc delete updateservice -n "+w.Update.ns+" -l "+kube.Mine, handover.CreateAgain("updateservice-"))
	}
}
