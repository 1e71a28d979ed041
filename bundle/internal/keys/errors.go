package keys

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

const (
	noMatchHint    = "the key must belong to one of the recipients that the bundle was packed for"
	noTerminalHint = "run it on a terminal, or give passphrases in a file"
)

// ErrNoMatch says that none of the identities opens a key file.
var ErrNoMatch error = &keyError{"none of the given keys opens this bundle", noMatchHint}

// ErrNoTerminal says that a person must be asked and there is no terminal.
var ErrNoTerminal error = &keyError{"there is no terminal to ask on", noTerminalHint}

// ErrNoKey says that no key was given where one is needed.
var ErrNoKey error = &keyError{"a key is needed to open the bundle", "give a key file or a passphrase of one of its recipients"}

// keyError is an error that is always the same, with what to do about it.
type keyError struct{ text, hint string }

func (e *keyError) Error() string   { return e.text }
func (e *keyError) Hint() string    { return e.hint }
func (e *keyError) Permanent() bool { return true }

const pluginHint = "a plugin is a program, age-plugin-NAME; install it where $PATH finds it"

// MixedError says why recipients may not stand together.
type MixedError struct{ Why string }

func (e *MixedError) Error() string { return e.Why }

// Hint says what to do now.
func (e *MixedError) Hint() string { return "use recipients of one kind, or pack two bundles" }

// Permanent is true: the recipients stay what they are.
func (e *MixedError) Permanent() bool { return true }

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

// Hint says what to do now, "" if the error says it all.
func (e *RecipientError) Hint() string {
	switch {
	case errors.Is(e.Err, exec.ErrNotFound):
		return pluginHint
	case errors.Is(e.Err, ErrNoTerminal):
		return noTerminalHint
	}
	return ""
}

// Permanent is false: a plugin may be installed, or its device plugged in.
func (e *RecipientError) Permanent() bool { return false }

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

// Hint says what to do now.
func (e *NoMatchError) Hint() string {
	tried := errors.Join(e.Tried...)
	switch {
	case errors.Is(tried, exec.ErrNotFound):
		return pluginHint
	case errors.Is(tried, ErrNoTerminal):
		return noTerminalHint
	}
	return noMatchHint
}

// Permanent is true where nothing but wrong keys was found.
func (e *NoMatchError) Permanent() bool { return len(e.Tried) == 0 }
