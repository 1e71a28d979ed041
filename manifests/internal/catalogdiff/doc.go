// Package catalogdiff compares two operator catalogs: which packages, channels and
// versions come and which go where one takes the place of the other.
//
// Read keeps what it needs of a catalog on disk, and Compare goes through both, one
// package at a time: a catalog may be large, and the memory is not. A version is known by
// the name of its bundle. One that leaves a channel goes, also if another channel keeps
// it, because a Subscription follows one channel.
package catalogdiff
