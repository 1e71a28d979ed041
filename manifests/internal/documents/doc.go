// Package documents has the documents that a bundle carries in addition to its images, and
// reads them on the far side: the signatures of releases, the contents of catalogs,
// the templates of CatalogSources and the update graphs.
//
// A document is an OCI artifact with a name; each of its layers is a file with a
// title. What is read is as untrusted as the bundle that it comes from.
package documents
