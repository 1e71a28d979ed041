package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci/text"
)

// DamageError says that a file of a ledger is not what was written.
type DamageError struct {
	Dir  string // of the ledger
	File string
	Err  error
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("read the ledger in %s: %s is damaged: %v", e.Dir, e.File, e.Err)
}

func (e *DamageError) Unwrap() error { return e.Err }

// Permanent is true: the file stays what it is.
func (e *DamageError) Permanent() bool { return true }

// Hint says what to do now.
func (e *DamageError) Hint() string {
	return "move " + e.Dir + " away: the next bundle then begins a new stream, as bundle 1"
}

// UnknownError says that no ledger of this host has a bundle with a fingerprint.
type UnknownError struct {
	Given string  // digits
	Known []Known // the newest ones
}

// Known is a bundle that a ledger has.
type Known struct {
	Stream      string
	Sequence    int
	Fingerprint bundle.Fingerprint
}

func (e *UnknownError) Error() string {
	return "no bundle that this host packed has the fingerprint " + bundle.Fingerprint(e.Given).Grouped()
}

// Permanent is true: the ledgers stay what they are.
func (e *UnknownError) Permanent() bool { return true }

// Hint lists what the fingerprint may have been meant to be.
func (e *UnknownError) Hint() string {
	if len(e.Known) == 0 {
		return "the ledgers of this host have no finished bundle: run this where the bundle was packed, as the user who packed it"
	}
	list := make([]string, len(e.Known))
	for i, k := range e.Known {
		list[i] = fmt.Sprintf("%s (bundle %d of %s)", bundle.Fingerprint(k.Fingerprint[:min(len(k.Fingerprint), leastDigits)]).Grouped(), k.Sequence, k.Stream)
	}
	return "compare it with the slip; this host knows those that begin with " + text.Some(list, 5)
}

// AmbiguousError says that the beginning of a fingerprint fits several bundles.
type AmbiguousError struct {
	Given string
	Known []Known
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("%s is the beginning of %d fingerprints", bundle.Fingerprint(e.Given).Grouped(), len(e.Known))
}

// Permanent is true: the ledgers stay what they are.
func (e *AmbiguousError) Permanent() bool { return true }

// Hint says what to do now.
func (e *AmbiguousError) Hint() string { return "give more digits of it" }

// GoneError says that the ledger does not keep a filtered catalog that a bundle carried.
type GoneError struct{ Catalog string }

func (e *GoneError) Error() string {
	return fmt.Sprintf("the ledger does not keep catalog %s as a bundle carried it", e.Catalog)
}

func (e *GoneError) Unwrap() error { return fs.ErrNotExist }

// Permanent is true: the ledger stays what it is.
func (e *GoneError) Permanent() bool { return true }

// Hint says what to do now.
func (e *GoneError) Hint() string {
	return "carry what the configuration names today, and all that clusters still use among it"
}

// failed makes an error of an operation on a ledger's files: the disk's refusal is a
// *[bundle.StateError].
func failed(op, path string, err error) error {
	var errno syscall.Errno
	switch {
	case err == nil:
		return nil
	case errors.As(err, &errno):
		return &bundle.StateError{Op: op, Path: path, Err: err}
	}
	return fmt.Errorf("%s %s: %w", op, path, err)
}
