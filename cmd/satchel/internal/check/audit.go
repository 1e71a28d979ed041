package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// The kinds of findings about a cluster itself. What keeps a workload from its image is of a kind of images,
// too.
const (
	Architecture Kind = "architecture" // a workload's image is there for other nodes alone
	Unnamed      Kind = "unnamed"      // nobody knows which image a workload means
	Operator     Kind = "operator"     // an operator gets nothing more from the catalogs
	Update       Kind = "update"       // something holds back the update to the target
	Setting      Kind = "setting"      // the cluster's own settings keep nodes from the mirror
	NodeFile     Kind = "nodeFile"     // a file of a node is not as it should be
	Unknown      Kind = "unknown"      // something of the cluster was not read, so nobody knows
)

// AuditOptions are what is to be known of the cluster besides its images.
type AuditOptions struct {
	Pods       bool               // the cluster is what --from-pods names: its pods, and nothing else
	Inside     []string           // registries that nodes reach after the cut too, HOST[:PORT], besides the mirror
	Target     *manifests.Version // of the update; nil: none is to be judged
	Registries []byte             // registries.conf of a node; nil: not given
	// OnNode is the pull secret that a node has, and Kubelet its kubelet's settings; nil: not given.
	OnNode  *manifests.PullSecret
	Kubelet *manifests.KubeletSettings
}

// Audit is what was found of a cluster.
type Audit struct {
	Name      string                     `json:"name,omitempty"`
	Version   string                     `json:"version,omitempty"`
	Workloads *manifests.WorkloadReport  `json:"workloads,omitempty"`
	Operators []manifests.OperatorLack   `json:"operators,omitempty"`
	Followed  int                        `json:"operatorCount"` // Subscriptions and ClusterExtensions
	Update    *manifests.UpdateJudgement `json:"update,omitempty"`
	Settings  []manifests.ClusterSetting `json:"settings,omitempty"`
	NodeFiles []manifests.NodeDifference `json:"nodeFiles,omitempty"`
	Kubelet   []string                   `json:"kubelet,omitempty"` // what of the kubelet's settings matters
	Outside   []manifests.OutsideImage   `json:"outside,omitempty"`
}

// auditWorkloads judges what runs. It comes first: the images are asked for with the architectures of the
// nodes that they run on.
func (c *checking) auditWorkloads(ctx context.Context) error {
	if c.Cluster == nil {
		return nil
	}
	a := &Audit{Name: c.Cluster.Name}
	if v, ok := c.Cluster.Running(); ok {
		a.Version = v.String()
	}
	c.report.Cluster = a
	mirror := manifests.WorkloadMirror{Find: c.findOf}
	if !c.Offline {
		mirror.Signatures = c.signaturesAt
	}
	r, err := manifests.AuditWorkloads(ctx, c.Cluster, c.rules, mirror, c.node.Reaches, c.Policies, c.Parallel)
	if err != nil {
		return err
	}
	a.Workloads = r
	c.Info("cluster %s: %s of %s", text.Printable(c.Cluster.Name), text.Count(r.Containers, "container", "containers"), text.Count(r.Images, "image", "images"))
	for _, w := range r.Findings {
		c.report.add(c.workload(w))
		if q := c.asked[w.Ref]; q != nil && q.image != nil {
			q.image.told = append(q.image.told, w.Detail)
			if w.Policy != "" {
				q.image.told = append(q.image.told, w.Policy+" demands a signature")
			}
		}
	}
	for _, u := range r.Unjudged {
		c.report.add(Finding{Kind: Unknown, Fails: true, Object: u.Used, Image: u.Image, Wrong: "nobody knows whether nodes get it: " + u.Why})
	}
	for _, why := range r.Unknown {
		c.report.add(Finding{Kind: Unknown, Fails: true, Object: "cluster " + text.Printable(c.Cluster.Name), Wrong: why})
	}
	c.report.Notes = append(c.report.Notes, r.Notes...)
	c.applications()
	return nil
}

