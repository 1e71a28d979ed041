package receipt

import (
	"errors"
	"fmt"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
)

var (
	errSize  = fmt.Errorf("it is larger than %d MiB", MaxSize>>20)
	errShort = errors.New("a column ends too early, or has a number that is too large")
	errOther = errors.New("written again, it is not the same")
)

// FormatError says that a file is no receipt as satchel writes it.
type FormatError struct{ Err error }

func (e *FormatError) Error() string {
	return "it is not a receipt as satchel writes it: " + e.Err.Error()
}

func (e *FormatError) Unwrap() error { return e.Err }

// Permanent reports that trying again gives the same answer.
func (e *FormatError) Permanent() bool { return true }

// Hint says what to do now.
func (e *FormatError) Hint() string {
	return "take the receipt from the mirror again; it must not be changed or formatted in another way"
}

// OtherError says that a receipt does not count, as it is of another mirror than the one that keeps it.
type OtherError struct {
	Name string
	Of   oci.Mirror
}

func (e *OtherError) Error() string {
	return fmt.Sprintf("read receipt %s: it is of another mirror, %s", e.Name, e.Of)
}

// HostError says that a receipt, or a copy of one, on this host does not count.
type HostError struct{ Err error }

func (e *HostError) Error() string { return e.Err.Error() }
func (e *HostError) Unwrap() error { return e.Err }

// checkVersion tells a newer receipt from what is none.
func checkVersion(said string) error {
	if said == version {
		return nil
	}
	if n, ok := strings.CutPrefix(said, "receipt/"); ok && len(n) < 10 && strings.Trim(n, "0123456789") == "" && n != "" && n[0] != '0' {
		return &oci.VersionError{File: "the receipt", Has: said, Reads: version}
	}
	return &FormatError{fmt.Errorf("its version is %.40q", said)}
}
