// Package oci has the types that every other package of satchel uses.
//
// A [Descriptor] names content by digest and size. A [Ref] names an image in a
// registry. An [Inventory] is the pinned list of images that a bundle carries,
// and a [Graph] is everything those images reach: manifests (indexes among
// them) and blobs (configs and layers). A [Reason] says why an image is carried. A
// [Gap] is an image that was asked for and is not carried: an error while a bundle
// is packed, and data in its inventory.
//
// Bytes come from a [Source] and go to a [Sink]. A Source may lie; [Verified]
// makes one that cannot: its readers fail before io.EOF when the bytes do not
// match the descriptor. [Verifier] is the same check as an io.Writer whose
// state can be stored between runs.
//
// [Walk] visits an image's content, children before parents, so that whoever
// stores content in that order never holds a manifest whose parts are missing.
//
// [Mirror] is the one rule that maps a source reference to its place in the
// mirror registry. Both the code that pushes and the code that writes cluster YAML
// use it, so they cannot disagree.
//
// [Layout] is an OCI image layout in a directory, and [Memory] generated content in
// memory: both are a Source. [SelectPlatforms] chooses which part of an image for
// several platforms is carried.
//
// An error type that knows it has methods Permanent, which reports that trying again
// gives the same result, and Hint, a sentence that says what to do now.
//
// The package knows nothing of networks, encryption, OpenShift or terminals.
package oci
