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

	"github.com/klauspost/compress/zstd"
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
	begin := journal.Begin{
		Bundle: id, Created: time.Now().UTC().Truncate(time.Second), Config: job.Config, Recipients: job.recipients(),
		SegmentSize: job.SegmentSize, Lanes: job.Lanes, Stream: job.Stream, Partial: job.Partial, Baseline: job.Baseline, Plain: job.Plain, Key: job.key.recipient,
		KeyFiles: job.key.files, Inventory: *inv, Gaps: job.Gaps,
	}
	jnl, err := journal.Create(journalPath(state, id), begin)
	if err != nil {
		return nil, err
	}
	if root { // after its journal, which keeps others from sweeping it away while it is empty
		if err := media.MakeDir(dir); err != nil {
			return nil, errors.Join(err, jnl.Close(), forget(dir, state, id, root))
		}
	}
	w, err := newWriter(dir, jnl, &journal.State{Begin: begin, Next: map[int]int{}}, job)
	if err != nil {
		return nil, err
	}
	err = jnl.Append(self(job.Command, w.Dir()))
	if err == nil {
		err = w.start()
	}
	if err != nil {
		return nil, errors.Join(err, w.Close(), forget(dir, state, id, root))
	}
	return w, nil
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

// newWriter takes over the journal: it is closed with the writer, or at once on an error.
func newWriter(dir string, jnl *journal.Journal, st *journal.State, job Job) (*Writer, error) {
	d, err := media.OpenDir(dir)
	if err != nil {
		return nil, errors.Join(err, jnl.Close())
	}
	w := &Writer{
		dir: d, jnl: jnl, begin: st.Begin, number: st.Number, signers: job.Signers, version: job.Version, maxAge: maxAge,
		free: make(chan *lane, st.Begin.Lanes), closing: make(chan *lane, 1),
		held: map[digest.Digest]*lane{}, busy: map[digest.Digest]chan struct{}{}, done: map[digest.Digest]int64{}, cut: map[digest.Digest]bool{},
		segments: map[int][]journal.Segment{},
	}
	if w.dense, err = frame.NewDense(); err != nil {
		return nil, errors.Join(err, jnl.Close(), d.Close())
	}
	for n := range st.Begin.Lanes + 1 {
		var fast *zstd.Encoder
		if fast, err = frame.NewFast(); err != nil {
			return nil, errors.Join(err, w.Close())
		}
		w.all = append(w.all, &lane{w: w, number: n, next: max(1, st.Next[n]), fast: fast})
	}
	return w, nil
}

// start writes what stands in a bundle from its beginning, and lets Put begin.
func (w *Writer) start() error {
	on := media.System().Of(w.dir.Path())
	session := journal.Session{Dir: w.dir.Path(), Mount: media.Session(w.dir.Path()), Point: on.Point, FS: on.FS}
	if err := w.jnl.Append(journal.Record{Session: &session}); err != nil {
		return err
	}
	body, err := seal.Drive{Bundle: w.begin.Bundle, Drive: 1}.Marshal()
	if err != nil {
		return err
	}
	if err := w.ensure(seal.DriveName, body); err != nil {
		return err
	}
	for name, body := range w.begin.KeyFiles {
		if err := w.ensure(name, body); err != nil {
			return err
		}
	}
	for _, l := range w.all {
		w.release(l, l.number == w.begin.Lanes)
	}
	return nil
}

// ensure writes a file unless it has those very bytes.
func (w *Writer) ensure(name string, body []byte) error {
	if have, err := w.dir.ReadFile(name, int64(len(body))); err == nil && string(have) == string(body) {
		return nil
	}
	return w.dir.WriteFile(name, body)
}
