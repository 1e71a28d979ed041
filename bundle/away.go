package bundle

import (
	"fmt"
	"strings"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci/text"
)

// DriveLabel says which drive of a bundle of several is meant.
type DriveLabel struct {
	Bundle string // its ID
	Number int    // from 1
	Of     int    // how many the bundle has
}

// Label is what a person writes on the drive, such as K3V6Q2MZ-2.
// A bundle of one drive has no label: its ID stands for it.
func (d DriveLabel) Label() string {
	if d.Of == 1 {
		return "bundle " + d.Bundle
	}
	return seal.Label(d.Bundle, d.Number)
}

// String is number and label: drive 2 of 3 (K3V6Q2MZ-2).
func (d DriveLabel) String() string {
	if d.Of == 1 {
		return "the drive"
	}
	return fmt.Sprintf("drive %d of %d (%s)", d.Number, d.Of, d.Label())
}

// AwayError says that drives of a bundle are not here. Nothing is known to be wrong with them.
type AwayError struct {
	Drives []DriveLabel // at least one
	Why    string       // what they are needed for; may be empty
	Across bool         // parity goes across the drives: from enough others, one that is lost can be made anew

	hint string
}

// NotAmong gives the drives of the bundle that are not in the list.
func NotAmong(list []*Original) (away []DriveLabel) {
	here := map[int]bool{}
	for _, o := range list {
		here[o.Drive] = true
	}
	return notHere(list[0].Bundle, list[0].Of, here)
}

func notHere(id string, of int, here map[int]bool) (away []DriveLabel) {
	for n := 1; n <= of; n++ {
		if !here[n] {
			away = append(away, DriveLabel{id, n, of})
		}
	}
	return away
}

// Labels gives what is written on drives.
func Labels(drives []DriveLabel) (labels []string) {
	for _, d := range drives {
		labels = append(labels, d.Label())
	}
	return labels
}

// WithDrives says what to do where drives that are not here may help: parity goes across them.
func WithDrives(away []DriveLabel) string {
	what, labels := "the drive that is labelled ", Labels(away)
	if len(labels) > 1 {
		what = "the drives that are labelled "
	}
	return "parity goes across the drives: name " + what + text.And(labels) + " too"
}

func (e *AwayError) Error() string {
	var names []string
	for _, d := range e.Drives {
		names = append(names, d.String())
	}
	is := "is"
	if len(names) > 1 {
		is = "are"
	}
	msg := fmt.Sprintf("%s of bundle %s %s not here", text.And(names), e.Drives[0].Bundle, is)
	if e.Why != "" {
		msg += ": " + e.Why
	}
	return msg
}

// Hint says what to do now.
func (e *AwayError) Hint() string {
	if e.hint != "" {
		return e.hint
	}
	labels := Labels(e.Drives)
	if len(labels) == 1 {
		return "insert the drive that is labelled " + labels[0] + ", and name its directory too"
	}
	return "insert the drives that are labelled " + strings.Join(labels, ", ") + ", and name their directories too"
}

// Permanent is false: the drives may be inserted.
func (e *AwayError) Permanent() bool { return false }
