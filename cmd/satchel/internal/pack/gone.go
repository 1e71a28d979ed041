package pack

import (
	"errors"
	"fmt"
	"os"

	"github.com/satchel-airgap/satchel/bundle"
)

// GoneError says that a drive of the bundle is not where it was, and the bundle cannot go on without it.
type GoneError struct {
	Label    string
	Dir      string // where it was
	Staging  bool   // its directory was on a staging disk
	Finished bool   // nothing is written to it but parity that goes across all drives
	Sealed   bool   // so is the bundle: only that parity is lacking
	Other    string // the label of the drive that is there in its place; "" for none
}

func (e *GoneError) Error() string {
	what := "drive " + e.Label
	switch {
	case e.Other != "":
		return fmt.Sprintf("%s is the directory of %s, and has drive %s", e.Dir, what, e.Other)
	case e.Finished:
		return fmt.Sprintf("%s is finished, and is not in %s any more: parity goes across all drives, at the end", what, e.Dir)
	}
	return fmt.Sprintf("%s was begun in %s, and is not there any more", what, e.Dir)
}

// Hint says what to do now.
func (e *GoneError) Hint() string {
	back := fmt.Sprintf("mount drive %s again and run the same command again", e.Label)
	if e.Staging {
		back = fmt.Sprintf("move the directory of drive %s back to %s and run the same command again", e.Label, e.Dir)
	}
	switch {
	case e.Other != "":
		return "give each directory the name that it had, with the number at the end of its drive's label, and run the same command again; it resumes there"
	case e.Sealed:
		return back + ". If it is lost, the others get no parity: leave out --parity; what was on it comes with a supplement (satchel repair --from-source)"
	case e.Finished:
		return back + ". If it is lost, start again, or finish the bundle without parity: leave out --parity"
	}
	return back + "; it resumes there. If it is lost, begin that drive again: finished ones stay as they are; or start again"
}

// Permanent is false: it may come back.
func (e *GoneError) Permanent() bool { return false }

// pulled names the drive to which parity could not be added; that its directory is gone says what to do.
func pulled(label, dir string, err error) error {
	if errors.As(err, new(*bundle.NoBundleError)) {
		return &GoneError{Label: label, Dir: dir}
	}
	return fmt.Errorf("drive %s: %w", label, err)
}

// notStaged says what is wrong where a drive cannot be written in its directory on a staging disk.
func (p *packing) notStaged(d bundle.DriveState, dir string, why error) error {
	if wrong, ok := errors.AsType[*bundle.WrongDriveError](why); ok {
		_ = os.Remove(dir) // as long as it is empty: what is moved back there would land in it
		return &GoneError{Label: d.Label, Dir: dir, Staging: true, Other: wrong.Have}
	}
	if space, ok := errors.AsType[*bundle.SpaceError](why); ok {
		space.Begun = true // the bundle was, and the hint is about that
	}
	return why
}

// checkAllHere makes sure that no finished drive is away where parity goes across all of them at the end.
func (p *packing) checkAllHere(here map[int]string) error {
	for _, d := range p.w.Drives() {
		if p.w.Across() && d.Finished && here[d.Number] == "" {
			return &GoneError{Label: d.Label, Dir: d.Was, Staging: p.slots.Staging, Finished: true}
		}
	}
	return nil
}
