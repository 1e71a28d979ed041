// Package changes is what a bundle changes in a mirror, as data: [Changes] is printed as a
// table and as JSON, by a dry run and by a comparison. It makes no requests.
package changes
