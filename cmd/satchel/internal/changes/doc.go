// Package changes is what a bundle changes where it goes, as data: [Changes] is printed as a
// table and as JSON, by a dry run and by a comparison. [ToReceipt] and [ToBundle] hold a bundle
// against what a receipt or another bundle says; a mirror is asked by package unpack.
package changes
