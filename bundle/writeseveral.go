package bundle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/oci"
)

// DriveState is how far a drive of a bundle is.
type DriveState struct {
	Number   int
	Label    string // what a person writes on the drive; "" in a bundle of one drive
	Dir      string // where it is; "" for one that is not there
	Was      string // where it was when it was last written to; "" for a new one
	Need     int64  // bytes of free space that it takes from its beginning; 0 in a bundle of one drive
	Written  int64  // bytes of its segments
	Begun    bool   // something of the bundle was written to it
	Finished bool   // it may be away: nothing is written to it any more
	Parity   bool   // it was finished with parity of its own
}

// Drives lists the drives of the bundle, the last one last.
func (w *Writer) Drives() (list []DriveState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, t := range w.drives {
		d := DriveState{Number: t.number, Label: t.label, Written: w.written(t), Finished: t.done != nil}
		if t.dir != nil {
			d.Dir = t.path()
		}
		d.Parity = t.done != nil && t.done.Parity
		d.Begun, d.Was = len(w.of(t)) > 0, w.sessions[t.number].Dir
		if len(w.begin.Drives) > 0 {
			d.Need = w.begin.Drives[i].Need
		}
		list = append(list, d)
	}
	return list
}

// Lanes is how many lanes each drive has for blobs.
func (w *Writer) Lanes() int { return w.begin.Lanes }

// DriveOf is the number of the drive that a blob goes on.
func (w *Writer) DriveOf(d oci.Descriptor) int { return max(1, w.on[d.Digest]) }

// WrongDriveError says that a drive of the bundle is not the one that is wanted. Nothing was
// written to it.
type WrongDriveError struct {
	Dir      string // where it was looked for
	Want     string // the label of the drive that is wanted
	Have     string // the label of the one that is there; "" if it is none of the bundle
	Finished bool   // that one is finished
	LeftOver string // the directory of that one, if it was begun before it was finished on another drive
}

func (e *WrongDriveError) Error() string {
	switch {
	case e.Have == "":
		return fmt.Sprintf("drive %s was begun, and is not in %s", e.Want, e.Dir)
	case e.LeftOver != "":
		return fmt.Sprintf("drive %s is wanted, and %s has a left-over of drive %s, which was finished on another drive: %s can be deleted", e.Want, e.Dir, e.Have, e.LeftOver)
	case e.Finished:
		return fmt.Sprintf("drive %s is wanted, and %s has drive %s, which is finished", e.Want, e.Dir, e.Have)
	}
	return fmt.Sprintf("drive %s is wanted, and %s has drive %s", e.Want, e.Dir, e.Have)
}

// Hint says what to do now.
func (e *WrongDriveError) Hint() string {
	return fmt.Sprintf("mount drive %s there and run the same command again; it resumes where it stopped", e.Want)
}

// Permanent is false: the drive may be mounted.
func (e *WrongDriveError) Permanent() bool { return false }

// CreateOn starts a bundle that is spread over the drives of job.Spread, each in one of the
// places, in their order; where there are fewer places than drives, the others are not begun
// yet: see [Writer.Attach]. For a spread of one drive it is [Create].
func CreateOn(places []string, state string, job Job, inv *oci.Inventory) (w *Writer, err error) {
	if len(job.Spread.plan()) == 0 {
		return Create(places[0], state, job, inv)
	}
	if err := errors.Join(job.Check(), inv.Validate()); err != nil {
		return nil, err
	}
	if job.key == nil {
		if err := job.MakeKey(); err != nil {
			return nil, err
		}
	}
	id, err := newID()
	if err != nil {
		return nil, err
	}
	begin := job.begin(id, inv)
	begin.Lanes, begin.Drives, begin.Across = job.Spread.Lanes, job.Spread.plan(), job.Spread.Across
	jnl, err := journal.Create(journalPath(state, id), begin)
	if err != nil {
		return nil, err
	}
	st := journal.NewState()
	st.Begin = begin
	if w, err = newWriter(jnl, st, job); err != nil {
		return nil, err
	}
	w.state = state
	for i, t := range w.drives[:min(len(places), len(w.drives))] {
		if err = w.Attach(context.Background(), t.number, places[i], nil); err != nil {
			break
		}
	}
	if err == nil {
		return w, nil
	}
	var dirs []string
	for _, t := range w.drives {
		if t.dir != nil {
			dirs = append(dirs, t.path())
		}
	}
	err = errors.Join(err, w.Close())
	for _, dir := range dirs { // nothing has been put
		if p, lerr := look(dir); lerr == nil && p != nil && p.id == id {
			err = errors.Join(err, p.remove())
		}
	}
	return nil, errors.Join(err, os.RemoveAll(filepath.Dir(journalPath(state, id))))
}

