package main

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/check"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/clusters"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// auditFlags are what is to be known of a cluster besides its images.
type auditFlags struct {
	pods    []string
	inside  []string
	target  string
	kubelet string
}

func addAuditFlags(f *pflag.FlagSet, x *auditFlags) {
	f.StringArrayVar(&x.pods, "from-pods", nil, "say which pods would not start again: `PATH` is what oc get pods -A -o yaml (or json) wrote, a must-gather, or an Insights archive (may be given more than once); --from-cluster knows more")
	f.StringArrayVar(&x.inside, "inside", nil, "a registry, `HOST[:PORT]`, that nodes reach after the cut too, besides the mirror (may be given more than once)")
	f.StringVar(&x.target, "target", "", "say what holds back the update of the cluster to `VERSION` (with --from-cluster)")
	f.StringVar(&x.kubelet, "kubelet-config", "", "the pull secret as a node has it, `FILE`: /var/lib/kubelet/config.json")
	f.Lookup("registries-conf").Usage = "the registries.conf as a node has it, `FILE`: /etc/containers/registries.conf; it is compared, and nothing is pulled by it"
}

// into reads what the flags name.
func (x auditFlags) into(job *check.Options, registries string) (err error) {
	for _, registry := range x.inside {
		if m, err := oci.ParseMirror(registry); err != nil || m.Host != registry {
			return usage(fmt.Errorf("--inside %s: it is not a registry", text.Printable(registry)), "name it as images do, without a path: HOST[:PORT]")
		}
	}
	job.Audit.Inside = x.inside
	if err := x.cluster(job); err != nil {
		return err
	}
	if x.target != "" {
		v, wrong := manifests.ParseVersion(x.target)
		switch {
		case wrong != nil:
			return usage(fmt.Errorf("--target %s: it is not the version of a release", text.Printable(x.target)), "name it as oc adm upgrade does, such as --target 4.18.21")
		case job.Cluster == nil || job.Audit.Pods:
			return usage(errors.New("--target needs what the cluster is"), "name it: --from-cluster PATH (satchel cluster-query prints the line that fetches it)")
		}
		job.Audit.Target = &v
	}
	if registries != "" {
		if job.Audit.Registries, err = durable.Read(registries, durable.MaxGiven); err != nil {
			return usage(fmt.Errorf("read the registries.conf of a node: %w", err), "name a copy of the node's file (oc debug node/NODE -- chroot /host cat /etc/containers/registries.conf)")
		}
		if err := manifests.CheckNodeRegistries(job.Audit.Registries); err != nil {
			return usage(fmt.Errorf("--registries-conf %s: %w", text.Printable(registries), err), "copy the node's file again; a node that has it so pulls nothing, or not as the cluster's rules say")
		}
		if job.Audit.Registries == nil {
			job.Audit.Registries = []byte{}
		}
	}
	return x.node(job)
}

// cluster adds the pods to what the cluster is.
func (x auditFlags) cluster(job *check.Options) error {
	if len(x.pods) == 0 {
		return nil
	}
	pods, err := clusters.ReadPods(x.pods)
	switch {
	case err != nil:
		return err
	case job.Cluster == nil:
		job.Cluster, job.Audit.Pods = pods, true
	default:
		job.Cluster.Join(pods)
	}
	return nil
}

// node reads the pull secret of a node; the kubelet's own settings, which are near it, are told from it.
func (x auditFlags) node(job *check.Options) (err error) {
	if x.kubelet == "" {
		return nil
	}
	data, err := durable.Read(x.kubelet, durable.MaxGiven)
	if err != nil {
		return usage(fmt.Errorf("read the pull secret of a node: %w", err), "name a copy of the node's file (oc debug node/NODE -- chroot /host cat /var/lib/kubelet/config.json)")
	}
	if k, ok := manifests.ParseKubelet(data); ok {
		job.Audit.Kubelet = &k
		job.Warn("%s is a KubeletConfiguration, which has no pull secret: name the node's /var/lib/kubelet/config.json to have that compared", text.Printable(x.kubelet))
		return nil
	}
	job.Audit.OnNode, err = readSite(x.kubelet, "kubelet-config", "the pull secret of a node", manifests.ParsePresentPullSecret)
	return err
}
