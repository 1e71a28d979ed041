package bundle

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// RefusedDamageError says that nothing was added to a bundle, because it was damaged before.
type RefusedDamageError struct{ Err error }

func (e *RefusedDamageError) Error() string { return fmt.Sprintf("nothing was added: %v", e.Err) }

func (e *RefusedDamageError) Unwrap() error { return e.Err }

// checkBefore looks for faults of small files, names and sizes before anything is added to the drives.
// What an interrupted rekey, signing or adding of parity has left is none. The error is a
// *[RefusedDamageError], but for damage of parity, on which nothing that is added depends, and of files that
// will be written anew or deleted.
func (s *seals) checkBefore(ctx context.Context, anew func(d *driveDir, name string) bool) (err error) {
	for _, d := range s.drives() {
		if err := d.checkUnchanged(ctx); err != nil {
			return err
		}
	}
	for _, d := range s.drives() {
		faults := d.faults
		d.faults = slices.DeleteFunc(slices.Clone(faults), func(f Fault) bool { return anew(d, f.File) })
		err = also(err, d.usable())
		d.faults = faults
	}
	if err != nil {
		return &RefusedDamageError{err}
	}
	return nil
}

// nothing is written anew.
func nothing(*driveDir, string) bool { return false }

// left is the damage that stays as it was when the steps are done, nil for none.
func (s *seals) left(steps []driveStep) (err error) {
	for _, d := range s.drives() {
		d.faults = slices.DeleteFunc(d.faults, func(f Fault) bool {
			return slices.ContainsFunc(steps, func(st driveStep) bool { return st.on == d && st.name == f.File })
		})
		if len(d.faults) > 0 {
			err = also(err, damageOf(d.dir.Path(), d.faults))
		}
	}
	return err
}

// checkUnchanged notes what is wrong with the small files of a drive.
func (s *driveDir) checkUnchanged(ctx context.Context) error {
	if s.usable() != nil {
		return nil // the listing has shown it
	}
	defer func(pending []string) { s.pending = pending }(slices.Clone(s.pending))
	v := verification{driveDir: s}
	v.checkSmall(ctx)
	return errors.Join(ctx.Err(), v.away)
}

// checkAdded looks at the small files, names and sizes of the drives again after something was added to
// s. What was wrong before is not said again.
func (s *seals) checkAdded(ctx context.Context, dirs []string) error {
	return unlessAdding(checkSizes(ctx, dirs, Wanted{Expect: s.finger}, func(d *driveDir) []Fault {
		for _, was := range s.drives() {
			if was.drive.Drive == d.drive.Drive {
				return was.faults
			}
		}
		return nil
	}))
}
