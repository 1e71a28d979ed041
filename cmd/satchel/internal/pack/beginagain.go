package pack

import (
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci/text"
)

// NoDriveError says that there is no drive which could be begun again.
type NoDriveError struct {
	Label string   // that was named
	Have  []string // of the unfinished bundle that is there; none for no such bundle
}

func (e *NoDriveError) Error() string {
	if len(e.Have) == 0 {
		return fmt.Sprintf("drive %s cannot be begun again: no unfinished bundle on several drives was found", e.Label)
	}
	return fmt.Sprintf("drive %s cannot be begun again: the unfinished bundle has drives %s", e.Label, text.And(e.Have))
}

// Hint says what to do now.
func (e *NoDriveError) Hint() string {
	return "name the directories of the run that was interrupted, and the label that it said"
}

// Permanent is true: it was typed.
func (e *NoDriveError) Permanent() bool { return true }

// beginNamed begins the drive again that is named as one which cannot come back. The same command may be run again after that.
func (p *packing) beginNamed() error {
	if p.opts.BeginAgain == "" {
		return nil
	}
	var drives []bundle.DriveState
	e := &NoDriveError{Label: p.opts.BeginAgain}
	if p.w != nil && len(p.w.Drives()) > 1 {
		drives = p.w.Drives()
	}
	for _, d := range drives {
		e.Have = append(e.Have, d.Label)
	}
	k := slices.IndexFunc(e.Have, func(label string) bool { return strings.EqualFold(label, p.opts.BeginAgain) })
	if k < 0 {
		return e
	}
	switch d := drives[k]; {
	case d.Finished:
		p.Warn("drive %s is finished, and is not begun again: it stays as it is. If it is lost, finish the bundle first; docs/drives.md says what brings its content then (A lost drive)", d.Label)
	case d.Dir != "": // by an earlier run of the same command, or the drive came back
		p.Info("drive %s is in %s, and goes on there: it is not begun again", d.Label, d.Dir)
	case !p.hasPlace(): // what an earlier run of the same command wrote on the new drive is kept
	default:
		_, err := p.beginAgain(d)
		return err
	}
	return nil
}

// hasPlace reports whether one of the directories that were named has no drive of the bundle, so that one can be begun there.
func (p *packing) hasPlace() bool {
	if p.slots == nil || p.slots.Staging {
		return true
	}
	return slices.ContainsFunc(p.slots.Dirs, func(dir string) bool {
		list, _, err := bundle.List(dir, "")
		return err != nil || !slices.ContainsFunc(list, func(f bundle.Found) bool { return f.Bundle == p.w.ID() })
	})
}

// beginAgain gives up a drive that was begun and cannot come back.
func (p *packing) beginAgain(d bundle.DriveState) (bundle.DriveState, error) {
	if err := p.w.BeginAgain(d.Number); err != nil {
		return d, err
	}
	p.Info("drive %s is begun again; drives that are finished stay as they are", d.Label)
	return p.w.Drives()[d.Number-1], nil
}
