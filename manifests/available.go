package manifests

import (
	"context"
	"fmt"

	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/operator"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/release"
)

// What a configuration can name.
type (
	// ReleaseQuery says which releases [ListReleases] lists.
	ReleaseQuery = release.Query
	// ReleaseList is what a configuration can name of releases.
	ReleaseList = release.Available
	// NoReleaseError says that a graph server has nothing of what was asked for.
	NoReleaseError = release.NotThereError
	// OperatorList is what a configuration can name of a catalog.
	OperatorList = operator.Available
	// ListedPackage is a package of a catalog with its channels.
	ListedPackage = documents.PackageContents
	// NoOperatorError says that a catalog does not have what was asked for.
	NoOperatorError = operator.NotThereError
)

// ListReleases asks the server of update graphs which channels there are, or which releases a
// channel has. What it does not have is a *[NoReleaseError].
func ListReleases(ctx context.Context, q ReleaseQuery, from Images) (*ReleaseList, error) {
	return release.List(ctx, q, from)
}

// ListOperators reads which packages a catalog has, each channel with its head; with the name of a
// package all versions of that, and with a channel's name that channel's. What the catalog does not
// have is a *[NoOperatorError].
func ListOperators(ctx context.Context, catalog *Operator, pkg, channel string, from Images) (*OperatorList, error) {
	return operator.List(ctx, catalog, pkg, channel, from)
}

// DefaultCatalogs are the catalogs that clusters of a version have unless they are switched off, as
// a configuration names them. A version that is none is a *[NoReleaseError].
func DefaultCatalogs(version string) (refs []string, err error) {
	major, minor, err := release.ParseMinor(version)
	if err != nil {
		return nil, err
	}
	for _, d := range origin.DefaultCatalogs {
		if d.In(major, minor) {
			refs = append(refs, fmt.Sprintf("%s:v%d.%d", d.Repository, major, minor))
		}
	}
	return refs, nil
}
