package copying

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci/text"
)

// NextDrive says which drive is wanted in the one place for all.
type NextDrive struct {
	Dir      string // where it is to be mounted
	Label    string // to be written on it
	Finished string // the label of the drive that may leave for it; "" for none
	Why      error  // what is wrong with the drive that is there; nil the first time
}

// NextDriveError says that another drive is wanted, and nobody is there to be asked for it.
type NextDriveError struct {
	NextDrive
	Left []string // drive directories that are not copied yet

	Command string // that copies them
}

func (e *NextDriveError) Error() string {
	if e.Why != nil {
		return fmt.Sprintf("drive %s is wanted in %s: %v", e.Label, e.Dir, e.Why)
	}
	return fmt.Sprintf("drive %s is wanted in %s; %s to be copied", e.Label, e.Dir, text.Count(len(e.Left), "drive is still", "drives are still"))
}

func (e *NextDriveError) Unwrap() error { return e.Why }

// Hint says what to do now.
func (e *NextDriveError) Hint() string {
	s := ""
	if e.Finished != "" {
		s = fmt.Sprintf("unmount drive %s and remove it, ", e.Finished)
	}
	return s + fmt.Sprintf("write %s on the next one, mount it at %s, and copy what is left: %s", e.Label, e.Dir, cmp.Or(e.Command, "the same again, of "+text.And(e.Left)))
}

// Permanent is false: the drive may be mounted.
func (e *NextDriveError) Permanent() bool { return false }

// isSlot reports whether there is one place, the root of a mount, for several drives.
func (r *run) isSlot() bool {
	root, err := bundle.IsRoot(r.Into[0])
	return len(r.Into) == 1 && len(r.sources) > 1 && err == nil && root
}

// copySlot copies one drive directory after another, each to a drive of its own.
func (r *run) copySlot(ctx context.Context) error {
	dest, left, finished := r.Into[0], slices.Clone(r.sources), ""
	var damaged error
	for len(left) > 0 {
		next := left[0]
		if i := slices.IndexFunc(left, func(o *bundle.Original) bool { return o.Begun(dest) }); i >= 0 {
			next = left[i]
		}
		j, err := r.insert(ctx, next, left, finished)
		if err != nil {
			return errors.Join(damaged, err)
		}
		r.jobs = append(r.jobs, j)
		r.sayPlace(j)
		if err := r.copyAll(ctx, []*job{j}); err != nil {
			if _, ok := errors.AsType[*DamageError](err); !ok {
				return errors.Join(damaged, err)
			}
			damaged = errors.Join(damaged, err) // the others may be whole
		}
		finished = next.Label
		left = slices.DeleteFunc(left, func(o *bundle.Original) bool { return o == next })
	}
	return damaged
}

// insert gets a drive for a drive directory, and asks for it until it is there.
func (r *run) insert(ctx context.Context, next *bundle.Original, left []*bundle.Original, finished string) (*job, error) {
	want := NextDrive{Dir: r.Into[0], Label: next.Label, Finished: finished}
	for asked := finished == ""; ; asked = true {
		if asked {
			j, err := r.fit(ctx, next)
			if err == nil || !isWrong(err) || ctx.Err() != nil {
				return j, err
			}
			want.Why = err
		}
		if r.NextDrive == nil {
			return nil, r.wanted(want, left)
		}
		if err := r.NextDrive(ctx, want); err != nil {
			return nil, errors.Join(err, r.wanted(want, left))
		}
	}
}

// wanted says which drive is wanted, and how to go on with it.
func (r *run) wanted(want NextDrive, left []*bundle.Original) error {
	e := &NextDriveError{NextDrive: want}
	for _, o := range left {
		e.Left = append(e.Left, o.Dir)
	}
	if r.Resume != nil {
		e.Command = r.Resume(e.Left, e.Dir)
	}
	return e
}

// fit looks whether a drive directory can go to the drive that is in the place for all.
func (r *run) fit(ctx context.Context, next *bundle.Original) (*job, error) {
	j := &job{from: next, dest: r.Into[0]}
	root, err := bundle.IsRoot(j.dest)
	if err == nil && !root {
		err = &bundle.RefusedError{Dir: j.dest, Reason: "no drive is mounted there"}
	}
	if err == nil {
		err = r.place(ctx, j, map[string]bool{})
	}
	if err == nil {
		if err = r.checkRoom([]*job{j}); err != nil {
			err = errors.Join(err, j.to.Close())
		}
	}
	return j, err
}

// isWrong reports whether an error says that another drive must be put in.
func isWrong(err error) bool {
	refused, ok := errors.AsType[*bundle.RefusedError](err)
	_, space := errors.AsType[*bundle.SpaceError](err)
	_, mount := errors.AsType[*bundle.MountError](err)
	_, drive := errors.AsType[*bundle.DriveError](err)
	return ok && !refused.Busy || space || mount || drive
}
