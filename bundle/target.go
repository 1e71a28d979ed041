package bundle

import (
	"errors"
	"fmt"

	"github.com/satchel-airgap/satchel/bundle/internal/frame"
	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/media"
)

// target is a drive that a [Writer] writes to.
type target struct {
	number int
	label  string     // "" in a bundle of one drive
	dir    *media.Dir // nil as long as the drive is not there
	at     string     // where it is, or was
	free   chan *lane // lanes that any blob of the drive may take
	lanes  []*lane    // the closing lane is the last one's last
	done   *journal.DriveDone
	files  *sealedFiles // what it was sealed with, until it is released
}

// last is the drive with the closing lane and the seal.
func (w *Writer) last() *target { return w.drives[len(w.drives)-1] }

// path is the drive's directory, "" before it was there.
func (t *target) path() string { return t.at }

// named says which drive of several an error is of.
func (t *target) named(err error) error {
	if t.label == "" || err == nil {
		return err
	}
	return fmt.Errorf("drive %s: %w", t.label, err)
}

// open makes a drive's directory known to the writer.
func (w *Writer) open(t *target, dir string) (err error) {
	if err := t.close(false); err != nil { // what an earlier try has left
		return t.named(err)
	}
	if t.dir, err = media.OpenDir(dir); err != nil {
		return t.named(err)
	}
	t.free = make(chan *lane, w.begin.Lanes)
	t.at = t.dir.Path()
	first, n := (t.number-1)*w.begin.Lanes, w.begin.Lanes
	if t == w.last() {
		n++
	}
	for number := first; number < first+n; number++ {
		fast, err := frame.NewFast()
		if err != nil {
			return err
		}
		t.lanes = append(t.lanes, &lane{w: w, on: t, number: number, next: max(1, w.next[number]), fast: fast})
	}
	return nil
}

// commit makes durable what the lanes for blobs have open.
func (t *target) commit() error {
	for _, l := range t.lanes {
		if l.number == l.w.begin.Closing() {
			continue
		}
		if err := l.commit(nil); err != nil {
			return err
		}
	}
	return nil
}

// ensure writes a file unless it has those very bytes.
func (t *target) ensure(name string, body []byte) error {
	if have, err := t.dir.ReadFile(name, int64(len(body))); err == nil && string(have) == string(body) {
		return nil
	}
	return t.named(t.dir.WriteFile(name, body))
}

// close ends the lanes, and makes durable what they have open if keep says so.
func (t *target) close(keep bool) error {
	if t.dir == nil {
		return nil
	}
	var errs []error
	for _, l := range t.lanes {
		errs = append(errs, l.close(keep), l.fast.Close())
	}
	errs = append(errs, t.dir.Close())
	t.dir, t.lanes = nil, nil
	return errors.Join(errs...)
}
