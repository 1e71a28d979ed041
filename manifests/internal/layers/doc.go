// Package layers reads files out of images without unpacking them.
//
// [Pick] chooses the one image of an index that is worth reading, [Config] reads
// what an image says about itself, and [Walk] visits the files of its finished
// file system below one directory. Walk streams: it reads layers from the top
// down, because the first layer that has a path decides about it, and leaves the
// lower ones alone once nothing more can come from them. [Only] and [Says] look at
// single layers, for whoever makes another image of one.
//
// What an upper layer hides is as image-spec's layer.md has it: a whiteout
// (.wh.NAME) hides NAME of the layers below, an opaque directory (.wh..wh..opq
// in it) all that they have in it, and whatever stands at a path instead of a
// directory all that was below that path.
//
// Images may lie. Blobs are verified, decompression and names are bounded, and
// what cannot be read for certain is an [oci.UnsupportedError] and never passed
// over. Links are followed as in a pod: they do not lead out of the image.
package layers