// findOf asks for an image of a workload.
func (c *checking) findOf(ctx context.Context, ref oci.Ref, archs, used []string) (manifests.WorkloadAnswer, error) {
	img, err := c.ask(ctx, Wanted{Ref: ref, Why: used, Arch: archs})
	if err != nil {
		return manifests.WorkloadAnswer{}, err
	}
	a := manifests.WorkloadAnswer{Served: img.Place, Digest: img.Digest, Platforms: img.offers}
	for _, t := range img.Tried {
		a.Tried = append(a.Tried, manifests.WorkloadTry{Place: t.Place, Why: t.Error})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range img.picked {
		one := manifests.WorkloadManifest{Digest: m.digest, Arch: m.arch}
		for _, f := range img.findings {
			if f.Fails && f.part == m.digest && one.Wrong == "" {
				one.Wrong, one.Why, one.Do = f.Wrong, manifests.WorkloadReason(f.Kind), f.Do
			}
		}
		a.Manifests = append(a.Manifests, one)
	}
	for _, f := range img.findings {
		if f.Fails && f.part == "" && a.Wrong == "" {
			a.Wrong, a.Why, a.Do = f.Wrong, manifests.WorkloadReason(f.Kind), f.Do
		}
	}
	return a, nil
}

// workload makes a finding of what would not start again.
func (c *checking) workload(w manifests.Workload) Finding {
	f := Finding{Kind: Kind(w.Why), Fails: true, Object: w.String(), Image: w.Image, Wrong: w.Detail}
	for _, t := range w.Tried {
		f.Tried = append(f.Tried, Try{t.Place, t.Why})
	}
	switch {
	case w.Stays && w.Pods > 1:
		f.Wrong += "; its pods start again on the nodes where they are, which have the image, and on no other"
	case w.Stays:
		f.Wrong += "; it starts again on the node where it is, which has the image, and on no other"
	case w.Pods == 0:
		f.Wrong += "; it has no pod now"
	}
	f.Do = c.workloadDo(w, f.Kind)
	if ref, err := oci.ParseRef(w.Image); err == nil {
		if route, err := c.node.Route(ref); err == nil {
			f.Rule = route.Rule
		}
	}
	return f
}

// workloadDo says what to do about a workload.
func (c *checking) workloadDo(w manifests.Workload, kind Kind) string {
	const byDigest = "or have rules for tags (--mirror-api idms writes an ImageTagMirrorSet)"
	switch {
	case kind == Missing && w.Ref.Registry != "" && c.node.Reaches(w.Ref.Registry):
		return "push it to " + w.Ref.Registry + "; or carry it with the next bundle, and name it in the workload by its source"
	case w.Do != "":
		return w.Do
	case kind == NoRule && c.carried.hosts[w.Ref.Name()]:
		return "write the files for the cluster again (satchel render), and apply the rules"
	case kind == Missing || kind == NoRule:
		return "carry it with the next bundle: pack --from-cluster, or name it among additionalImages"
	case kind == ByTag && w.Runs != "":
		return "name it by digest in the workload (" + w.Runs + "), " + byDigest
	case kind == ByTag:
		return "name it by digest in the workload, " + byDigest
	case kind == Unsigned:
		return "carry its signature with the next bundle, or sign it in the mirror"
	case kind == Architecture:
		return "carry it for that platform too"
	case kind == Unnamed:
		return "name the image in the workload as HOST/REPOSITORY:TAG, or with a digest"
	}
	return ""
}

// applications says where nobody knows what runs besides the platform.
func (c *checking) applications() {
	spaces := c.Cluster.Namespaces()
	seen := slices.ContainsFunc(spaces, func(ns string) bool { return !manifests.PlatformNamespace(ns) })
	if c.Audit.Pods && seen {
		c.report.Notes = append(c.report.Notes, "only pods were read: what CronJobs, and workloads without pods, would run is not known (--from-cluster)")
		return
	}
	err := manifests.ApplicationsKnown([]*manifests.Cluster{c.Cluster})
	if err == nil {
		return
	}
	f := Finding{Kind: Unknown, Fails: true, Object: "cluster " + text.Printable(c.Cluster.Name), Wrong: err.Error()}
	var hint interface{ Hint() string }
	switch {
	case c.Audit.Pods:
		f.Do = "name the pods of all namespaces: oc get pods -A -o yaml"
	case errors.As(err, &hint):
		f.Do = hint.Hint()
	}
	c.report.add(f)
}

// audit looks at all of the cluster but its images.
func (c *checking) audit(ctx context.Context) error {
	if err := c.auditNode(); err != nil {
		return err
	}
	a := c.report.Cluster
	if c.Cluster == nil || a == nil {
		return nil
	}
	a.Outside = manifests.OutsideImages(c.Cluster)
	if err := c.auditSettings(a); err != nil {
		return err
	}
	if err := c.auditOperators(ctx, a); err != nil {
		return err
	}
	return c.auditUpdate(ctx, a)
}

// auditSettings looks at proxy, registrySources and the like.
func (c *checking) auditSettings(a *Audit) (err error) {
	hosts := slices.DeleteFunc(c.nodeHosts(), func(h string) bool {
		return strings.HasSuffix(h, ":22625") || !c.node.Reaches(h) // the cluster's own, on its nodes; or a registry outside
	})
	if a.Settings, err = manifests.AuditSettings(c.Cluster, c.Handover, hosts, false); err != nil {
		return fmt.Errorf("look at the settings of the cluster: %w", err)
	}
	c.settingsUnknown()
	for _, s := range a.Settings {
		c.report.add(Finding{Kind: Setting, Fails: s.Fails, Object: s.Object, Wrong: s.Wrong, Do: s.Do})
	}
	return nil
}

// settingsUnknown says which settings nobody looked at, because they were not read.
func (c *checking) settingsUnknown() {
	if c.Audit.Pods {
		c.report.Notes = append(c.report.Notes, "only pods were read: the cluster's proxy and registrySources (image.config) were not looked at (--from-cluster)")
		return
	}
	for kind, object := range map[string]string{"Image": "image.config.openshift.io/cluster", "Proxy": "proxy.config.openshift.io/cluster"} {
		if !c.Cluster.Known(kind) {
			c.report.add(Finding{Kind: Unknown, Fails: true, Object: object, Wrong: "it was not read, so nobody knows whether it keeps nodes from the mirror", Do: "fetch what the cluster is with the line of satchel cluster-query"})
		}
	}
}
