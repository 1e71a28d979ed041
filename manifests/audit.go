package manifests

import (
	"context"
	"encoding/json"
	"io/fs"
	"slices"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/audit"
	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/operatorhub"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/manifests/internal/sigstore"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/manifests/internal/update"
	"github.com/satchel-airgap/satchel/oci"
)

// What a cluster would miss once its cable is cut.
type (
	// WorkloadReport says which containers of a cluster would not start again.
	WorkloadReport = audit.Report
	// Workload is a container that would not start again, on some node at least.
	Workload = audit.Workload
	// WorkloadReason is the reason for which a container would not start again.
	WorkloadReason = audit.Why
	// WorkloadMirror answers as nodes ask for the images of workloads.
	WorkloadMirror = audit.Mirror
	// WorkloadAnswer is what nodes find of an image.
	WorkloadAnswer = audit.Answer
	// WorkloadTry is a place where nodes look for an image, and that does not give it.
	WorkloadTry = audit.Try
	// WorkloadRules say where nodes look for the images of a repository.
	WorkloadRules = audit.Rules
	// WorkloadManifest is a manifest that nodes of a platform run.
	WorkloadManifest = audit.Manifest
	// OperatorLack is an operator of a cluster that the catalogs after the cut do not serve as it asks.
	OperatorLack = audit.Operator
	// ServedCatalog is a catalog that an object of the cluster serves after the cut.
	ServedCatalog = audit.Catalog
	// ClusterSetting is something of the cluster itself that keeps nodes from the mirror, or that changes nodes.
	ClusterSetting = audit.Setting
	// NodeDifference is something that a file of a node has otherwise than it should.
	NodeDifference = audit.Difference
	// KubeletSettings is what of a KubeletConfiguration decides over images.
	KubeletSettings = audit.Kubelet
	// OutsideImage is an image that something of the cluster pulls without a node's rules.
	OutsideImage = audit.External
	// UpdateJudgement is what an update of a cluster meets.
	UpdateJudgement = update.Judgement
	// UpdateBlocker is one thing that holds an update back, or has to be looked at before it.
	UpdateBlocker = update.Blocker
)

// What an operator can miss, [OperatorLack].Lacks.
const (
	LackSource   = audit.LackSource
	LackUnread   = audit.LackUnread
	LackChannel  = audit.LackChannel
	LackPriority = audit.LackPriority
	LackPlan     = audit.LackPlan
	LackFuture   = audit.LackFuture
)

// FileNodeSecret is how a [NodeDifference] names the pull secret of a node.
const FileNodeSecret = audit.FileSecret

// AuditWorkloads says which containers of a cluster would not start again, by the rules that its nodes
// come to have and by what a mirror answers; each different image is asked for once. inside tells
// which registries, HOST[:PORT], nodes reach after the cut too, the mirror's among them, and policies demand
// signatures besides those of the cluster. The error is that of a policy which cannot be read, or of ctx.
func AuditWorkloads(ctx context.Context, c *Cluster, nodes WorkloadRules, mirror WorkloadMirror, inside func(registry string) bool, policies []json.RawMessage, parallel int) (*WorkloadReport, error) {
	present, err := presentPolicies(c)
	if err != nil {
		return nil, err
	}
	for _, body := range policies {
		one, err := sigstore.Parse(body)
		if err != nil {
			return nil, err
		}
		present.Policies = append(present.Policies, one)
	}
	r, err := audit.Workloads(ctx, audit.Question{Cluster: c, Rules: nodes, Mirror: mirror, Inside: inside, Policies: present.Policies, Parallel: parallel})
	if err == nil {
		r.Unknown = append(r.Unknown, unreadPolicies(c)...)
	}
	return r, err
}

// AuditOperators says which Subscriptions and ClusterExtensions of a cluster get nothing more from the
// catalogs that serve them after the cut, which catalogs and InstallPlans hold them up, and what is deprecated. It
// counts all Subscriptions and ClusterExtensions.
func AuditOperators(c *Cluster, catalogs []ServedCatalog) (list []OperatorLack, count int) {
	list, count = audit.Subscriptions(c, catalogs)
	more, n := audit.Extensions(c, catalogs)
	return slices.Concat(list, more, audit.InstallPlans(c, catalogs), audit.Deprecated(c, catalogs)), count + n
}

