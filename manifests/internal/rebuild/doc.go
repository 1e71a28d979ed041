// Package rebuild makes images from others.
//
// A [Recipe] says which layers of an image are left out, which [Layer] is put on
// top, and what of its config changes. [Image] makes one image by it, and [Index]
// an index of the images for some platforms. Layers that stay are named as they
// were: their blobs are had from where the image comes from.
//
// What is made depends on nothing but what it is made from: no time, no user and no
// order of a map gets in. The images that it starts from may lie: what does not fit
// together is an [oci.UnsupportedError].
package rebuild
