// Package probe makes what is pushed into a mirror to find out what it takes. It makes no
// requests.
//
// [Content] is what is pushed: an image for a tag, one for its digest alone, an index that is
// sparse (it names manifests that are not there), and the blobs of these. All of it is small,
// and nothing else has the same bytes, so that it may be removed again. Its [Base] says whether
// the manifests are OCI's or Docker's.
//
// A [Shape] is what manifests have in common as far as a registry may look at it. A [Kind] is
// a shape with the images that have it; [Content.Like] makes a manifest of a shape.
package probe
