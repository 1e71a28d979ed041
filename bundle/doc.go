// Package bundle is the format in which images cross the gap; its specification
// is FORMAT.md in this directory.
//
// A bundle is a directory on a drive. Its content is one tar stream, an OCI
// image layout, cut into segments: files that are each zstd inside age. Workers
// write segments in lanes, so that several blobs can arrive at once. The index
// says where each blob lies; the drive seal and the seal bind every file by
// SHA-256; the seal's own SHA-256, the fingerprint, goes on paper.
//
// There are five doors:
//
//   - A [Writer] is an [oci.Sink]. [Create] starts a bundle, [Resume] resumes one
//     that was interrupted, [Writer.Seal] finishes it.
//   - A [Reader] is an [oci.Source] over a sealed bundle; [Open] needs a key.
//   - [Verify] checks every byte of a bundle without a key.
//   - [Rekey] lets more recipients open a sealed bundle.
//   - [Restart] deletes an unfinished bundle so that another can begin in its place.
//
// The package knows nothing of registries or OpenShift, and draws nothing on a
// terminal.
package bundle
