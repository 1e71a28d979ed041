// Package index reads and writes what index.age holds once it is decrypted: the
// segments with their SHA-256, for each blob the ordered pieces, and the
// inventory. It is one JSON object a line inside zstd, so that it can be written
// and read as a stream; [Writer] and [Read] are its two ends.
//
// Read believes nothing: every name, digest, number and count is checked, and
// no two pieces may overlap. See FORMAT.md, section 6.
package index
