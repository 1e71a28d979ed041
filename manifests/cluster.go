package manifests

import (
	"github.com/satchel-airgap/satchel/manifests/internal/emit"
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/oci"
)

// The far side, as [Emit] needs to know it.
type (
	// Site is the far side: the mirror and what the cluster has at present.
	Site = site.Site
	// Credential is a user's name and password in a registry.
	Credential = site.Credential
	// PullSecret is a cluster's global pull secret, checked.
	PullSecret = site.PullSecret
	// PullSecretEdit is what is to become of a pull secret.
	PullSecretEdit = site.PullSecretEdit
	// PullSecretChanges are the registries of which entries differ.
	PullSecretChanges = site.PullSecretChanges
	// NodePull is how nodes pull from the mirror once the pages were followed.
	NodePull = emit.NodePull
	// RegistryCA is a ConfigMap of registry authorities.
	RegistryCA = site.RegistryCA
	// ImageConfig is what image.config.openshift.io/cluster says now.
	ImageConfig = site.ImageConfig
	// SourcePlace is a repository whose images are carried, and one of the mirror that has them.
	SourcePlace = site.SourcePlace
	// EarlierRelease is a release that an earlier bundle brought into the mirror.
	EarlierRelease = site.EarlierRelease
	// PresentRules are the objects with rules that a cluster has now.
	PresentRules = site.PresentRules
	// PresentCatalogSources are the CatalogSources that a cluster has now.
	PresentCatalogSources = site.PresentCatalogSources
	// RegistrySources are image.config's spec.registrySources.
	RegistrySources = site.RegistrySources
	// CatalogGone is what a catalog of the mirror has no more, for [Site].
	CatalogGone = site.CatalogGone
	// File is one file that [Emit] gives.
	File = handover.File
	// MirrorAPI is the kind of objects that rules are written as.
	MirrorAPI = site.MirrorAPI
	// SourcePolicy says whether nodes may ask the sources of rules themselves.
	SourcePolicy = site.SourcePolicy
	// SiteError says that the files would not fit the cluster or the mirror.
	SiteError = site.SiteError
)

// Values of [Site].MirrorAPI and [Site].SourcePolicy.
const (
	MirrorICSP  = site.MirrorICSP
	MirrorIDMS  = site.MirrorIDMS
	MirrorAuto  = site.MirrorAuto
	SourceAllow = site.SourceAllow
	SourceNever = site.SourceNever
)

// Emit gives the files that point a cluster at its mirror, sorted by name, from
// the inventory of what the mirror has. The notes are what a person must know,
// one line each; APPLY.md has them too. The same input, in any order, gives
// the same bytes. The error is a *[SiteError] where the site is at fault.
func Emit(inv *oci.Inventory, site Site) (files []File, notes []string, err error) {
	return emit.Emit(inv, site)
}

// NodePullOf finds out how nodes will pull the images of an inventory. The error is a
// *[SiteError] where the site is at fault.
func NodePullOf(inv *oci.Inventory, site Site) (*NodePull, error) {
	return emit.NodePullOf(inv, site)
}

// ParsePullSecret reads a pull secret: .dockerconfigjson as downloaded, or as a
// Secret in YAML or JSON. Errors are *[ConfigError]s without what the file says.
func ParsePullSecret(file string, data []byte) (*PullSecret, error) {
	return site.ParsePullSecret(file, data)
}

// ParsePresentPullSecret is [ParsePullSecret] for what a cluster has: that may name no registry.
func ParsePresentPullSecret(file string, data []byte) (*PullSecret, error) {
	return site.ParsePresentPullSecret(file, data)
}

// ParseRegistryCA reads a ConfigMap of registry authorities, as
// "oc get configmap NAME -n openshift-config -o yaml" prints it.
func ParseRegistryCA(file string, data []byte) (*RegistryCA, error) {
	return site.ParseRegistryCA(file, data)
}

// ParseImageConfig reads what "oc get image.config.openshift.io/cluster -o yaml" prints.
func ParseImageConfig(file string, data []byte) (*ImageConfig, error) {
	return site.ParseImageConfig(file, data)
}

// ParsePresentRules reads what "oc get icsp,idms,itms -o yaml" prints: a list, an object, or
// several documents of these. Errors are *[ConfigError]s without what the file says.
func ParsePresentRules(file string, data []byte) (*PresentRules, error) {
	return site.ParsePresentRules(file, data)
}

// PresentRulesOf gives the rules of a cluster whose objects are known, nil if they are not.
func PresentRulesOf(c *Cluster) (*PresentRules, error) { return site.PresentRulesOf(c) }

// ParsePresentCatalogSources reads what "oc get catalogsource -n openshift-marketplace -o yaml"
// prints. Errors are *[ConfigError]s without what the file says.
func ParsePresentCatalogSources(file string, data []byte) (*PresentCatalogSources, error) {
	return site.ParsePresentCatalogSources(file, data)
}
