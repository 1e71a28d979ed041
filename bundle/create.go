package bundle

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle/internal/frame"
	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
)

func journalPath(state, id string) string { return filepath.Join(state, "bundles", id, "journal") }

// Create starts a bundle of inv in dir; in the root of a mount it gets a
// directory satchel-<id> of its own. The journal is stored below state. dir must
// be one that [Resume] found no bundle in.
func Create(dir, state string, job Job, inv *oci.Inventory) (*Writer, error) {
	if err := errors.Join(job.Check(), inv.Validate()); err != nil {
		return nil, err
	}
	root, err := media.IsMountRoot(dir)
	if err != nil {
		return nil, err
	}
	if job.key == nil {
		if err := job.MakeKey(); err != nil {
			return nil, err
		}
	}
	unlock, err := lockAlone(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unlock() }() // the bundle has begun or not
	if err := checkBeside(dir, state, root, job); err != nil {
		return nil, err
	}
	id, err := newID()
	if err != nil {
		return nil, err
	}
	if root {
		sweepEmpty(dir, state)
		dir = filepath.Join(dir, dirPrefix+id)
	}
	begin := job.begin(id, inv)
	jnl, err := journal.Create(journalPath(state, id), begin)
	if err != nil {
		return nil, err
	}
	if root { // after its journal, which keeps others from sweeping it away while it is empty
		if err := media.MakeDir(dir); err != nil {
			return nil, errors.Join(err, jnl.Close(), forget(dir, state, id, root))
		}
	}
	st := journal.NewState()
	st.Begin = begin
	w, err := newWriter(jnl, st, job)
	if err != nil {
		return nil, err
	}
	err = w.open(w.drives[0], dir)
	if err == nil {
		err = jnl.Append(self(job.Command, w.Dir()))
	}
	if err == nil {
		err = w.start(w.drives[0])
	}
	if err != nil {
		return nil, errors.Join(err, w.Close(), forget(dir, state, id, root))
	}
	return w, nil
}

// begin is the first record of a bundle of the job.
func (j Job) begin(id string, inv *oci.Inventory) journal.Begin {
	return journal.Begin{
		Bundle: id, Created: time.Now().UTC().Truncate(time.Second), Config: j.Config, Recipients: j.recipients(),
		SegmentSize: j.SegmentSize, Lanes: j.Lanes, Stream: j.Stream, Partial: j.Partial, Baseline: j.Baseline, Plain: j.Plain, Key: j.key.recipient,
		KeyFiles: j.key.files, Inventory: *inv, Gaps: j.Gaps, File: j.file(), Supplements: j.Supplement.begin(),
		DriveSize: j.DriveSize, Staging: j.Staging, Parity: journal.Ratio{Parity: j.Parity.Parity, Data: j.Parity.Data},
	}
}

// forget removes what a bundle left that ended before its first file: its journal, and
// the directory that was made for it. What stays is taken for what it is by the next run.
func forget(dir, state, id string, made bool) error {
	if p, err := look(dir); err == nil && p != nil && p.id == id {
		return nil // it did begin
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil // nobody knows
	}
	if made {
		_ = os.Remove(filepath.Join(dir, seal.DriveName+media.TempSuffix))
		_ = os.Remove(dir) // stays if something is in it
	}
	return os.RemoveAll(filepath.Dir(journalPath(state, id)))
}

// lockPatience is how long another run may take to begin a bundle, on a slow drive.
const lockPatience = 10 * time.Second

// lockAlone locks a directory into which another run may be starting a bundle too: one of
// the two then finds the other's.
func lockAlone(dir string) (func() error, error) {
	d, err := media.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	var unlock func() error
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if unlock, err = d.Lock(); !errors.Is(err, media.ErrLocked) || time.Since(began) > lockPatience {
			break
		}
	}
	if errors.Is(err, media.ErrLocked) {
		err = begunMeanwhile(dir, "")
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return func() error { return errors.Join(unlock(), d.Close()) }, nil
}

// begunMeanwhile names the run that was quicker, if its journal is at path.
func begunMeanwhile(dir, path string) error {
	return &RefusedError{Dir: dir, Reason: "another bundle was started in it meanwhile" + process(path), hint: "name another directory, or run the command again to see what it is"}
}

func newID() (string, error) {
	var b [10]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("make a bundle ID: %w", err)
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:])), nil
}

// newWriter takes over the journal: it is closed with the writer, or at once on an error. The
// drives are opened one by one.
func newWriter(jnl *journal.Journal, st *journal.State, job Job) (*Writer, error) {
	w := &Writer{
		jnl: jnl, begin: st.Begin, number: st.Number, parity: job.Parity, signers: job.Signers, version: job.Version, maxAge: maxAge,
		closing: make(chan *lane, 1), broken: make(chan struct{}), on: st.Begin.Places(),
		held: map[digest.Digest]*lane{}, busy: map[digest.Digest]chan struct{}{}, done: map[digest.Digest]int64{}, cut: map[digest.Digest]bool{},
		segments: st.Segments, next: st.Next, sessions: st.Sessions, command: job.Command,
	}
	for n := range st.Begin.Count() {
		t := &target{number: n + 1, free: make(chan *lane, st.Begin.Lanes)}
		if len(st.Begin.Drives) > 0 {
			t.label = seal.Label(st.Begin.Bundle, t.number)
		}
		if done, ok := st.Done[t.number]; ok {
			t.done = &done
		}
		w.drives = append(w.drives, t)
	}
	var err error
	if w.dense, err = frame.NewDense(); err != nil {
		return nil, errors.Join(err, jnl.Close())
	}
	return w, nil
}

// begun has drive.json say that the drive is not complete.
func (w *Writer) begun(t *target) error {
	body, err := w.sealing().drive(t.number).Marshal()
	if err != nil {
		return err
	}
	return t.ensure(seal.DriveName, body)
}

// start writes what stands on a drive from its beginning, and lets Put begin.
func (w *Writer) start(t *target) error {
	on := media.System().Of(t.path())
	session := journal.Session{Dir: t.path(), Mount: media.Session(t.path()), Point: on.Point, FS: on.FS}
	if t.label != "" {
		session.Drive = t.number
	}
	if err := w.jnl.Append(journal.Record{Session: &session}); err != nil {
		return err
	}
	w.mu.Lock()
	w.sessions[session.Drive] = session
	w.mu.Unlock()
	if err := w.begun(t); err != nil {
		return err
	}
	for name, body := range w.begin.KeyFiles {
		if err := t.ensure(name, body); err != nil {
			return err
		}
	}
	for _, l := range t.lanes {
		w.release(l)
	}
	return nil
}
