// Package order says in which order the manifests of images are stored in a mirror.
//
// A wave is images that can be stored at the same time: none of them contains another one of
// its repository. A turn is the right to store one manifest, which one at a time has.
package order
