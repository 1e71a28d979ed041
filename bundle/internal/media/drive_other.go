//go:build !linux

package media

import "io/fs"

// RoomOf is not known on this system.
func RoomOf(string) (Room, error) { return Room{}, ErrUnknownSpace }

// FileLimit is not known on this system.
func FileLimit() int64 { return -1 }

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
