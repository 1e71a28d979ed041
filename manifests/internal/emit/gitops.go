package emit

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/lead"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/manifests/internal/update"
)

const (
	fileKustomization = "kustomization.yaml"
	dirGitOps         = "gitops"
	dirDrains         = "drains"

	// The annotations of Argo CD.
	syncWave    = "argocd.argoproj.io/sync-wave"
	syncOptions = "argocd.argoproj.io/sync-options"
	// keepOptions: an object that is no more in the files is neither deleted with them nor with the
	// Application, and only the fields that are set are satchel's.
	keepOptions = "ServerSideApply=true,Prune=false,Delete=false"
)

// desired is one object of the desired state.
type desired struct {
	file   string
	wave   int
	drains bool // applying it may drain or reboot nodes
	body   map[string]any
}

// The waves follow APPLY.md. Kinds that are not here come last.
const (
	waveProxy = 1 + iota
	waveCA
	waveImage
	waveRules
	waveHub
	waveCatalogs
	waveSignatures
	waveOperator
	waveService
	waveVersion
	waveLast
)

var waves = map[string]int{
	"Proxy": waveProxy, "Image": waveImage,
	string(rules.ContentSource): waveRules, string(rules.DigestMirrors): waveRules, string(rules.TagMirrors): waveRules,
	"OperatorHub": waveHub, "CatalogSource": waveCatalogs, "ClusterCatalog": waveCatalogs, "HelmChartRepository": waveCatalogs,
	"Namespace": waveOperator, "OperatorGroup": waveOperator, "Subscription": waveOperator,
	"UpdateService": waveService, "ClusterVersion": waveVersion,
}

// emitGitOps writes the whole desired state as two kustomizations: what changes nothing on nodes
// but their configuration, and what drains or reboots them, which a person syncs.
func (e *emission) emitGitOps() error {
	if e.Site.Mirror.Host == handover.PlaceholderHost {
		return nil // no cluster is to follow that
	}
	list, err := e.desiredState()
	if err != nil {
		return err
	}
	for _, part := range []struct {
		dir, head string
		drains    bool
	}{{dirGitOps, e.gitOpsHead(list), false}, {dirDrains, e.drainsHead(), true}} {
		var files []string
		for _, d := range list {
			if d.drains != part.drains {
				continue
			}
			body, err := kube.YAML(d.annotated())
			if err != nil {
				return err
			}
			e.Add(part.dir+"/"+d.file, handover.ModePublic, body)
			files = append(files, d.file)
		}
		at := part.dir + "/" + fileKustomization
		if !part.drains { // it stands where APPLY.md is
			at = fileKustomization
			for i := range files {
				files[i] = part.dir + "/" + files[i]
			}
		} else if len(files) == 0 {
			continue
		}
		e.Add(at, handover.ModePublic, kustomization(part.head, files))
	}
	return e.emitFleet(list)
}

// gitOpsHead says above the list what is not in it, and what it waits for.
func (e *emission) gitOpsHead(list []desired) string {
	var b strings.Builder
	b.WriteString("# The whole desired state, each week. What drains or reboots nodes is in drains/, secrets are in no kustomization.\n")
	if _, kept := e.Present("ConfigMap", "openshift-config", handover.BeforeName); !kept {
		b.WriteString("# Before the first sync, do step 1 of APPLY.md: the way back needs what it keeps.\n")
	}
	if slices.ContainsFunc(list, func(d desired) bool { return d.drains && !e.optional(d) }) {
		b.WriteString("# Sync drains/ first: nodes must have it before they get what is here.\n")
	}
	if e.trust.CA.Written && e.Site.PresentImage == nil {
		b.WriteString("# Not here, because the cluster's image.config was not given (--from-cluster): its certificate authorities. APPLY.md has the step.\n")
	}
	if e.Hosted() {
		b.WriteString("# Not here: what stands in the HostedCluster, on the management cluster (rules, authorities, noProxy, update).\n" +
			"# Its lists belong to others too, and an apply would replace them whole: see APPLY.md and hostedcluster/.\n")
	} else if e.HostsOthers() && len(e.Images) > 0 {
		b.WriteString("# Not here: what the HostedClusters of this cluster get. Their lists belong to others too, and an apply would\n" +
			"# replace them whole, and each change replaces their nodes: APPLY.md has a step for each.\n")
	}
	if e.way.Update.Unsure && e.Has(update.FileUpdateService) {
		b.WriteString("# Not here, because it is not known whether the cluster has the operator for it: the UpdateService. APPLY.md has the step.\n")
	}
	return b.String()
}

