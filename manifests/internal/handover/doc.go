// Package handover is what all parts of the files for one cluster share.
//
// A [Handover] has the [site.Site], the images that the mirror has, and the files and
// notes so far. It answers what the parts ask of the cluster: its version
// ([Handover.Minor]), its objects ([Handover.Present]), what would change
// ([Handover.Change]), and where nodes find an image ([Handover.Places]). [Before] is what
// the cluster was before satchel, for the way back.
//
// Each part (trust, login, lead, operatorhub, update) has a Handover, and up to three kinds
// of methods: Emit writes files, Step writes the step of APPLY.md, Restore that of the way
// back.
package handover