// ServeCatalog reads into a catalog what its image has of the operators of a cluster. Errors are those of
// [ReadCatalog].
func ServeCatalog(ctx context.Context, to *ServedCatalog, src oci.Source, root oci.Descriptor, c *Cluster) error {
	packages, sure, err := audit.ReadCatalog(ctx, to.String(), src, root, audit.Wanted(c))
	to.Packages, to.Unsure = packages, !sure
	return err
}

// PresentCatalogs lists the catalogs that objects of a cluster serve, without what they have.
func PresentCatalogs(c *Cluster) []ServedCatalog { return audit.Catalogs(c) }

// FollowedCatalog reports whether some Subscription or ClusterExtension of a cluster gets what it follows from a
// catalog.
func FollowedCatalog(c *Cluster, of *ServedCatalog) bool { return audit.Followed(c, of) }

// DefaultCatalogSource reports whether clusters have a CatalogSource of that name, unless it is switched off.
func DefaultCatalogSource(name string) bool {
	return slices.ContainsFunc(origin.DefaultCatalogs, func(d origin.DefaultCatalog) bool { return d.Source == name })
}

// DefaultClusterCatalog reports whether every cluster has a ClusterCatalog of that name from the start.
func DefaultClusterCatalog(name string) bool { return operatorhub.IsDefaultClusterCatalog(name) }

// AuditSettings looks at the cluster's proxy, registrySources and authorities, at rules that contradict each
// other, and at what drains nodes when the files are applied. h may be nil. hosts are those that nodes
// pull from, HOST[:PORT], and plain says that the mirror speaks no TLS.
func AuditSettings(c *Cluster, h *Handover, hosts []string, plain bool) ([]ClusterSetting, error) {
	present, err := site.PresentRulesOf(c)
	if err != nil {
		return nil, err
	}
	s := audit.Side{PlainHTTP: plain, Brought: map[string]bool{}}
	for _, host := range hosts {
		s.Mirrors = append(s.Mirrors, oci.Mirror{Host: host})
	}
	if present != nil {
		s.Now = present.Objects
	}
	s.After = slices.Clone(s.Now)
	if h != nil {
		for _, o := range h.Rules {
			s.After = slices.DeleteFunc(s.After, func(have rules.Object) bool { return have.String() == o.String() })
			s.After = append(s.After, o)
		}
		for _, host := range hosts {
			s.Brought[host] = h.Authorities[host] != "" || h.Authorities[""] != ""
		}
	}
	return audit.Surroundings(c, s), nil
}

// AuditUpdate says what holds back the update of a cluster to a version. payloads are the releases that the
// mirror has for it, and contents what is known of its catalogs.
func AuditUpdate(c *Cluster, to Version, payloads []PayloadFacts, contents []CatalogContents) *UpdateJudgement {
	return update.Judge(c, update.Target{To: semver.Version(to), Payloads: payloads, Contents: contents})
}

// CompareNodeRegistries holds a node's registries.conf against the rules that it is to have; from says in
// words where those are from. The error says that the file cannot be read.
func CompareNodeRegistries(data []byte, want *NodeRules, from string) ([]NodeDifference, error) {
	node, err := rules.ParseNodes(data)
	if err != nil {
		return nil, err
	}
	return audit.CompareRegistries(node, want.Nodes, from), nil
}

// CheckNodeRegistries says why a node's registries.conf cannot be read.
func CheckNodeRegistries(data []byte) error {
	_, err := rules.ParseNodes(data)
	return err
}

// CompareNodeSecret holds the pull secret that a node has against the entries by which nodes are to log in
// to the mirror; want may be nil. repositories are the mirror's that rules lead to.
func CompareNodeSecret(node, want *PullSecret, repositories []string) []NodeDifference {
	if want == nil {
		return audit.CompareSecret(node.Secret, nil, repositories)
	}
	return audit.CompareSecret(node.Secret, want.Secret, repositories)
}

// ParseKubelet reads the kubelet's own settings, a KubeletConfiguration; ok is false for any other file.
func ParseKubelet(data []byte) (k KubeletSettings, ok bool) { return audit.ParseKubelet(data) }

// OutsideImages lists the images that importer pods, ImageStreams and builds of a cluster pull.
func OutsideImages(c *Cluster) []OutsideImage { return audit.Outside(c) }

// ReadPodDir reads the pods of a directory as those of a cluster: a must-gather, or an extracted Insights
// archive. base is the directory's name. Errors are those of [ReadClusterDir].
func ReadPodDir(name string, fsys fs.FS, base string) (*Cluster, error) {
	return cluster.ReadPodDir(name, fsys, base)
}
