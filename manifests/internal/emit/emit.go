package emit

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// File is one file that [Emit] gives.
type File struct {
	Name string      // relative, with slashes; its characters need no quotes in a shell
	Mode fs.FileMode // 0600 for what holds secrets, else 0644
	Body []byte
}

// Names of the files that are written, and of what is in the cluster.
const (
	fileApply   = "APPLY.md"
	fileRestore = "restore/README.md"
	// fileMirrorSecret has the entries by which nodes pull from the mirror, and nothing else.
	fileMirrorSecret = "secrets/mirror.dockerconfigjson"
	// The whole pull secret, as it was given, with these entries; for GitOps alone.
	fileGitOpsSecret   = "gitops/secrets/pull-secret.yaml"
	fileGitOpsAfterCut = "gitops/secrets/pull-secret-after-cut.yaml"
	fileCA             = "configmap-registry-ca.yaml"
	fileCAPatch        = "configmap-registry-ca-patch.yaml"
	fileImagePatch     = "image-config-patch.yaml"
	fileHubPatch       = "operatorhub-patch.yaml"
	fileRegistries     = "registries.conf"

	modePublic fs.FileMode = 0o644
	modeSecret fs.FileMode = 0o600

	// placeholderHost stands for a mirror that is not known yet (RFC 6761, "invalid").
	placeholderHost = "mirror.invalid"
)

// emission is one call of Emit.
type emission struct {
	site   Site
	images []oci.Image // sorted
	gaps   []oci.Gap   // sorted
	files  []File
	notes  []string

	pullFrom []oci.Mirror // the mirror under the addresses that nodes use; empty for its own
	counted  string       // the images of the inventory, and what is attached to them, as the terminal counts them
	secret   secretState
	ca       caState
	before   before     // what is known of the cluster before satchel
	kind     rules.Kind // of the rules for pulls by digest
	groups   []rules.Group
	// tagGroups are rules for pulls by tag; none but beside ImageDigestMirrorSets.
	tagGroups []rules.Group
	growth    *rules.Growth // nil: neither present rules nor those of earlier bundles are known
	icsps     []named       // objects with rules for pulls by digest
	itms      []named       // and by tag
	catalogs  []catalogObject
	later     []catalogObject // for later versions than the cluster runs
	payloads  []oci.Image
	graph     []oci.Image // at most one: the graph image
	signed    []signedPayload
	tagged    []oci.Image // named only by tag: rules do not cover them
	update    updateState
	pinned    pinnedState
	charts    []oci.Image
	updates   updates
}

// named is an object of the cluster and the file that has it.
type named struct{ name, file string }

// Emit gives the files that point a cluster at its mirror, sorted by name, from
// the inventory of what the mirror has. The notes are what a person must know,
// one line each, for the terminal; APPLY.md has them too. The same input in any
// order gives the same bytes. A fault of the site is a *[SiteError].
func Emit(inv *oci.Inventory, site Site) (files []File, notes []string, err error) {
	if err := inv.Validate(); err != nil {
		return nil, nil, fmt.Errorf("write cluster YAML: %w", err)
	}
	e := &emission{site: site, images: pulled(sortedImages(inv.Images)), gaps: sortedGaps(slices.DeleteFunc(slices.Clone(inv.Gaps), origin.IsDemanded)), graph: graphsOf(sortedImages(inv.Images)), charts: chartsOf(sortedImages(inv.Images)), counted: counted(inv.Images)}
	if err := e.checkMirrors(); err != nil {
		return nil, nil, fmt.Errorf("write cluster YAML: %w", err)
	}
	e.fillPresent()
	if err := e.chooseAPI(); err != nil {
		return nil, nil, fmt.Errorf("write cluster YAML: %w", err)
	}
	e.classify()
	e.findUpdateService()
	for _, step := range []func() error{
		e.checkSources, e.emitPullSecret, e.emitCA, e.emitRules, e.emitCatalogs, e.emitHub, e.emitClusterCatalogs, e.emitHelm, e.emitSignatures, e.emitUpdateService, e.emitHosted, e.emitInstall, e.emitPinned, e.emitBefore, e.emitCut, e.emitRestore,
	} {
		if err := step(); err != nil {
			return nil, nil, fmt.Errorf("write cluster YAML: %w", err)
		}
	}
	if err := e.emitGitOps(); err != nil {
		return nil, nil, fmt.Errorf("write cluster YAML: %w", err)
	}
	e.add(fileApply, modePublic, e.applyPage())
	slices.SortFunc(e.files, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	return e.files, e.notes, nil
}

// classify sorts out the images that the pages name, and notes what concerns all steps.
func (e *emission) classify() {
	e.groups = e.groupsOf(e.ruledImages())
	for _, img := range e.images {
		switch {
		case img.Subject != "" || img.Origin == origin.Catalog:
		case img.Origin == origin.Release:
			if img.Path == origin.PathPayload {
				e.payloads = append(e.payloads, img)
			}
		case origin.PulledByTag(img) && len(img.Platforms) > 0: // charts and artifacts are in no pod
			e.tagged = append(e.tagged, img)
		}
	}
	slices.SortStableFunc(e.payloads, origin.ComparePayloads)
	e.noteTagged()
	e.noteUnsigned()
	e.noteApplications()
	e.findUpdates()
	e.noteElsewhere()
	if e.site.Unchecked && e.site.Mirror.Host != placeholderHost {
		e.note("satchel did not check whether %s has these images: rules for missing images stop a cluster; satchel unpack checks, and so does satchel render without --offline", e.site.Mirror.Host)
	}
	if e.site.Mirror.Host == placeholderHost {
		e.note("these files are for the placeholder host %s: run satchel render with the name of your mirror to get files that work", placeholderHost)
	}
}

func (e *emission) add(name string, mode fs.FileMode, body []byte) {
	e.files = append(e.files, File{Name: name, Mode: mode, Body: body})
}

// has reports whether a file was written.
func (e *emission) has(name string) bool {
	return slices.ContainsFunc(e.files, func(f File) bool { return f.Name == name })
}

// addObject writes an object of the cluster, or a patch, as YAML.
func (e *emission) addObject(name string, mode fs.FileMode, object any) error {
	body, err := kube.YAML(object)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	e.add(name, mode, body)
	return nil
}

func (e *emission) note(format string, args ...any) {
	e.notes = append(e.notes, fmt.Sprintf(format, args...))
}

// counted counts images, and what is attached to them.
func counted(images []oci.Image) string {
	n := 0
	for _, img := range images {
		if img.Subject != "" {
			n++
		}
	}
	return text.Images(len(images)-n, n)
}

// pulled leaves out built images that rules are not for: the charts, which no node
// pulls, and the graph image, which nodes pull by its place in the mirror.
func pulled(images []oci.Image) []oci.Image {
	return slices.DeleteFunc(images, func(i oci.Image) bool { return i.Built && i.Origin == origin.Chart || origin.IsGraph(i.Source) })
}

func graphsOf(images []oci.Image) []oci.Image {
	return slices.DeleteFunc(images, func(i oci.Image) bool { return !origin.IsGraph(i.Source) })
}

// nodeImages leaves out catalogs from directories: no registry has them under that
// name, and a CatalogSource names the mirror.
func (e *emission) nodeImages() []oci.Image {
	return slices.DeleteFunc(slices.Clone(e.images), origin.IsLocalCatalog)
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
