// Package mirrored says which images belong together of what a mirror has, without asking
// any other registry: of a release its components, of a catalog the images of each operator.
package mirrored
