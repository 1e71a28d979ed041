// Package operator resolves what a configuration asks for of operator catalogs.
//
// A catalog is an image that lists packages, which have channels, which have
// bundles: versions of an operator. [Catalogs] reads each catalog package by package,
// filters bundles by the configuration, asks for their images, and builds an image
// of the catalog with what is left; a catalog that is asked for whole stays as it is.
// Bundles may require others: these are added, or reported.
//
// The document of contents says which versions of each channel are carried, that of
// templates what the CatalogSources have in addition ([Templates]).
package operator
