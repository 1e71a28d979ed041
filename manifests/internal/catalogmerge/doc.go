// Package catalogmerge joins what a catalog says of a package today with what an earlier
// bundle has put into the mirror, so that a filtered catalog loses nothing by accident.
//
// Today's catalog is believed. Only what it no longer has comes from the kept one: a whole
// package, a whole channel, or a version that was withdrawn from a channel that is still
// there. Of a bundle that both have, today's document counts. What is joined must be
// something that a cluster can serve: every channel keeps the head that it has today, every
// update leads to it, and a name means one image, a version one bundle. What cannot be
// joined in this way is an [Error], because to leave it out would be the accident.
//
// The result is a package to be filtered: [Merged].Keep says what of it must be left.
package catalogmerge
