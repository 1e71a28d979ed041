package handover

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/oci"
)

// Names of the files that are written, and of what is in the cluster.
const (
	FileApply   = "APPLY.md"
	FileRestore = "restore/README.md"
	// FileMirrorSecret has the entries by which nodes pull from the mirror, and nothing else.
	FileMirrorSecret = "secrets/mirror.dockerconfigjson"
	// The whole pull secret, as it was given, with these entries; for GitOps alone.
	FileGitOpsSecret   = "gitops/secrets/pull-secret.yaml"
	FileGitOpsAfterCut = "gitops/secrets/pull-secret-after-cut.yaml"
	FileCA             = "configmap-registry-ca.yaml"
	FileCAPatch        = "configmap-registry-ca-patch.yaml"
	FileImagePatch     = "image-config-patch.yaml"
	FileHubPatch       = "operatorhub-patch.yaml"
	FileHostedCluster  = "install/hostedcluster-patch.yaml"
	IdleRules          = "the rules"
	IdleHosted         = "the HostedCluster"
	IdleCA             = "the mirror's certificate authorities"
	FileCut            = "CUT.md"
	FileRegistries     = "registries.conf"

	ModePublic fs.FileMode = 0o644
	ModeSecret fs.FileMode = 0o600

	// PlaceholderHost stands for a mirror that is not known yet (RFC 6761, "invalid").
	PlaceholderHost = "mirror.invalid"
)

// Named is an object of the cluster and the file that has it.
type Named struct{ Name, File string }

// Handover is what is written for one cluster: what is known of its side and of the mirror, and the
// Files and notes so far.
type Handover struct {
	Site     site.Site
	Images   []oci.Image  // that nodes pull, sorted
	Charts   []oci.Image  // sorted
	Payloads []oci.Image  // of releases, the oldest first
	Graph    []oci.Image  // at most one: the graph image
	Gaps     []oci.Gap    // sorted
	Before   Before       // what is known of the cluster before satchel
	PullFrom []oci.Mirror // the mirror under the addresses that nodes use; empty for its own

	Files []File
	Notes []string
}

// New sorts what is carried, and checks the mirror's addresses.
func New(inv *oci.Inventory, given site.Site) (*Handover, error) {
	h := &Handover{
		Site:   given,
		Images: pulled(sortedImages(inv.Images)),
		Charts: chartsOf(sortedImages(inv.Images)),
		Graph:  graphsOf(sortedImages(inv.Images)),
		Gaps:   sortedGaps(slices.DeleteFunc(slices.Clone(inv.Gaps), origin.IsDemanded)),
	}
	return h, h.checkMirrors()
}

// File is one file that [Emit] gives.
type File struct {
	Name string      // relative, with slashes; its characters need no quotes in a shell
	Mode fs.FileMode // 0600 for what holds secrets, else 0644
	Body []byte
}

// Add adds a file.
func (h *Handover) Add(name string, mode fs.FileMode, body []byte) {
	h.Files = append(h.Files, File{Name: name, Mode: mode, Body: body})
}

// Has reports whether a file was written.
func (h *Handover) Has(name string) bool {
	return slices.ContainsFunc(h.Files, func(f File) bool { return f.Name == name })
}

// AddObject writes an object of the cluster, or a patch, as YAML.
func (h *Handover) AddObject(name string, mode fs.FileMode, object any) error {
	body, err := kube.YAML(object)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	h.Add(name, mode, body)
	return nil
}

// Note adds what a person must know, for the terminal and the top of APPLY.md.
func (h *Handover) Note(format string, args ...any) {
	h.Notes = append(h.Notes, fmt.Sprintf(format, args...))
}

// NodeImages leaves out catalogs from directories: no registry has them under that
// name, and a CatalogSource names the mirror.
func (h *Handover) NodeImages() []oci.Image {
	return slices.DeleteFunc(slices.Clone(h.Images), origin.IsLocalCatalog)
}

func sortedImages(images []oci.Image) []oci.Image {
	list := slices.Clone(images)
	slices.SortFunc(list, compareExactly)
	return list
}