// Attach says in which place a drive is now: a directory that takes a bundle, or, in the root
// of a mount, one in which the drive has a directory of its own. A drive that was begun is
// resumed there; rehash may be nil. Errors: *[WrongDriveError], *[RefusedError], *[DriveError].
func (w *Writer) Attach(ctx context.Context, number int, place string, rehash Rehash) error {
	t := w.drives[number-1]
	unlock, err := lockAlone(place)
	if err != nil {
		return t.named(err)
	}
	defer func() { _ = unlock() }() // the drive has begun or not
	dir, begun, complete, err := w.standing(t, place)
	if err != nil {
		return err
	}
	if !begun {
		if dir, err = w.newDir(t, place); err != nil {
			return err
		}
	}
	at := w.sessions[number]
	if complete {
		at.Mount = "" // it was not read back, or not as it was written: each segment is hashed
	}
	if err := w.open(t, dir); err != nil {
		return err
	}
	if err := w.jnl.Append(self(w.command, dir)); err != nil {
		return err
	}
	if begun {
		err = w.restore(ctx, t, at, rehash)
	} else {
		err = w.start(t)
	}
	if err != nil {
		w.letGo(t)
	}
	return err
}

// IsIn reports whether a drive of the bundle is in a place. The error is a *[WrongDriveError] if another one of the bundle is
// there, or none and the drive was begun.
func (w *Writer) IsIn(number int, place string) (bool, error) {
	_, begun, _, err := w.standing(w.drives[number-1], place)
	return begun, err
}

// BeginAgain gives up what was written to a drive that is not here and cannot come back: it begins again on a new one.
// Finished drives stay as they are. It is to be called before anything is put. The error is a *[RefusedError] for a drive
// that is here or finished.
func (w *Writer) BeginAgain(number int) error {
	t := w.drives[number-1]
	switch {
	case t.done != nil:
		return &RefusedError{Dir: "drive " + t.label, Reason: "it is finished, and stays as it is", hint: "if it is lost, finish the bundle first: then docs/drives.md, A lost drive, says what brings its content"}
	case t.dir != nil:
		return &RefusedError{Dir: "drive " + t.label, Reason: "it is here, in " + t.path(), hint: "take it out of there if it is to be begun again on another drive"}
	}
	for lane := range w.segments {
		if w.begin.DriveOf(lane) != number {
			continue
		}
		if _, err := w.dropWhere(lane, func(journal.Segment) bool { return true }); err != nil {
			return err
		}
	}
	return nil
}

// letGo takes a drive back that could not be attached.
func (w *Writer) letGo(t *target) {
	w.mu.Lock()
	for d, l := range w.held {
		if l.on == t {
			delete(w.held, d)
		}
	}
	w.mu.Unlock()
	if t == w.last() {
		w.closing = make(chan *lane, 1)
	}
	_ = t.close(false) // nothing is open in it
}

// standing finds a drive of the bundle in a place.
func (w *Writer) standing(t *target, place string) (dir string, begun, complete bool, err error) {
	found, err := find(place)
	if err != nil {
		return "", false, false, t.named(err)
	}
	wrong := &WrongDriveError{Dir: place, Want: t.label}
	for _, p := range found {
		switch {
		case p.id != w.begin.Bundle:
		case p.drive == t.number:
			return p.dir, true, p.complete, nil
		case p.drive > 0 && p.drive <= len(w.drives):
			other := w.drives[p.drive-1]
			if wrong.Have, wrong.Finished = other.label, other.done != nil; wrong.Finished && !p.complete {
				wrong.LeftOver = p.dir
			}
		}
	}
	if wrong.Have != "" {
		return "", false, false, wrong
	}
	abs, err := filepath.Abs(place)
	if err != nil {
		return "", false, false, &media.Error{Op: "look into", Path: place, Err: err}
	}
	there := w.sessions[t.number].Dir
	for _, s := range w.of(t) { // drive.json may be lost, and the journal knows what it said
		if info, err := os.Lstat(filepath.Join(there, segmentName(s, w.begin.Plain))); err == nil && isIn(there, abs) && info.Size() == s.Size {
			return there, true, false, nil
		}
	}
	if len(w.of(t)) > 0 {
		return "", false, false, wrong
	}
	return "", false, false, nil
}

// newDir makes sure that a drive can begin in a place, and gives its directory.
func (w *Writer) newDir(t *target, place string) (string, error) {
	root, err := media.IsMountRoot(place)
	if err != nil {
		return "", t.named(err)
	}
	if !root {
		name, err := firstOther(place)
		if err == nil && name != "" {
			err = otherFiles(place, name, "")
		}
		return place, t.named(err)
	}
	dir := filepath.Join(place, dirPrefix+w.begin.Bundle)
	if err := media.MakeDir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", t.named(err)
	}
	return dir, nil
}
