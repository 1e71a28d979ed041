// Package profile knows what satchel writes to which kind of medium: how much of a bundle goes onto
// one volume, how large its files are, and how many lanes it has.
//
//	volume   one disc, or one drive of a bundle that takes several
//	sector   2,048 bytes: what a disc is counted in, and what its file systems give to a file
//	reserve  what the file system of a disc takes for itself: descriptors, directories, padding
//
// [Parse] reads what --media names.
package profile
