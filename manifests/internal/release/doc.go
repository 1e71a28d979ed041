// Package release resolves what a configuration asks for of OpenShift's releases.
//
// A release is an image, its payload, that names the images of its components by
// digest. [Configured] reads the one that mirror.platform.release names, [Channels]
// those that the update graphs of mirror.platform.channels give: what a channel has
// between two versions, or the shortest path of updates. A signature must verify
// the payload's digest before any of it is read, else there is a [SignatureError]. A
// release that is verified brings keys of its own, which are trusted for the others
// of the run, as a cluster that makes these updates would trust them.
//
// [GraphImage] builds the image from which an update service inside the network gets
// the data of its graphs. Images for machines of KubeVirt belong to a payload too.
package release
