package copying

import (
	"errors"
	"fmt"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
)

// Damaged is a file of what is copied that is not as it was written.
type Damaged struct {
	Dir  string `json:"dir"` // that it was read from
	File string `json:"file"`
	What string `json:"what"`
	Lost bool   `json:"lost,omitempty"` // the copy does not have it
}

// DamageError says that a copy does not have all, because what it was copied from has not.
type DamageError struct {
	Dir    string // of the copy
	Sealed bool   // it is a bundle all the same: only parity files are missing
	Was    bool   // it was a whole copy before, and is not any more
	Err    *bundle.DamageError

	What    string // that is copied: the bundle, or one drive of it
	Command string // that copies it from another place, which it calls OTHER
}

func (e *DamageError) Error() string {
	switch {
	case e.Sealed:
		return fmt.Sprintf("%v; all else is copied into %s", e.Err, e.Dir)
	case e.Was:
		return fmt.Sprintf("%v; the copy in %s, which was whole before, lacks it too", e.Err, e.Dir)
	}
	return fmt.Sprintf("%v; what is whole is copied into %s, which is no bundle yet", e.Err, e.Dir)
}

func (e *DamageError) Unwrap() error { return e.Err }

// Hint says what to do now.
func (e *DamageError) Hint() string {
	if e.Sealed {
		return ""
	}
	return fmt.Sprintf("take %s from another place, OTHER; only what is missing is written: %s", e.What, e.Command)
}

// sayDamaged warns of what is wrong in the directories before they are copied: what comes right
// in the copy, and what does not belong there. What is lost is said when it is known that no
// earlier run has copied it from elsewhere.
func sayDamaged(from []*bundle.Original, to notice.To) (list []Damaged) {
	for _, o := range from {
		for _, f := range o.Faults {
			switch {
			case o.Lost(f.File):
				continue
			case o.Mends(f.File):
				to.Warn("%s: %s; the copy has it as it must be", o.Dir, f)
			default:
				to.Warn("%s: %s; it is not copied", o.Dir, f)
			}
			list = append(list, Damaged{Dir: o.Dir, File: f.File, What: f.What})
		}
	}
	return list
}

// lost notes what a copy does not have.
func (r *run) lost(j *job, err error) error {
	damage, ok := errors.AsType[*bundle.DamageError](err)
	if !ok {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range damage.Faults {
		r.Warn("%s: %s; the copy does not have it", damage.Dir, f)
		r.damaged = append(r.damaged, Damaged{Dir: damage.Dir, File: f.File, What: f.What, Lost: true})
	}
	has := damage.OnlyParity() // then it got its seals
	e := &DamageError{Dir: j.dir, Sealed: has, Was: !has && j.to.Sealed(), Err: damage, What: "the bundle", Command: "satchel copy OTHER " + j.dest}
	if j.from.Of > 1 {
		e.What = "drive " + j.from.Label
	}
	if r.Resume != nil {
		e.Command = r.Resume([]string{"OTHER"}, j.dest)
	}
	return e
}
