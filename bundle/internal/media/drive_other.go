//go:build !linux

package media

import "io/fs"

// Free is not known on this system.
func Free(string) (int64, error) { return 0, ErrUnknownSpace }

// Session is not known on this system: the drive counts as having been away.
func Session(string) string { return "" }

func sameDevice(fs.FileInfo, fs.FileInfo) bool { return true }

// SyncAll has nothing to add on this system: each file was synced.
func SyncAll(string) error { return nil }

// DropCache does nothing on this system.
func (f *File) DropCache() {}

// Of is not known on this system.
func (t Tables) Of(string) Mount { return Mount{} }

func rawDevice(fs.FileInfo) uint64 { return 0 }
