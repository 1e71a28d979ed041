// Package prepare finds out what a configuration carries, before a byte is written: it
// is what pack and plan share.
//
// A [Set] is what is carried. [Set.Prepare] resolves the images of the configuration to
// digests, reads all their manifests, finds what is attached to them, and asks the
// registries for every blob. [Set.Resume] takes the images from a bundle that was begun.
//
// [Set.Graph] is the one value that says which images are carried. An image that is
// dropped, because its registry refuses it and gaps are allowed, is noted in [Set.Gaps]
// and leaves the graph by [oci.Graph.Drop]: no manifest is read again for that.
//
// Catalogs in directories of this host, and what satchel builds itself, such as filtered
// catalogs, are sources beside the registries: [Set.Source] knows which has a blob.
package prepare
