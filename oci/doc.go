// Package oci holds the words that every other package of satchel speaks.
//
// A [Descriptor] names content by digest and size. A [Ref] names an image in a
// registry. An [Inventory] is the pinned list of images that a bundle carries,
// and a [Graph] is everything those images reach: manifests (indexes among
// them) and blobs (configs and layers).
//
// Bytes come from a [Source] and go to a [Sink]. A Source may lie; [Verified]
// makes one that cannot: its readers fail before io.EOF when the bytes do not
// match the descriptor. [Verifier] is the same check as an io.Writer whose
// state can be kept between runs.
//
// [Walk] visits an image's content, children before parents, so that whoever
// stores content in that order never holds a manifest whose parts are missing.
//
// [Mirror] is the one rule that maps a source reference to its place in the
// mirror registry. Whatever pushes and whatever writes cluster YAML both ask
// it, so they cannot disagree.
//
// [Layout] is an OCI image layout in a directory: a Source of what it holds, which
// never leaves its directory.
//
// The package knows nothing of networks, encryption, OpenShift or terminals.
package oci