// drainsHead says above the other list what it does, and what of it not every cluster needs.
func (e *emission) drainsHead() string {
	const head = "# Applying this drains or reboots nodes, or may: sync it by hand, in a maintenance window.\n"
	if len(e.lead.ITMSs) == 0 || e.lead.TagsNeeded() {
		return head
	}
	return head + "# The rules for tags (itms-*) are only for clusters whose pods name images by tag: see APPLY.md.\n"
}

// optional reports whether an object is one that the cluster may do without: rules for tags.
func (e *emission) optional(d desired) bool {
	return d.kind() == string(rules.TagMirrors) && !e.lead.TagsNeeded()
}

func kustomization(head string, resources []string) []byte {
	var b bytes.Buffer
	b.WriteString(head + "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n")
	for _, r := range resources {
		b.WriteString("- " + r + "\n")
	}
	if len(resources) == 0 {
		return append(bytes.TrimSuffix(b.Bytes(), []byte("\n")), []byte(" []\n")...)
	}
	return b.Bytes()
}

// annotated is the object as Argo CD is to apply it.
func (d desired) annotated() map[string]any {
	meta := map[string]any{}
	if has, ok := d.body["metadata"].(map[string]any); ok {
		for k, v := range has {
			meta[k] = v
		}
	}
	options := keepOptions
	switch d.kind() {
	case "ClusterVersion", "HelmChartRepository", "ClusterCatalog": // their schemas want fields that are not set here
		options += ",Validate=false"
	case "UpdateService": // its kind comes with the operator
		options += ",SkipDryRunOnMissingResource=true"
	}
	annotations := map[string]any{syncWave: fmt.Sprint(d.wave), syncOptions: options}
	if has, ok := meta["annotations"].(map[string]any); ok {
		for k, v := range has {
			annotations[k] = v
		}
	}
	meta["annotations"] = annotations
	all := map[string]any{}
	for k, v := range d.body {
		all[k] = v
	}
	all["metadata"] = meta
	return all
}

func (d desired) kind() string { kind, _ := d.body["kind"].(string); return kind }

// name is the object's name.
func (d desired) name() string {
	meta, _ := d.body["metadata"].(map[string]any)
	name, _ := meta["name"].(string)
	return name
}

// desiredState gives every object that the cluster is to have, by wave and file: those of this
// run's files, the fields of the cluster's own objects, and what earlier weeks brought.
func (e *emission) desiredState() ([]desired, error) {
	list := e.singletons()
	for _, f := range e.Files {
		if f.Name == update.FileUpdateService && e.way.Update.Unsure { // where its kind is missing, no sync would end
			continue
		}
		// Others are patches, for another version, or not desired state.
		if path.Ext(f.Name) != ".yaml" || strings.Contains(f.Name, "/") || f.Mode != handover.ModePublic || e.hub.NotNow(f.Name) || f.Name == handover.FileBefore || f.Name == handover.FileCA || strings.HasPrefix(f.Name, "pinnedimageset-") {
			continue
		}
		d := desired{file: f.Name}
		if err := yaml.Unmarshal(f.Body, &d.body); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		if d.name() != "" {
			list = append(list, d)
		}
	}
	list = append(list, e.earlierWeeks(list)...)
	for i, d := range list {
		list[i].wave = cmp.Or(d.wave, waves[d.kind()], waveLast)
		if d.kind() == "ConfigMap" && d.wave == 0 {
			list[i].wave = waveSignatures
		}
		list[i].drains = d.drains || e.mayDrain(d)
	}
	slices.SortFunc(list, func(a, b desired) int { return cmp.Or(cmp.Compare(a.wave, b.wave), cmp.Compare(a.file, b.file)) })
	return list, nil
}

