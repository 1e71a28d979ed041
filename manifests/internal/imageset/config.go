package imageset

import (
	"bytes"
	"cmp"
	"io"
	"reflect"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/helm"
	"github.com/satchel-airgap/satchel/manifests/internal/strict"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Config is an ImageSetConfiguration of mirror.openshift.io/v2alpha1. The fields
// are those of oc-mirror v2, under their names there.
type Config struct {
	Kind       string `json:"kind"`
	APIVersion string `json:"apiVersion"`
	Mirror     Mirror `json:"mirror"`
	// ArchiveSize is the largest archive that oc-mirror writes, in GiB; 0 is unset.
	ArchiveSize int64 `json:"archiveSize,omitempty"`

	// Extra is what is requested in addition to the file.
	Extra Extra `json:"-"`

	file   string
	data   []byte // of the file
	places strict.Places
}

// Extra is what a user requests in addition to the configuration, by flags. It is a part
// of what [Config.Digest] tells apart.
type Extra struct {
	Pods []PodImage `json:"pods,omitempty"` // what a running cluster uses

	// Running are the releases that clusters run; each is carried whole.
	Running []Running `json:"running,omitempty"`
	// Installed are the operators of running clusters: catalogs are carried from there on.
	Installed []Installed `json:"installed,omitempty"`

	Templates []documents.CatalogTemplate `json:"templates,omitempty"` // see [Config.ReadTemplates]

	PodFiles []string `json:"-"` // that Pods is read from
	PodNotes []string `json:"-"` // what of them is left out, a line each
	// IgnoreReleaseSignature carries releases that nothing says are genuine.
	IgnoreReleaseSignature bool `json:"ignoreReleaseSignature,omitempty"`
	// SignatureURL is where signatures of releases are, <URL>/sha256=<hex>/signature-N;
	// empty is Red Hat's store.
	SignatureURL string `json:"signatureURL,omitempty"`
	// SignatureKeys are the OpenPGP public keys that sign releases, armoured, in
	// place of Red Hat's; empty is those.
	SignatureKeys string   `json:"signatureKeys,omitempty"`
	UpdateURL     string   `json:"updateURL,omitempty"`   // of update graphs, in place of those of their types
	AcceptRisks   []string `json:"acceptRisks,omitempty"` // names of risks of conditional updates
	// Tools: oc and openshift-install of each release are wanted on the far side.
	Tools bool `json:"tools,omitempty"`
	// GraphData and GraphBase say what the graph image is made of.
	GraphData GraphData `json:"graphData,omitzero"`
	GraphBase oci.Ref   `json:"graphBase,omitzero"` // empty is Red Hat's UBI
	// HelmValues are the values that charts are rendered with, in this order.
	HelmValues []ChartValues `json:"helmValues,omitempty"`
	// Charts reads and renders charts, whose templates nothing bounds else.
	Charts helm.Renderer `json:"-"`
	// WithDependencies adds the operators that the chosen ones require.
	WithDependencies bool `json:"withDependencies,omitempty"`
	// Merge joins each filtered catalog with those of Kept that a mirror may have under its
	// name, so that nothing goes from it. The newest of Kept come first.
	Merge bool          `json:"merge,omitempty"`
	Kept  []KeptCatalog `json:"-"`
	Hub   *Hub          `json:"hub,omitempty"` // that everything comes from; nil: from where it is published
}

// KeptCatalog is a filtered catalog that an earlier bundle carried.
type KeptCatalog struct {
	Path string   // of its repository in the mirror, below the namespace
	Tags []string // that it has there
	// Open gives its documents, as a file of a catalog has them.
	Open func() (io.ReadCloser, error)
}

// KeptFor are the kept catalogs, in their order, that the one of the configuration takes the place
// of.
func (e Extra) KeptFor(o *Operator) (list []KeptCatalog) {
	ref, err := o.Ref()
	if err != nil || !e.Merge {
		return nil
	}
	path, tag := cmp.Or(o.TargetCatalog, ref.Repository), cmp.Or(o.TargetTag, ref.Tag)
	for _, k := range e.Kept {
		if tag != "" && k.Path == path && slices.Contains(k.Tags, tag) {
			list = append(list, k)
		}
	}
	return list
}

// NamesCatalog reports whether the configuration names a catalog that goes where the image of an
// earlier bundle went.
func (c *Config) NamesCatalog(img oci.Image) bool {
	return slices.ContainsFunc(c.Mirror.Operators, func(o Operator) bool {
		ref, err := o.Ref()
		tag := cmp.Or(o.TargetTag, ref.Tag) // none: by digest
		return err == nil && cmp.Or(o.TargetCatalog, ref.Repository) == img.MirrorPath() && (tag == "" || slices.Contains(img.NamedTags(), tag))
	})
}

// relevant is what of e matters to the configuration.
func (e Extra) relevant(c *Config) Extra {
	pf := &c.Mirror.Platform
	if !pf.Graph {
		e.GraphData, e.GraphBase = GraphData{}, oci.Ref{}
	}
	if len(pf.Channels) == 0 && (!pf.Graph || e.GraphData != (GraphData{})) {
		e.UpdateURL = ""
	}
	e.Merge = e.Merge && len(c.Mirror.Operators) > 0
	e.AcceptRisks, e.Kept = text.Sorted(e.AcceptRisks), nil
	return e
}

// Mirror says what is mirrored.
type Mirror struct {
	Platform         Platform          `json:"platform,omitzero"`
	Operators        []Operator        `json:"operators,omitempty"`
	AdditionalImages []AdditionalImage `json:"additionalImages,omitempty"`
	Helm             Helm              `json:"helm,omitzero"`
	BlockedImages    []BlockedImage    `json:"blockedImages,omitempty"`
	Samples          []Sample          `json:"samples,omitempty"` // oc-mirror reads them and does nothing
}

// Platform selects OpenShift or OKD releases.
type Platform struct {
	Graph             bool               `json:"graph,omitempty"` // carry the update graph too
	Channels          []ReleaseChannel   `json:"channels,omitempty"`
	Architectures     []string           `json:"architectures,omitempty"` // older than Platforms, which it excludes
	Platforms         []InstancePlatform `json:"platforms,omitempty"`
	Release           string             `json:"release,omitempty"` // one payload, by tag or digest
	KubeVirtContainer bool               `json:"kubeVirtContainer,omitempty"`
}

// InstancePlatform is one platform of a multi-platform image.
type InstancePlatform struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
}

