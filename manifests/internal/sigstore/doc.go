// Package sigstore checks the signatures that nodes of a cluster demand of images: which
// policies cover an image, and whether a signature that cosign made satisfies them. It
// follows what nodes run (containers/image, policy type sigstoreSigned), and makes no requests.
package sigstore