// mayDrain reports whether an object with rules is to be synced by a person: any for tags, and all
// that change where the page says that they drain, or too little is known to say that they do not.
func (e *emission) mayDrain(d desired) bool {
	kind := rules.Kind(d.kind())
	if kind == rules.TagMirrors {
		return true
	}
	if !slices.Contains(handover.RuleKinds, kind) {
		return false
	}
	if e.Site.PresentRules == nil { // applying replaces what an object of that name has
		return true
	}
	same := slices.ContainsFunc(e.lead.Growth.Ours, func(o rules.Grown) bool {
		return o.Kind == kind && o.Name == d.name() && o.State == rules.Same
	})
	does, _ := e.lead.EffectOf(e.lead.NodesNow(), e.lead.Nodes(e.trust.Insecure(), e.lead.Blocked()))
	return !same && (does != lead.Harmless || e.SiteMayDrain(handover.NodeRegistries))
}

// earlierWeeks gives what satchel made in earlier weeks, is not in this run's files, and is not
// listed as superfluous.
func (e *emission) earlierWeeks(now []desired) (list []desired) {
	gone := map[string][]string{"ConfigMap": e.hub.OldSignatures()}
	gone["CatalogSource"], _ = e.hub.OldCatalogs()
	gone["ClusterCatalog"], _ = e.hub.OldClusterCatalogs()
	for _, r := range e.hub.Renamed() {
		gone["CatalogSource"] = append(gone["CatalogSource"], r.Old)
	}
	for _, kind := range []string{"CatalogSource", "ClusterCatalog", "ConfigMap", "UpdateService"} {
		for _, o := range e.Site.Cluster.Of(kind) {
			has := slices.ContainsFunc(now, func(d desired) bool { return d.kind() == kind && d.name() == o.Name })
			if !handover.Ours(o) || has || slices.Contains(gone[kind], o.Name) || kind == "ConfigMap" && o.Namespace != "openshift-config-managed" {
				continue
			}
			d := desired{file: strings.ToLower(kind) + "-" + o.Name + ".yaml"}
			if yaml.Unmarshal([]byte(handover.Clean(o)), &d.body) == nil && d.name() != "" {
				d.forgetSync()
				list = append(list, d)
			}
		}
	}
	return append(list, e.updateOperatorBefore()...)
}

// forgetSync takes away what Argo CD wrote on an object of the cluster: its wave may be another one
// now, and what tracks it is of one Application.
func (d desired) forgetSync() {
	meta, _ := d.body["metadata"].(map[string]any)
	for _, field := range []string{"annotations", "labels"} {
		all, _ := meta[field].(map[string]any)
		for key := range all {
			if strings.HasPrefix(key, "argocd.argoproj.io/") || key == "app.kubernetes.io/instance" {
				delete(all, key)
			}
		}
	}
}

// updateOperatorBefore is the operator of the update service that satchel had the cluster install.
func (e *emission) updateOperatorBefore() (list []desired) {
	var sub update.SubscriptionObject
	one, ok := e.Present("Subscription", update.UpdateNamespace, update.UpdatePackage)
	if !ok || !handover.Ours(one) || e.Has(update.FileUpdateSubscription) || json.Unmarshal(one.Body, &sub) != nil {
		return nil
	}
	for file, o := range update.UpdateOperator(sub.Spec.Source) {
		d := desired{file: file}
		if body, err := kube.YAML(o); err == nil && yaml.Unmarshal(body, &d.body) == nil {
			list = append(list, d)
		}
	}
	return list
}
