// Package catalog reads operator catalogs: which packages, channels and bundles
// a catalog image has, and which images a bundle needs.
//
// A file-based catalog is a directory of documents, JSON or YAML. Each has a
// schema: olm.package, olm.channel, whose entries say which bundle replaces or
// skips which, olm.bundle, which names its image and related images, and others
// that are skipped. [Dir] finds the directory by the image's labels.
//
// Catalogs are large and the memory is not. [Parse] reads one document at a
// time, of bounded size, and keeps an index: names, versions, edges, images; the
// documents go to disk. [Catalog.Write] writes both, one [Package] after the other
// with its documents, and a [Reader] gives them back one package at a time. What is
// written can be stored: it means the same while the image has the same digest.
//
// Documents are understood as package declcfg of operator-registry understands
// them, whose own readers have no bounds. A catalog that its model refuses for
// what is given twice, or names something missing, is refused here too.
// Every fault of a catalog is an [oci.UnsupportedError] that names the file.
package catalog
