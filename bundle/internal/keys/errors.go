package keys

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNoMatch says that none of the identities opens a key file.
var ErrNoMatch = errors.New("none of the given keys opens this bundle")

// ErrNoTerminal says that somebody must be asked and nobody can be.
var ErrNoTerminal = errors.New("there is no terminal to ask on")

// MixedError says why recipients may not stand together.
type MixedError struct{ Why string }

func (e *MixedError) Error() string { return e.Why }

var (
	errMixed = &MixedError{"post-quantum and classic recipients cannot be mixed: the bundle would be open to whoever breaks the classic key with a quantum computer"}
	// errClassicBundle and errPostQuantumBundle are for recipients that are added later.
	errClassicBundle     = &MixedError{"the bundle was packed for classic recipients or for passphrases alone, and its own key is classic: a post-quantum recipient would not protect it from quantum computers"}
	errPostQuantumBundle = &MixedError{"the bundle was packed for post-quantum recipients: a classic recipient would open it to quantum computers"}
)

// RecipientError says which recipient cannot be encrypted to.
type RecipientError struct {
	Recipient string // shortened; never a secret
	Err       error
}

func (e *RecipientError) Error() string {
	return fmt.Sprintf("encrypt to %s: %v", e.Recipient, e.Err)
}

func (e *RecipientError) Unwrap() error { return e.Err }

// FileError says what is wrong with a key file.
type FileError struct{ Name, Why string }

func (e *FileError) Error() string { return e.Name + " " + e.Why }

// NoMatchError is [ErrNoMatch] with what was found out about the keys tried.
type NoMatchError struct{ Tried []error }

func (e *NoMatchError) Error() string {
	if len(e.Tried) == 0 {
		return ErrNoMatch.Error()
	}
	var list []string
	for _, err := range e.Tried {
		list = append(list, strings.Join(strings.Fields(err.Error()), " "))
	}
	return ErrNoMatch.Error() + ": " + strings.Join(list, "; ")
}

// Is makes every NoMatchError an ErrNoMatch.
func (e *NoMatchError) Is(target error) bool { return target == ErrNoMatch }

func (e *NoMatchError) Unwrap() []error { return e.Tried }
