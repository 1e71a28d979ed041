package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/keys"
)

// advising is what every error type of the package says of itself.
type advising interface {
	error
	Hint() string
	Permanent() bool
}

// TestHints wants what to do now of every error, without a flag or a command's
// name: a library does not know them.
func TestHints(t *testing.T) {
	t.Parallel()
	damage := &DamageError{Faults: []Fault{{"s-00-00001.age", "is missing"}}}
	for _, c := range []struct {
		err       error
		hint      string
		permanent bool
	}{
		{ErrNoKey, "key file", true},
		{ErrWrongKey, "recipients", true},
		{ErrNoTerminal, "terminal", true},
		{&keys.NoMatchError{}, "recipients", true},
		{&keys.NoMatchError{Tried: []error{fmt.Errorf("x: %w", exec.ErrNotFound)}}, "age-plugin-NAME", false},
		{&keys.NoMatchError{Tried: []error{ErrNoTerminal}}, "terminal", false},
		{&RecipientError{Err: exec.ErrNotFound}, "age-plugin-NAME", false},
		{&MixedError{}, "one kind", true},
		{&DriveError{Err: syscall.ENOSPC}, "make room", false},
		{&DriveError{Err: syscall.EROFS}, "read-only", false},
		{&DriveError{Err: fs.ErrPermission}, "right to write", false},
		{&DriveError{Err: syscall.EIO}, "plugged in", false},
		{&MissingError{}, "mount the drive", false},
		{&UnfinishedError{}, "resumes", true},
		{damage, "parity", true},
		{&RekeyError{}, "again", true},
		{&FingerprintError{}, "compare", true},
		{&SpaceError{}, "room", false},
		{&TooLargeError{}, "larger drives", true},
		{&RefusedError{Busy: true, hint: waitForIt}, "wait", false},
		{noJournal(location{id: "x"}), "start again", true},
	} {
		var e advising
		if !errors.As(c.err, &e) {
			t.Errorf("%T has no advice", c.err)
			continue
		}
		if hint := e.Hint(); !strings.Contains(hint, c.hint) || strings.Contains(hint, "--") || strings.Contains(hint, "satchel ") {
			t.Errorf("%T: hint %q", c.err, hint)
		}
		if got := e.Permanent(); got != c.permanent {
			t.Errorf("%T: permanent is %v", c.err, got)
		}
	}
}
