// Package check rehearses the cut: would a cluster keep running if it had this mirror alone?
//
// [Run] takes what was written for a cluster, and what is known of it, and pulls every image as a node
// of it would: by the rules, the pull secret and the authorities that nodes come to have, and by the
// code that nodes run. No request goes to a source. Images are those that receipts and bundles name,
// those that each release names, and those that each catalog names. What nodes would not get is a
// [Finding].
package check
