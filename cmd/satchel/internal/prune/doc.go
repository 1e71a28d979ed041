// Package prune deletes from a mirror what satchel brought there and no bundle needs that is
// kept.
//
// [Look] reads the receipts of the mirror, looks at the repositories as they are, and makes a
// [Plan]; it deletes nothing. [Plan.Do] looks again, repository by repository, and deletes what is
// still as it was planned: indexes before their images, images before what is attached to them.
// No record is written before: while a prune is unfinished, the receipts stay, and the next run
// finds what is left. At the end one receipt takes the place of those that are kept no longer.
//
// What is in doubt stays.
package prune
