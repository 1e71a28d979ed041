// Package copying copies sealed bundles between drives and disks, byte for byte.
//
// What is copied are drive directories: one drive's part of a bundle each. A copy never splits
// one and never puts two together, so the seals, the fingerprint and the signatures of a copy
// are those of the original. [Arrange] says which drive directory goes where; [Run] copies
// them, those for different drives at the same time. How one is written so that it can be
// interrupted anywhere, and is read back, is in package bundle ([bundle.Copying]).
package copying
