// Package seal is the grammar of a bundle's small cleartext files: the names
// that a bundle may have ([ParseSegment], [Known]), the drive seal ([Drive]),
// the seal ([Bundle]), the extras file ([Extras]), and the two files derived
// from them, README.txt ([Readme]) and SHA256SUMS ([Sums]).
//
// It turns values into bytes and bytes into values, strictly both ways; it
// reads and writes no files. See FORMAT.md, sections 2 and 7.
package seal
