package oci

import "fmt"

// VersionError says that a file of this host was written by a newer satchel, in a form that
// this one does not know. Nothing was changed in it.
type VersionError struct {
	File       string
	Has, Reads string // such as "ledger/3" and "ledger/1"
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%s was written by a newer satchel (%s; this one reads %s)", e.File, e.Has, e.Reads)
}

// Permanent is true: the file stays what it is.
func (e *VersionError) Permanent() bool { return true }

// Hint says what to do now.
func (e *VersionError) Hint() string {
	return "use that satchel, or a newer one; nothing was changed"
}
