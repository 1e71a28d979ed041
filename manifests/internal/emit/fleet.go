package emit

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/operatorhub"
)

const (
	dirFleet = "gitops/fleet"
	// fleetNamespace is where the policies are on the hub of the fleet.
	fleetNamespace = "satchel"
	// fleetLabel is the label of managed clusters that get the policies; its value names the mirror
	// and the cluster that the files are for.
	fleetLabel = "satchel-mirror"

	policyAPI = "policy.open-cluster-management.io/v1"
)

// fleetNames name the policies by wave.
var fleetNames = map[int]string{
	waveProxy: "proxy", waveCA: "authorities", waveImage: "image-config", waveRules: "rules", waveHub: "default-catalogs", waveCatalogs: "catalogs",
	waveSignatures: "signatures", waveOperator: "update-operator", waveService: "update-service", waveVersion: "cluster-version", waveLast: "others",
}

// The objects of the policies, with the fields that are set (governance-policy-propagator,
// api/v1; config-policy-controller, api/v1; open-cluster-management.io/api, cluster).
type (
	acmPolicy struct {
		kube.Object
		Spec policySpec `json:"spec"`
	}
	policySpec struct {
		Disabled          bool               `json:"disabled"`
		RemediationAction string             `json:"remediationAction"`
		Dependencies      []policyDependency `json:"dependencies,omitempty"`
		PolicyTemplates   []policyTemplate   `json:"policy-templates"`
	}
	policyDependency struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Name       string `json:"name"`
		Namespace  string `json:"namespace"`
		Compliance string `json:"compliance"`
	}
	policyTemplate struct {
		ObjectDefinition configurationPolicy `json:"objectDefinition"`
	}
	configurationPolicy struct {
		kube.Object
		Spec configurationSpec `json:"spec"`
	}
	configurationSpec struct {
		RemediationAction   string           `json:"remediationAction"`
		Severity            string           `json:"severity"`
		PruneObjectBehavior string           `json:"pruneObjectBehavior"`
		ObjectTemplates     []objectTemplate `json:"object-templates"`
	}
	objectTemplate struct {
		ComplianceType   string         `json:"complianceType"`
		ObjectDefinition map[string]any `json:"objectDefinition"`
	}
	clusterSetBinding struct {
		kube.Object
		Spec struct {
			ClusterSet string `json:"clusterSet"`
		} `json:"spec"`
	}
	placement struct {
		kube.Object
		Spec placementSpec `json:"spec"`
	}
	placementSpec struct {
		Predicates []placementPredicate `json:"predicates"`
	}
	placementPredicate struct {
		RequiredClusterSelector struct {
			LabelSelector struct {
				MatchLabels map[string]string `json:"matchLabels"`
			} `json:"labelSelector"`
		} `json:"requiredClusterSelector"`
	}
	placementBinding struct {
		kube.Object
		PlacementRef subjectRef   `json:"placementRef"`
		Subjects     []subjectRef `json:"subjects"`
	}
	subjectRef struct {
		APIGroup string `json:"apiGroup"`
		Kind     string `json:"kind"`
		Name     string `json:"name"`
	}
)

// fleetID tells the policies of one mirror and cluster from those of others on the same hub. It is
// the same each week.
func (e *emission) fleetID() string {
	sum := sha256.Sum256([]byte(e.Site.Mirror.String() + "\n" + e.Site.Cluster.ID()))
	return fmt.Sprintf("%x", sum[:4])
}

// fleetValue is the value of the label: the mirror, and what tells two clusters apart.
func (e *emission) fleetValue() string {
	const most = 63 - len("-01234567")
	mirror := operatorhub.Label(e.Site.Mirror.String())
	return mirror[:min(len(mirror), most)] + "-" + e.fleetID()
}

// emitFleet writes the desired state as policies of a fleet's hub, one for each wave, each after
// the one before. What drains or reboots nodes is only reported. The proxy is not there: noProxy
// is one text, and each cluster has its own.
func (e *emission) emitFleet(list []desired) error {
	list = slices.DeleteFunc(slices.Clone(list), func(d desired) bool { return d.kind() == "Proxy" })
	if len(list) == 0 {
		return nil
	}
	var policies []acmPolicy
	of := kube.Satchel + "-" + e.fleetID()
	for _, drains := range []bool{false, true} {
		last := ""
		for wave := waveProxy; wave <= waveLast; wave++ {
			p, ok := fleetPolicy(list, of, wave, drains, last)
			if ok {
				policies, last = append(policies, p), p.Metadata.Name
			}
		}
	}
	files := []string{}
	add := func(name string, object any) error {
		files = append(files, name)
		return e.AddObject(dirFleet+"/"+name, handover.ModePublic, object)
	}
	binding := placementBinding{Object: kube.Ours(policyAPI, "PlacementBinding", of, fleetNamespace), PlacementRef: subjectRef{"cluster.open-cluster-management.io", "Placement", of}}
	for _, p := range policies {
		if err := add(p.Metadata.Name+".yaml", p); err != nil {
			return err
		}
		binding.Subjects = append(binding.Subjects, subjectRef{"policy.open-cluster-management.io", "Policy", p.Metadata.Name})
	}
	set := clusterSetBinding{Object: kube.Ours("cluster.open-cluster-management.io/v1beta2", "ManagedClusterSetBinding", "default", fleetNamespace)}
	set.Spec.ClusterSet = "default"
	var predicate placementPredicate
	predicate.RequiredClusterSelector.LabelSelector.MatchLabels = map[string]string{fleetLabel: e.fleetValue()}
	place := placement{kube.Ours("cluster.open-cluster-management.io/v1beta1", "Placement", of, fleetNamespace), placementSpec{[]placementPredicate{predicate}}}
	for _, o := range []struct {
		name   string
		object any
	}{
		{"namespace.yaml", kube.Ours("v1", "Namespace", fleetNamespace, "")}, {"managedclustersetbinding.yaml", set},
		{"placement.yaml", place}, {"placementbinding.yaml", binding},
	} {
		if err := add(o.name, o.object); err != nil {
			return err
		}
	}
	slices.Sort(files)
	e.Add(dirFleet+"/"+fileKustomization, handover.ModePublic, kustomization(fmt.Sprintf("# For the hub of a fleet (Advanced Cluster Management): for managed clusters with the label\n# %s=%s\n", fleetLabel, e.fleetValue()), files))
	return nil
}

// fleetPolicy is the policy of one wave, which waits for the one before it.
func fleetPolicy(list []desired, of string, wave int, drains bool, after string) (acmPolicy, bool) {
	name, action := fmt.Sprintf("%s-%02d-%s", of, wave, fleetNames[wave]), "enforce"
	if drains {
		name, action = name+"-drains", "inform"
	}
	inner := configurationPolicy{Object: kube.Theirs(policyAPI, "ConfigurationPolicy", name, ""), Spec: configurationSpec{RemediationAction: action, Severity: "medium", PruneObjectBehavior: "None"}}
	for _, d := range list {
		if d.wave == wave && d.drains == drains {
			inner.Spec.ObjectTemplates = append(inner.Spec.ObjectTemplates, objectTemplate{"musthave", d.body})
		}
	}
	p := acmPolicy{Object: kube.Ours(policyAPI, "Policy", name, fleetNamespace), Spec: policySpec{RemediationAction: action, PolicyTemplates: []policyTemplate{{inner}}}}
	if after != "" {
		p.Spec.Dependencies = []policyDependency{{policyAPI, "Policy", after, fleetNamespace, "Compliant"}}
	}
	return p, len(inner.Spec.ObjectTemplates) > 0
}
