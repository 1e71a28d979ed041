package octest

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// resource is a kind of objects, and how oc names it.
type resource struct {
	group, version, kind string
	plural               string
	short                []string
	namespaced           bool
	since                int // the first minor version of OpenShift 4 that has it
}

// resources are those of a cluster that satchel has to do with.
var resources = []resource{
	{"", "v1", "ConfigMap", "configmaps", []string{"cm"}, true, 0},
	{"", "v1", "Secret", "secrets", nil, true, 0},
	{"", "v1", "Namespace", "namespaces", []string{"ns"}, false, 0},
	{"", "v1", "Node", "nodes", []string{"no"}, false, 0},
	{"", "v1", "Pod", "pods", []string{"po"}, true, 0},
	{"apps", "v1", "Deployment", "deployments", []string{"deploy"}, true, 0},
	{"apps", "v1", "StatefulSet", "statefulsets", []string{"sts"}, true, 0},
	{"apps", "v1", "DaemonSet", "daemonsets", []string{"ds"}, true, 0},
	{"batch", "v1", "CronJob", "cronjobs", []string{"cj"}, true, 0},
	{"batch", "v1", "Job", "jobs", nil, true, 0},
	{"apps.openshift.io", "v1", "DeploymentConfig", "deploymentconfigs", []string{"dc"}, true, 0},
	{"build.openshift.io", "v1", "BuildConfig", "buildconfigs", []string{"bc"}, true, 0},
	{"image.openshift.io", "v1", "ImageStream", "imagestreams", []string{"is"}, true, 0},
	{"route.openshift.io", "v1", "Route", "routes", nil, true, 0},
	{"config.openshift.io", "v1", "ClusterVersion", "clusterversions", nil, false, 0},
	{"config.openshift.io", "v1", "ClusterOperator", "clusteroperators", []string{"co"}, false, 0},
	{"config.openshift.io", "v1", "Image", "images", nil, false, 0},
	{"config.openshift.io", "v1", "Proxy", "proxies", nil, false, 0},
	{"config.openshift.io", "v1", "OperatorHub", "operatorhubs", nil, false, 0},
	{"config.openshift.io", "v1", "Infrastructure", "infrastructures", nil, false, 0},
	{"config.openshift.io", "v1", "ImageDigestMirrorSet", "imagedigestmirrorsets", []string{"idms"}, false, 13},
	{"config.openshift.io", "v1", "ImageTagMirrorSet", "imagetagmirrorsets", []string{"itms"}, false, 13},
	{"config.openshift.io", "v1", "ClusterImagePolicy", "clusterimagepolicies", nil, false, 20},
	{"config.openshift.io", "v1", "ImagePolicy", "imagepolicies", nil, true, 20},
	{"operator.openshift.io", "v1alpha1", "ImageContentSourcePolicy", "imagecontentsourcepolicies", []string{"icsp"}, false, 0},
	{"operators.coreos.com", "v1alpha1", "CatalogSource", "catalogsources", []string{"catsrc"}, true, 0},
	{"operators.coreos.com", "v1alpha1", "Subscription", "subscriptions", []string{"sub", "subs"}, true, 0},
	{"operators.coreos.com", "v1alpha1", "ClusterServiceVersion", "clusterserviceversions", []string{"csv", "csvs"}, true, 0},
	{"operators.coreos.com", "v1", "OperatorGroup", "operatorgroups", []string{"og"}, true, 0},
	{"operators.coreos.com", "v1alpha1", "InstallPlan", "installplans", []string{"ip"}, true, 0},
	{"olm.operatorframework.io", "v1", "ClusterCatalog", "clustercatalogs", nil, false, 18},
	{"olm.operatorframework.io", "v1", "ClusterExtension", "clusterextensions", nil, false, 18},
	{"machineconfiguration.openshift.io", "v1", "MachineConfigPool", "machineconfigpools", []string{"mcp"}, false, 0},
	{"machineconfiguration.openshift.io", "v1", "MachineConfig", "machineconfigs", []string{"mc"}, false, 0},
	{"machineconfiguration.openshift.io", "v1", "PinnedImageSet", "pinnedimagesets", nil, false, 19},
	{"machineconfiguration.openshift.io", "v1", "MachineConfigNode", "machineconfignodes", nil, false, 19},
	{"machineconfiguration.openshift.io", "v1", "MachineOSConfig", "machineosconfigs", nil, false, 19},
	{"operator.openshift.io", "v1", "MachineConfiguration", "machineconfigurations", nil, false, 16},
	{"updateservice.operator.openshift.io", "v1", "UpdateService", "updateservices", nil, true, 0},
	{"samples.operator.openshift.io", "v1", "Config", "configs", nil, false, 0},
	{"helm.openshift.io", "v1beta1", "HelmChartRepository", "helmchartrepositories", nil, false, 0},
	{"hypershift.openshift.io", "v1beta1", "HostedCluster", "hostedclusters", []string{"hc"}, true, 0},
	{"hypershift.openshift.io", "v1beta1", "NodePool", "nodepools", []string{"np"}, true, 0},
	{"hive.openshift.io", "v1", "ClusterImageSet", "clusterimagesets", []string{"imgset"}, false, 0},
	{"policy.open-cluster-management.io", "v1", "Policy", "policies", nil, true, 0},
	{"cdi.kubevirt.io", "v1beta1", "DataImportCron", "dataimportcrons", []string{"dic"}, true, 0},
}

func (r *resource) gvk() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: r.group, Version: r.version, Kind: r.kind}
}

// resourceNamed finds what oc is asked for: pods, pod, po, image.config.openshift.io.
func (c *Cluster) resourceNamed(name string) (*resource, error) {
	low := strings.ToLower(name)
	word, group, grouped := strings.Cut(low, ".")
	for i := range resources {
		r := &resources[i]
		if grouped && group != r.group && group != r.version+"."+r.group || c.Minor < r.since {
			continue
		}
		named := word == r.plural || word == strings.ToLower(r.kind)
		for _, s := range r.short {
			named = named || word == s
		}
		if named {
			return r, nil
		}
	}
	return nil, fmt.Errorf("error: the server doesn't have a resource type %q", name)
}

// resourceOf finds the kind of an object.
func (c *Cluster) resourceOf(gvk schema.GroupVersionKind) (*resource, error) {
	for i := range resources {
		if r := &resources[i]; r.gvk() == gvk && c.Minor >= r.since {
			return r, nil
		}
	}
	return nil, fmt.Errorf("error: no matches for kind %q in version %q", gvk.Kind, gvk.GroupVersion())
}
