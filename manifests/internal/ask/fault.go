package ask

import (
	"fmt"

	"github.com/satchel-airgap/satchel/oci"
)

// FaultError says of something within an image that it can never be carried: what is wrong
// there is as it was published.
type FaultError struct {
	What  string   // where in it
	Names []string // by which blockedImages may leave it out
	Why   string
}

func (e *FaultError) Error() string { return fmt.Sprintf("%s: %s", e.What, e.Why) }

// Unwrap says that it is not supported.
func (e *FaultError) Unwrap() error { return &oci.UnsupportedError{What: e.What, Why: e.Why} }

// Permanent reports that trying again gives the same answer.
func (e *FaultError) Permanent() bool { return true }

// Hint says what to do now.
func (e *FaultError) Hint() string {
	return "leave it out with blockedImages, or name the packages that you need"
}
