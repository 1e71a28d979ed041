// Package journal stores what a resumed pack cannot derive, on the packing host.
//
// A [Journal] is an append-only file of one JSON record a line. [Journal.Append]
// returns once the record is on the disk. While it is open it is locked, so
// that two packs never write one bundle. [Open] replays the records; a torn
// last line, as a crash leaves it, is cut off. See FORMAT.md, section 10.
package journal
