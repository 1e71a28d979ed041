package cluster

import "strings"

// known is a kind of objects that satchel asks a cluster for.
type known struct {
	resource, group, kind string
	own                   bool   // it exists in every cluster, and not by a CustomResourceDefinition
	spaced                bool   // its objects are in namespaces
	keep                  bool   // as an object of the [State]; else only for the images that it names
	runs                  bool   // its objects run images, or would: what applications use is known by all such kinds
	only                  string // the name of the one object that a cluster has; "" for kinds that may have several
	gathered              bool   // a must-gather asks for all of them, and writes each into a file (must-gather, collection-scripts/gather)
	olm                   bool   // it has the category olm, which a must-gather inspects in all namespaces (gather_olm)
	aside                 bool   // it is too much to ask for: only a must-gather, or what somebody fetched by hand, has it
	since                 int    // the first version of the query that asks for it; 0: all do
	capability            string // of the cluster, without which it has no such kind (openshift/api, config/v1); "" for none
	trim                  func(object map[string]any)
}

// name is the resource as oc takes it: RESOURCE.GROUP.
func (k *known) name() string {
	if k.group == "" {
		return k.resource
	}
	return k.resource + "." + k.group
}

// kinds are all of them. Kinds of other groups with one of these names are not read. Secrets and
// MachineConfigs, which may have some, are not among them.
var kinds = []known{
	{resource: "namespaces", kind: "Namespace", own: true, keep: true, trim: trimNamespace},
	{resource: "nodes", kind: "Node", gathered: true, own: true, keep: true, trim: trimNode},
	{resource: "pods", kind: "Pod", spaced: true, runs: true, own: true},
	{resource: "deployments", group: "apps", kind: "Deployment", spaced: true, runs: true, own: true},
	{resource: "statefulsets", group: "apps", kind: "StatefulSet", spaced: true, runs: true, own: true},
	{resource: "daemonsets", group: "apps", kind: "DaemonSet", spaced: true, runs: true, own: true},
	{resource: "cronjobs", group: "batch", kind: "CronJob", spaced: true, runs: true, own: true},
	{resource: "jobs", group: "batch", kind: "Job", spaced: true, runs: true, own: true},
	{resource: "deploymentconfigs", group: "apps.openshift.io", kind: "DeploymentConfig", capability: "DeploymentConfig", spaced: true, runs: true, own: true, keep: true, trim: trimDeploymentConfig},
	{resource: "buildconfigs", group: "build.openshift.io", kind: "BuildConfig", capability: "Build", spaced: true, runs: true, own: true, keep: true, trim: trimBuildConfig},
	{resource: "imagestreams", group: "image.openshift.io", kind: "ImageStream", spaced: true, runs: true, own: true},
	{resource: "dataimportcrons", group: "cdi.kubevirt.io", kind: "DataImportCron", spaced: true, runs: true},
	{resource: "datavolumes", group: "cdi.kubevirt.io", kind: "DataVolume", spaced: true, runs: true},
	{resource: "virtualmachines", group: "kubevirt.io", kind: "VirtualMachine", spaced: true, runs: true},
	{resource: "services", group: "serving.knative.dev", kind: "Service", spaced: true, runs: true},
	{resource: "tasks", group: "tekton.dev", kind: "Task", spaced: true, runs: true},

	{resource: "clusterversions", group: "config.openshift.io", kind: "ClusterVersion", only: "version", keep: true},
	{resource: "clusteroperators", group: "config.openshift.io", kind: "ClusterOperator", gathered: true, keep: true, trim: trimClusterOperator},
	{resource: "infrastructures", group: "config.openshift.io", kind: "Infrastructure", only: "cluster", keep: true},
	{resource: "featuregates", group: "config.openshift.io", kind: "FeatureGate", only: "cluster", keep: true},
	{resource: "proxies", group: "config.openshift.io", kind: "Proxy", only: "cluster", keep: true},
	{resource: "ingresses", group: "config.openshift.io", kind: "Ingress", only: "cluster", keep: true},
	{resource: "images", group: "config.openshift.io", kind: "Image", only: "cluster", keep: true},
	{resource: "imagedigestmirrorsets", group: "config.openshift.io", kind: "ImageDigestMirrorSet", keep: true},
	{resource: "imagetagmirrorsets", group: "config.openshift.io", kind: "ImageTagMirrorSet", keep: true},
	{resource: "imagepolicies", group: "config.openshift.io", kind: "ImagePolicy", spaced: true, keep: true},
	{resource: "clusterimagepolicies", group: "config.openshift.io", kind: "ClusterImagePolicy", keep: true},
	{resource: "operatorhubs", group: "config.openshift.io", kind: "OperatorHub", only: "cluster", keep: true},
	{resource: "imagecontentsourcepolicies", group: "operator.openshift.io", kind: "ImageContentSourcePolicy", gathered: true, keep: true},
	{resource: "machineconfigpools", group: "machineconfiguration.openshift.io", kind: "MachineConfigPool", keep: true},
	{resource: "machineosconfigs", group: "machineconfiguration.openshift.io", kind: "MachineOSConfig", keep: true},
	{resource: "machineconfigurations", group: "operator.openshift.io", kind: "MachineConfiguration", since: 2, keep: true},
	{resource: "pinnedimagesets", group: "machineconfiguration.openshift.io", kind: "PinnedImageSet", keep: true},
	{resource: "internalreleaseimages", group: "machineconfiguration.openshift.io", kind: "InternalReleaseImage", keep: true},
	{resource: "configs", group: "samples.operator.openshift.io", kind: "Config", only: "cluster", keep: true},
	{resource: "helmchartrepositories", group: "helm.openshift.io", kind: "HelmChartRepository", keep: true},
	{resource: "projecthelmchartrepositories", group: "helm.openshift.io", kind: "ProjectHelmChartRepository", spaced: true, keep: true},
	{resource: "catalogsources", group: "operators.coreos.com", kind: "CatalogSource", olm: true, spaced: true, keep: true},
	{resource: "subscriptions", group: "operators.coreos.com", kind: "Subscription", olm: true, spaced: true, keep: true},
	{resource: "clusterserviceversions", group: "operators.coreos.com", kind: "ClusterServiceVersion", olm: true, spaced: true, keep: true, trim: trimCSV},
	{resource: "operatorconditions", group: "operators.coreos.com", kind: "OperatorCondition", olm: true, spaced: true, since: 3, keep: true},
	{resource: "installplans", group: "operators.coreos.com", kind: "InstallPlan", olm: true, aside: true, spaced: true, keep: true, trim: trimInstallPlan},
	{resource: "clustercatalogs", group: "olm.operatorframework.io", kind: "ClusterCatalog", capability: "OperatorLifecycleManagerV1", keep: true},
	{resource: "clusterextensions", group: "olm.operatorframework.io", kind: "ClusterExtension", capability: "OperatorLifecycleManagerV1", keep: true},
	{resource: "apirequestcounts", group: "apiserver.openshift.io", kind: "APIRequestCount", gathered: true, aside: true, keep: true, trim: trimAPIRequestCount}, // the operator of the API server names them as its own
	{resource: "updateservices", group: "updateservice.operator.openshift.io", kind: "UpdateService", spaced: true, keep: true},
	{resource: "clusterimagesets", group: "hive.openshift.io", kind: "ClusterImageSet", keep: true},
	{resource: "hostedclusters", group: "hypershift.openshift.io", kind: "HostedCluster", spaced: true, keep: true},
	{resource: "nodepools", group: "hypershift.openshift.io", kind: "NodePool", spaced: true, keep: true},
	{resource: "managedclusters", group: "cluster.open-cluster-management.io", kind: "ManagedCluster", keep: true},
}

