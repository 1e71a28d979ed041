package site

import (
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/manifests/internal/sigstore"
	"github.com/satchel-airgap/satchel/manifests/internal/updatepath"
	"github.com/satchel-airgap/satchel/oci"
)

// Site is the side behind the air gap: the mirror and what the cluster has at present.
type Site struct {
	Mirror oci.Mirror
	// PullFrom are the addresses that nodes pull from in place of the mirror's, HOST[:PORT] and
	// namespace each, in the order in which nodes try them; empty: the mirror's own.
	PullFrom []oci.Mirror
	// Cluster is what the cluster is at present: its version and its objects; nil: not given.
	Cluster      *cluster.State
	PullSecret   *PullSecret  // the cluster's present one; nil: not given
	Credential   *Credential  // by which the mirror was filled; nil: none is needed or known
	NodeSecret   *PullSecret  // has the credentials by which nodes pull from the mirror; nil: not given
	PushOnNodes  bool         // where NodeSecret is nil: nodes get Credential
	CA           []byte       // PEM of the authorities that signed the mirror's certificate; nil: none
	PresentCA    *RegistryCA  // the ConfigMap that image.config names now; nil: not given
	PresentImage *ImageConfig // image.config.openshift.io/cluster as it is now; nil: not given
	// PresentRules are the objects with rules that the cluster has; nil: not given.
	PresentRules *PresentRules
	MirrorAPI    MirrorAPI
	SourcePolicy SourcePolicy
	// Earlier is what earlier bundles, the oldest first, brought into this mirror; for the rules
	// where PresentRules is nil. nil: not known.
	Earlier [][]SourcePlace
	// EarlierReleases are those that earlier bundles brought into this mirror and that it still has,
	// as far as an update may lead over them.
	EarlierReleases []EarlierRelease
	// EarlierCatalogs are those for later versions that earlier bundles brought into this mirror and
	// that it still has, as far as an update may lead to these versions.
	EarlierCatalogs []oci.Image
	// RunningInMirror says of payloads that clusters run and the bundle lacks whether the mirror has
	// them; what was not asked for is not in it.
	RunningInMirror map[digest.Digest]bool
	// PresentCatalogSources are the CatalogSources that the cluster has; nil: not given.
	PresentCatalogSources *PresentCatalogSources
	// CatalogNames gives catalogs the name of their CatalogSource. A key is a
	// catalog's reference as configured, or without its tag and digest, or its place in
	// the mirror below the namespace, with or without a tag.
	CatalogNames map[string]string
	Payloads     []documents.PayloadFacts    // what the carried releases say of updates, as the bundle has it
	Contents     []documents.CatalogContents // what of each catalog the bundle has
	Signatures   []documents.Signature       // of releases, as the bundle has them, in any order
	Templates    []documents.CatalogTemplate // of CatalogSources, from the bundle
	Gone         []CatalogGone               // what catalogs have no more, for APPLY.md
	// PinImages: nodes are to load the images of the next update before it.
	PinImages bool
	// PayloadBytes is what all images of a carried release have, packed, by its payload; may be nil.
	PayloadBytes map[digest.Digest]int64
	// Unsigned are manifests that nodes will refuse, as far as that was looked at.
	Unsigned []sigstore.Unsigned
	// Demanding are the repositories of images that nodes demand signatures of, as far as known.
	Demanding []string
	// SignaturesUnchecked are policies by which images could not be judged, with the reason.
	SignaturesUnchecked []string
	// Elsewhere has the tags of the mirror, each with its registry, that name something else than
	// the images of the inventory: a digest, or "" for nothing.
	Elsewhere map[string]digest.Digest
	// Unchecked: the mirror was not asked whether it has the images.
	Unchecked bool
	// PlainHTTP: the mirror was asked, and answered without TLS.
	PlainHTTP bool
	Now       time.Time // when the certificates of CA must be valid; zero: not checked
}

// EarlierRelease is the payload of a release that an earlier bundle brought, what it says of
// updates, and the images that it names, each with its digest alone.
type EarlierRelease struct {
	Image  oci.Image
	Facts  documents.PayloadFacts
	Images []oci.Image
}

// UpdateRelease is a release as the search for a way of updates takes it.
func UpdateRelease(f *documents.PayloadFacts) updatepath.Release {
	r := updatepath.Release{Version: f.Version, Previous: f.Previous}
	for _, up := range f.Updates {
		edge := updatepath.Edge{From: up.From}
		for _, risk := range up.Risks {
			edge.Risks = append(edge.Risks, risk.Name)
		}
		r.Graph = append(r.Graph, edge)
	}
	return r
}

// SourcePlace is a repository whose images are carried, and one of the mirror that has them.
type SourcePlace = rules.SourcePlace

// Credential is a user's name and password in a registry.
type Credential struct {
	Username, Password string
	Token              bool // an identity token in place of the two, which nodes cannot use
}

// String keeps the password out of what is printed.
func (Credential) String() string { return "(credential)" }

// SiteError is a fault of a [Site]: what would be written does not fit the cluster
// or the mirror.
type SiteError struct {
	Field  string // the field of Site to change, such as "CA"
	Msg    string
	Advice string
}

func (e *SiteError) Error() string { return e.Msg }

// Hint says what to do now, "" if the error says it all.
func (e *SiteError) Hint() string { return e.Advice }

// Permanent reports that the same site always gives this error.
func (e *SiteError) Permanent() bool { return true }