// compareExactly orders images that [oci.Image.Compare] calls equal too.
func compareExactly(a, b oci.Image) int {
	return cmp.Or(a.Compare(b), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Root.Digest, b.Root.Digest), slices.Compare(a.Tags, b.Tags))
}

// pulled leaves out built images that rules are not for: the charts, which no node
// pulls, and the graph image, which nodes pull by its place in the mirror.
func pulled(images []oci.Image) []oci.Image {
	return slices.DeleteFunc(images, func(i oci.Image) bool { return i.Built && i.Origin == origin.Chart || origin.IsGraph(i.Source) })
}

func graphsOf(images []oci.Image) []oci.Image {
	return slices.DeleteFunc(images, func(i oci.Image) bool { return !origin.IsGraph(i.Source) })
}

// chartsOf lists the charts, which no node pulls.
func chartsOf(images []oci.Image) []oci.Image {
	return slices.DeleteFunc(images, func(i oci.Image) bool { return i.Origin != origin.Chart || i.Subject != "" || len(i.Platforms) > 0 })
}

func sortedGaps(gaps []oci.Gap) []oci.Gap {
	list := slices.Clone(gaps)
	slices.SortFunc(list, func(a, b oci.Gap) int {
		return cmp.Or(compareExactly(a.Image, b.Image), cmp.Compare(a.Reason(), b.Reason()))
	})
	return list
}

// NewPage begins a page for the cluster.
func (h *Handover) NewPage() *page.Page {
	return page.New(h.Site.Cluster.Topology() == "SingleReplica")
}

// configurations is a command that prints the configuration that each pool is to have.
const configurations = `oc get mcp -o jsonpath='{range .items[*]}{.spec.configuration.name}{"\n"}{end}'`

// NotPaused is a command that prints the pools that are not paused: a paused one does not become
// Updated while a change waits for it.
const NotPaused = `oc get mcp -o jsonpath='{range .items[*]}mcp/{.metadata.name} {.spec.paused}{"\n"}{end}' | grep -v ' true$' | cut -d ' ' -f1`

// Rollout is a chain of commands that change what nodes have, and wait until every node has it. A
// pool says that it is Updated until it has a new configuration, so that is waited for first; oc
// wait itself then looks at no status that is older than it.
func (h *Handover) Rollout(change ...string) []string {
	if h.Hosted() { // it has no pools of machines
		return page.Chain(append(change, "oc wait nodes --all --for=condition=Ready --timeout=90m")...)
	}
	return page.Chain(slices.Concat([]string{"WAS=$(" + configurations + ")"}, change, []string{
		"for i in $(seq 24); do sleep 5; HAVE=$(" + configurations + `) || continue; echo "$HAVE" | grep -qxF "$WAS" || break; done`,
		"oc wait $(" + NotPaused + ") --for=condition=Updated --timeout=90m",
	})...)
}

// Waits says, before the commands of rollout, what they wait for, such as "Every node must have the rules".
func (h *Handover) Waits(p *page.Page, what string) {
	if h.Hosted() {
		p.Text("%s before you go on: the commands wait for that.", what)
		return
	}
	p.Text("%s before you go on: the commands wait for that. The loop ends when every pool has a new configuration, or after two minutes if none has to change. A pool that is paused is not waited for.", what)
}

// Applied reports whether the cluster is known to have rules that satchel wrote.
func (h *Handover) Applied() bool {
	if r := h.Site.PresentRules; r != nil && slices.ContainsFunc(r.Objects, func(o rules.Object) bool { return o.Tool == rules.Satchel }) {
		return true
	}
	for _, kind := range RuleKinds {
		for _, o := range h.Site.Cluster.Of(string(kind)) {
			if Ours(o) || strings.HasPrefix(o.Name, "satchel-") {
				return true
			}
		}
	}
	return false
}

// ReadyNodes is a command that prints the names of the Ready nodes, those that have labels. A node
// with Windows has no rules, no CRI-O and no chroot.
func ReadyNodes(labels ...string) string {
	return "oc get nodes -l " + strings.Join(append(labels, "kubernetes.io/os=linux"), ",") + ` -o jsonpath='{range .items[*]}{.status.conditions[?(@.type=="Ready")].status} {.metadata.name}{"\n"}{end}' | sed -n 's/^True //p'`
}