// configMaps are kept where something names them (gates, authorities), and those of satchel and of
// release signatures.
var configMaps = known{resource: "configmaps", kind: "ConfigMap", spaced: true, own: true, keep: true}

const (
	namespaceConfig  = "openshift-config"
	namespaceManaged = "openshift-config-managed"
	adminGates       = "admin-gates"
	adminAcks        = "admin-acks"

	labelOurs       = "app.kubernetes.io/managed-by"
	ours            = "satchel" // of what satchel's YAML makes
	labelSignatures = "release.openshift.io/verification-signatures"
)

// ofKind finds a kind by what its objects say of themselves; nil: it is not read. The version is
// of no account.
func ofKind(apiVersion, kind string) *known {
	group, _, ok := strings.Cut(apiVersion, "/")
	if !ok {
		group = ""
	}
	return find(func(k *known) bool { return k.kind == kind && k.group == group })
}

// ofResource finds a kind by the names in a path.
func ofResource(group, resource string) *known {
	return find(func(k *known) bool { return k.resource == resource && k.group == group })
}

func find(is func(*known) bool) *known {
	for i := range kinds {
		if is(&kinds[i]) {
			return &kinds[i]
		}
	}
	if is(&configMaps) {
		return &configMaps
	}
	return nil
}

// Workloads are the kinds whose objects run images, or would: owners without pods, builds, and
// ImageStreams. Only where all of them were read of all namespaces it is known what applications use.
func Workloads() (list []string) {
	for _, k := range kinds {
		if k.runs {
			list = append(list, k.kind)
		}
	}
	return list
}
