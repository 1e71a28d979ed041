// Package powertest is a disk for tests that loses power.
//
// A [Disk] is a FUSE file system in memory. Like a real one, it keeps what is written volatile
// until it is synced: the bytes of a file until fsync of the file, the names in a directory
// (created, renamed, linked, removed) until fsync of the directory. It records each operation, so
// that a command runs once, and [Disk.Lose] then builds, as a plain directory, what a loss of power
// after any step may leave.
//
// What is synced is always there. What is not depends on the [Loss], whose choices come from a seed:
//
//   - [Nothing] of it survives.
//   - [Everything] does, as when a process is killed.
//   - [Zeroed]: names and sizes survive, the bytes are zero (delayed allocation).
//   - [Torn]: steps survive up to some moment; the last write ends at a border of sectors.
//   - [Mixed]: each name and each sector is old or new on its own; a new sector may be zero or
//     have other bytes.
//
// A [Fault] has operations fail instead: no space, I/O errors (once, at fsync, at close), read-only
// in the middle, a device that disappears, short writes.
package powertest
