// Package ocitest makes up images for tests, the demo and the benchmarks.
//
// A [Content] is built first, by calls that add layers, images, indexes and
// artifacts, and is then an oci.Source that any number of goroutines may read.
// The same seed and the same calls always give the same bytes.
//
// The images are true to shape. A layer is a real tar, really compressed the
// way its media type says, with one file of random bytes in it that no
// compressor can shrink. Configs give the right diff IDs, so that container
// engines accept the images. Layers are not stored: their bytes are computed
// from the seed whenever and from wherever they are read, so a layer of many
// GiB costs time once, for its digest, and no memory.
//
// [Push] and [Compare] move content to a registry and check it there over
// plain net/http. They share no code with package transport, on purpose: they
// are the second opinion.
package ocitest
