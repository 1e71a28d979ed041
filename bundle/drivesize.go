package bundle

import (
	"path/filepath"
	"time"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
)

// MostOnDrive is the most bytes that each drive of the bundle was to get when it was begun; 0 where no size was named, or an
// earlier version began it.
func (w *Writer) MostOnDrive() int64 { return w.begin.DriveSize }

// BegunParity is the parity that the bundle was begun with, the zero value for none, and whether that goes across its drives.
func (w *Writer) BegunParity() (ratio ParityRatio, across bool) {
	return ratioOf(w.begin), w.begin.Across
}

// UseParity has the writer count with other parity than that of its job.
func (w *Writer) UseParity(ratio ParityRatio) { w.parity = ratio }

func ratioOf(b journal.Begin) ParityRatio {
	return ParityRatio{Parity: b.Parity.Parity, Data: b.Parity.Data}
}

// WasSlot reports whether drives of an unfinished bundle of the job's configuration were begun in dir as the root of a drive: what is
// there when none is mounted is no staging disk.
func WasSlot(dir, state string, job Job) (bool, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return false, err
	}
	for _, st := range journals(state) {
		if b := st.Begin; st.Sealed != nil || st.GivenUp || b.Staging || b.Count() < 2 || !job.continues(b) {
			continue
		}
		for _, at := range st.Sessions {
			if at.Dir == filepath.Join(abs, dirPrefix+st.Begin.Bundle) {
				return true, nil
			}
		}
	}
	return false, nil
}

// DriveSizeIn finds the newest bundle on several drives of the job's configuration that was begun in one of the directories with a
// size of drives, so that a run which names none takes that: the fields of [Job], 0 for no such bundle. A finished one counts on
// a staging disk alone: anywhere else the next bundle may be one without a size.
func DriveSizeIn(dirs []string, state string, job Job) (size int64, staging bool, err error) {
	var newest time.Time
	for _, st := range journals(state) {
		b := st.Begin
		if b.DriveSize == 0 || b.Count() < 2 || st.GivenUp || !job.continues(b) || b.Created.Before(newest) {
			continue
		}
		in, err := wasIn(st, dirs)
		if err != nil {
			return 0, false, err
		}
		if in {
			size, staging, newest = b.DriveSize, b.Staging, b.Created
		}
	}
	return size, staging, nil
}

// wasIn reports whether a drive of the bundle was begun in one of the directories; of a finished one, whether it is there.
func wasIn(st *journal.State, dirs []string) (bool, error) {
	for _, dir := range dirs {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return false, err
		}
		for _, at := range st.Sessions {
			if isIn(at.Dir, abs) && (st.Sealed == nil || st.Begin.Staging && isThere(at.Dir, st.Begin.Bundle)) {
				return true, nil
			}
		}
	}
	return false, nil
}
