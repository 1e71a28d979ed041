// Package receipt is what one bundle needs in one mirror, and which of it satchel brought
// there.
//
// A [Receipt] names every manifest and blob that the images of a bundle reach, with size,
// repositories and tags, each marked: [Pushed] by satchel, or [Found] there. An intent is
// written before the first upload and marks as pushed what the mirror lacked then, so that
// a run that was killed is known. [Receipt.Encode] and [Decode] are the format, receipt/1:
// the same facts give the same bytes, and nothing else is read. docs/receipts.md has it
// for people. [Merge] answers questions about several receipts of a mirror.
package receipt
