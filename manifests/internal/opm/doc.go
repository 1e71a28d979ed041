// Package opm makes what a catalog image serves a catalog from: the files of the
// catalog, and the cache that "opm serve" reads them from.
//
// opm (operator-registry, cmd/opm) builds a cache where it finds none that fits, which
// takes a writable directory and minutes; one that does not fit, where that is
// enforced, ends it. So the cache is built here, in the form that every opm with a
// cache can read: a directory cache with packages.json and a file for each bundle of
// each channel, all JSON, and a file digest beside it (operator-registry, pkg/cache,
// format "json"). The digest is of the catalog's directory and of the cache, with the
// modes of files and directories: they are as [Files.Each] gives them.
//
// Catalogs are large: files are kept on disk, and one bundle at a time is in memory.
// [ReadCommand] says of an image's command line what it serves and where its
// cache is.
package opm