// ReleaseChannel selects releases of one update channel.
type ReleaseChannel struct {
	Name         string `json:"name"`
	Type         string `json:"type,omitempty"` // ocp, okd; empty is ocp
	MinVersion   string `json:"minVersion,omitempty"`
	MaxVersion   string `json:"maxVersion,omitempty"`
	ShortestPath bool   `json:"shortestPath,omitempty"`
	Full         bool   `json:"full,omitempty"`
}

// Operator selects packages of one operator catalog.
type Operator struct {
	Catalog                     string             `json:"catalog"` // image, or oci://PATH
	Packages                    []Package          `json:"packages,omitempty"`
	Full                        bool               `json:"full,omitempty"`
	TargetCatalog               string             `json:"targetCatalog,omitempty"` // path without registry and tag
	TargetTag                   string             `json:"targetTag,omitempty"`
	TargetCatalogSourceTemplate string             `json:"targetCatalogSourceTemplate,omitempty"` // local file
	Platforms                   []InstancePlatform `json:"platforms,omitempty"`
	SkipDependencies            bool               `json:"skipDependencies,omitempty"` // oc-mirror v2 reads it and does nothing
}

// Package selects channels and versions of one operator.
type Package struct {
	Name           string           `json:"name"`
	DefaultChannel string           `json:"defaultChannel,omitempty"`
	Channels       []PackageChannel `json:"channels,omitempty"`
	MinVersion     string           `json:"minVersion,omitempty"`
	MaxVersion     string           `json:"maxVersion,omitempty"`
}

// PackageChannel selects versions of one channel of an operator.
type PackageChannel struct {
	Name       string `json:"name"`
	MinVersion string `json:"minVersion,omitempty"`
	MaxVersion string `json:"maxVersion,omitempty"`
}

// AdditionalImage is one image that is carried for itself.
type AdditionalImage struct {
	Name       oci.Ref            `json:"name"`
	TargetRepo string             `json:"targetRepo,omitempty"` // path without registry and tag
	TargetTag  string             `json:"targetTag,omitempty"`
	Platforms  []InstancePlatform `json:"platforms,omitempty"`
}

// Helm selects charts, whose images are carried.
type Helm struct {
	Repositories []HelmRepository `json:"repositories,omitempty"`
	Local        []Chart          `json:"local,omitempty"`
}

// HelmRepository is a chart repository.
type HelmRepository struct {
	Name   string  `json:"name,omitempty"`
	URL    string  `json:"url,omitempty"`
	Charts []Chart `json:"charts,omitempty"` // none: every chart and version
}

// Chart is one Helm chart.
type Chart struct {
	Name       string             `json:"name,omitempty"`
	Version    string             `json:"version,omitempty"`
	Path       string             `json:"path,omitempty"`       // of a local chart
	ImagePaths []string           `json:"imagePaths,omitempty"` // JSONPath to images in addition to the usual ones
	Platforms  []InstancePlatform `json:"platforms,omitempty"`
}

// BlockedImage leaves out images that its name, an unanchored regular
// expression of Go, matches.
type BlockedImage struct {
	Name string `json:"name"`
}

// Sample is a sample image.
type Sample struct {
	Name string `json:"name"`
}

// Digest is the digest of what the configuration asks for. Comments, layout,
// the order and case of keys, empty sections, and the order and repetition of
// additional images do not matter to it.
func (c *Config) Digest() digest.Digest {
	plain := *c
	images := slices.Clone(c.Mirror.AdditionalImages)
	slices.SortFunc(images, func(a, b AdditionalImage) int { return bytes.Compare(documents.Canonical(a), documents.Canonical(b)) })
	plain.Mirror.AdditionalImages = slices.CompactFunc(images, func(a, b AdditionalImage) bool {
		return bytes.Equal(documents.Canonical(a), documents.Canonical(b))
	})
	extra := c.Extra.relevant(c)
	if reflect.ValueOf(extra).IsZero() {
		return oci.Digest(documents.Canonical(plain))
	}
	return oci.Digest(append(documents.Canonical(plain), documents.Canonical(extra)...))
}

// PodImage is an image that pods of a cluster use.
type PodImage struct {
	Ref oci.Ref `json:"ref"`           // by digest where one is known
	Tag string  `json:"tag,omitempty"` // under which pods name it
	Why string  `json:"-"`             // the first pod and how many more uses
}
