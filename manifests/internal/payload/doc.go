// Package payload reads what a release image says it is made of.
//
// A release image, the payload, has a directory release-manifests with two files
// that matter here: image-references, an ImageStream that names the image of each
// component, and release-metadata, which has the version (oc adm release new
// writes them). [Read] streams them out of the image's layers.
//
// [Manifests] reads what its manifests say to those who update: gates, and policies for
// signatures.
//
// What is wrong with a payload is an [oci.UnsupportedError] that names it. The
// components must be named by digest: a tag could move after the release was made
// and signed.
package payload
