package manifests

import (
	"context"
	"io"

	"github.com/satchel-airgap/satchel/manifests/internal/catalogdiff"
	"github.com/satchel-airgap/satchel/manifests/internal/catalogmerge"
	"github.com/satchel-airgap/satchel/oci"
)

// Comparing catalogs.
type (
	// CatalogIndex is what a catalog has, as far as two are compared.
	CatalogIndex = catalogdiff.Index
	// CatalogChanges is what comes and what goes where one catalog takes the place of another.
	CatalogChanges = catalogdiff.Changes
	// PackageChanges is what is not the same of one package.
	PackageChanges = catalogdiff.Package
	// ChannelChanges is what is not the same of one channel.
	ChannelChanges = catalogdiff.Channel
	// CatalogMergeError says that a package of a catalog cannot be joined with what an
	// earlier bundle carried of it.
	CatalogMergeError = catalogmerge.RefusedError
)

// ReadCatalog reads the catalog of an image, or of an index the image that a catalog is
// read from. name is for messages. An image that is no catalog, or one that cannot be read,
// such as an SQLite catalog, is an *[oci.UnsupportedError]; what this host cannot keep is a
// *[TempError], and the source's errors pass through. The caller closes the index.
func ReadCatalog(ctx context.Context, name string, src oci.Source, root oci.Descriptor) (*CatalogIndex, error) {
	return catalogdiff.Read(ctx, name, src, root)
}

// WriteCatalog writes the documents of the catalog of an image, JSON one after another,
// package by package, as in a file of a file-based catalog: the same bytes each time. It
// reads the image as [ReadCatalog] does, with the same errors.
func WriteCatalog(ctx context.Context, name string, src oci.Source, root oci.Descriptor, w io.Writer) error {
	return catalogdiff.WriteDocuments(ctx, name, src, root, w)
}

// CompareCatalogs says what comes and what goes where after takes the place of before. It
// reads both one package at a time.
func CompareCatalogs(before, after *CatalogIndex) (*CatalogChanges, error) {
	return catalogdiff.Compare(before, after)
}
