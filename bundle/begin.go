package bundle

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle/internal/frame"
	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/keys"
	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
)

// Job is what makes one run of pack the same as another.
type Job struct {
	Config      digest.Digest // of the configuration
	Recipients  []Recipient
	SegmentSize int64 // bytes
	Lanes       int
	Gaps        []byte // what is left out from the start, in the caller's words; no part of the job's identity

	made *madeKey
}

// madeKey is a bundle key that no bundle has yet.
type madeKey struct {
	recipient string
	files     map[string][]byte
}

// MakeKey makes the key of the bundle that [Create] begins, and so asks all that
// must be asked for that: passphrases, and plugins by whatever they need. Create
// does it otherwise. Errors: *[MixedError], *[RecipientError].
func (j *Job) MakeKey() error {
	files, recipient, err := keys.Make(j.Recipients)
	if err != nil {
		return err
	}
	j.made = &madeKey{recipient: recipient, files: map[string][]byte{}}
	for i, body := range files {
		j.made.files[seal.KeyName(i+1)] = body
	}
	return nil
}

// Check reports what is wrong with a job.
func (j Job) Check() error {
	if err := j.CheckNumbers(); err != nil {
		return err
	}
	if len(j.Recipients) == 0 {
		return errors.New("no recipient given")
	}
	return keys.CheckMix(j.Recipients)
}

// CheckNumbers reports what is wrong with the segment size and the lanes of a job.
func (j Job) CheckNumbers() error {
	if j.SegmentSize < MinSegmentSize || j.SegmentSize > MaxSegmentSize {
		return fmt.Errorf("a segment size of %d bytes is outside %d (1MiB) to %d (4GiB - 1, the most that FAT32 holds in a file)", j.SegmentSize, MinSegmentSize, MaxSegmentSize)
	}
	if j.Lanes < 1 || j.Lanes > MaxLanes {
		return fmt.Errorf("%d lanes are outside 1 to %d", j.Lanes, MaxLanes)
	}
	return nil
}

// recipients lists each once, and of passphrases how many there are.
func (j Job) recipients() []string {
	var list []string
	passphrases := 0
	for _, r := range j.Recipients {
		if r.IsPassphrase() {
			passphrases++
			list = append(list, fmt.Sprintf("%s %d", r.Text, passphrases))
		} else {
			list = append(list, r.Text)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// differs says in which way another job began, "" if in none.
func (j Job) differs(b journal.Begin) string {
	switch {
	case b.Config != j.Config:
		return "with another configuration"
	case !slices.Equal(b.Recipients, j.recipients()):
		return "for other recipients"
	case !keys.Fits(j.Recipients, b.KeyFiles):
		return "with another passphrase"
	case b.SegmentSize != j.SegmentSize:
		return fmt.Sprintf("with segments of %s", CompactSize(b.SegmentSize))
	case b.Lanes != j.Lanes:
		return fmt.Sprintf("with another number of lanes, %d", b.Lanes)
	}
	return ""
}

func journalPath(state, id string) string { return filepath.Join(state, "bundles", id, "journal") }

// Create starts a bundle of inv in dir; in the root of a mount it gets a
// directory satchel-<id> of its own. The journal is kept below state. dir must
// be one that [Resume] found no bundle in.
func Create(dir, state string, job Job, inv *oci.Inventory) (*Writer, error) {
	if err := errors.Join(job.Check(), inv.Validate()); err != nil {
		return nil, err
	}
	if places, err := find(dir); err != nil {
		return nil, err
	} else if len(places) > 0 {
		return nil, begunMeanwhile(dir)
	}
	if job.made == nil {
		if err := job.MakeKey(); err != nil {
			return nil, err
		}
	}
	id, err := newID()
	if err != nil {
		return nil, err
	}
	root, err := media.IsMountRoot(dir)
	if err != nil {
		return nil, err
	}
	if root {
		sweepEmpty(dir, state)
		dir = filepath.Join(dir, dirPrefix+id)
	}
	begin := journal.Begin{
		Bundle: id, Created: time.Now().UTC().Truncate(time.Second), Config: job.Config, Recipients: job.recipients(),
		SegmentSize: job.SegmentSize, Lanes: job.Lanes, Key: job.made.recipient,
		KeyFiles: job.made.files, Inventory: *inv, Gaps: job.Gaps,
	}
	jnl, err := journal.Create(journalPath(state, id), begin)
	if err != nil {
		return nil, err
	}
	if root { // after its journal, which keeps others from sweeping it away while it is empty
		if err := os.Mkdir(dir, 0o755); err != nil {
			forget := os.RemoveAll(filepath.Dir(journalPath(state, id)))
			return nil, errors.Join(&media.Error{Op: "make directory", Path: dir, Err: err}, jnl.Close(), forget)
		}
	}
	w, err := newWriter(dir, jnl, &journal.State{Begin: begin, Next: map[int]int{}})
	if err != nil {
		return nil, err
	}
	if err := w.startAlone(); err != nil {
		var refused *RefusedError
		err = errors.Join(err, w.Close())
		if errors.As(err, &refused) { // nothing was written
			err = errors.Join(err, os.RemoveAll(filepath.Dir(journalPath(state, id))))
		}
		return nil, err
	}
	return w, nil
}

// startAlone starts a new bundle in a directory into which another run may be
// starting one too: one of the two finds the other's.
func (w *Writer) startAlone() (err error) {
	unlock, err := w.dir.Lock()
	if errors.Is(err, media.ErrLocked) {
		return begunMeanwhile(w.dir.Path())
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	other, err := lookIn(w.dir)
	if err != nil {
		return err
	}
	if other != nil {
		return begunMeanwhile(w.dir.Path())
	}
	return w.start()
}

func begunMeanwhile(dir string) error {
	return &RefusedError{Dir: dir, Reason: "another bundle was begun in it meanwhile", hint: "name another directory, or run the command again to see what it is"}
}

func newID() (string, error) {
	var b [10]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("make a bundle ID: %w", err)
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:])), nil
}

// newWriter takes over the journal: it is closed with the writer, or at once on an error.
func newWriter(dir string, jnl *journal.Journal, st *journal.State) (*Writer, error) {
	d, err := media.OpenDir(dir)
	if err != nil {
		return nil, errors.Join(err, jnl.Close())
	}
	w := &Writer{
		dir: d, jnl: jnl, begin: st.Begin, maxAge: maxAge,
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
	session := journal.Session{Dir: w.dir.Path(), Mount: media.Session(w.dir.Path())}
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
		w.giveBack(l, l.number == w.begin.Lanes)
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

// Resume looks for the job's bundle in dir and dir/satchel-* and goes on with
// it. It returns nil, nil if there is none and dir can take one. The error is a
// *[SealedError] if the job is done already, a *[NeedsError] if a newer version
// packed what is there, and a *[RefusedError] if something else stands in the way;
// nothing has been changed then. rehash may be nil.
func Resume(ctx context.Context, dir, state string, job Job, rehash Rehash) (*Writer, error) {
	if err := job.Check(); err != nil {
		return nil, err
	}
	places, err := find(dir)
	if err != nil {
		return nil, err
	}
	if len(places) == 0 {
		return nil, errors.Join(checkEmpty(dir), checkMissing(dir, state))
	}
	var refused error
	for _, p := range places {
		w, err := resume(ctx, p, state, job, rehash)
		var other *RefusedError
		if errors.As(err, &other) {
			refused = errors.Join(refused, err)
			continue
		}
		return w, err
	}
	return nil, refused
}

// checkMissing looks whether this host began a bundle in dir that is not there
// now, as when the drive is not mounted: nothing must be begun in its place.
func checkMissing(dir, state string) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return &media.Error{Op: "look into", Path: dir, Err: err}
	}
	journals, err := filepath.Glob(journalPath(state, "*"))
	if err != nil {
		return fmt.Errorf("look for journals: %w", err)
	}
	for _, name := range journals {
		st, err := journal.Peek(name)
		if err != nil {
			continue // it is damaged, or it never began
		}
		there := st.Session.Dir
		if st.Sealed != nil || there == "" || there != abs && filepath.Dir(there) != abs {
			continue
		}
		jnl, _, err := journal.Open(name)
		if err != nil {
			continue // another run has it, and has not written its first file yet
		}
		if err := jnl.Close(); err != nil {
			return err
		}
		return &MissingError{Dir: there, Bundle: st.Begin.Bundle}
	}
	return nil
}

func checkEmpty(dir string) error {
	if root, err := media.IsMountRoot(dir); err != nil || root {
		return err
	}
	name, err := foreign(dir)
	if err != nil || name == "" {
		return err
	}
	return otherFiles(dir, name, " and no bundle")
}

// otherFiles refuses a directory that is not for a bundle alone.
func otherFiles(dir, name, besides string) error {
	return &RefusedError{Dir: dir, Reason: fmt.Sprintf("it holds other files (%s)%s", name, besides),
		hint: "name an empty or new directory, or the root of a drive"}
}

func resume(ctx context.Context, p place, state string, job Job, rehash Rehash) (*Writer, error) {
	if err := p.checkNeeds(); err != nil {
		return nil, err
	}
	jnl, st, err := journal.Open(journalPath(state, p.id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noJournal(p)
	}
	if errors.Is(err, journal.ErrLocked) {
		return nil, &RefusedError{Dir: p.dir, Reason: "another satchel is writing this bundle", Busy: true, hint: waitForIt}
	}
	if err != nil {
		return nil, err
	}
	how := job.differs(st.Begin)
	switch {
	case !p.sealed && st.Sealed != nil:
		return nil, errors.Join(lostSeal(p.dir), jnl.Close())
	case p.sealed && how == "":
		return nil, errors.Join(alreadySealed(p, st), jnl.Close())
	case p.sealed:
		return nil, errors.Join(sealedOther(p, how), jnl.Close())
	case how != "":
		return nil, errors.Join(&RefusedError{Dir: p.dir, Reason: "it holds an unfinished bundle that was begun " + how, Unfinished: true,
			hint: "run the same command as then to resume it, name another directory, or have it deleted by a restart"}, jnl.Close())
	}
	w, err := newWriter(p.dir, jnl, st)
	if err != nil {
		return nil, err
	}
	if err := w.restore(ctx, st, rehash); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// lostSeal says that a finished bundle has no seal any more. What else it has must
// not be touched: its fingerprint is on paper already.
func lostSeal(dir string) error {
	return &DamageError{Dir: dir, Faults: []Fault{{seal.BundleName, "is missing, and the bundle was finished: copy/bundle.json is its copy"}}}
}

// alreadySealed holds the seal on the drive against the one that was written.
func alreadySealed(p place, st *journal.State) error {
	body, err := p.readSeal()
	if err != nil {
		return err
	}
	fp := seal.Sum(body)
	if st.Sealed != nil && st.Sealed.Fingerprint != fp {
		return &DamageError{Dir: p.dir, Faults: []Fault{{seal.BundleName, "is not the one that was written"}}}
	}
	return &SealedError{Dir: p.dir, Bundle: p.id, Fingerprint: Fingerprint(fp), Verified: st.Verified != nil && st.Verified.Fingerprint == fp, Gaps: st.Gaps}
}

// MarkVerified notes that the finished bundle id was read back, so that a later
// run of the same job need not.
func MarkVerified(state, id string, fp Fingerprint) error {
	jnl, _, err := journal.Open(journalPath(state, id))
	if err != nil {
		return err
	}
	return errors.Join(jnl.Append(journal.Record{Verified: &journal.Verified{Fingerprint: string(fp)}}), jnl.Close())
}

func noJournal(p place) error {
	if p.id == "" {
		return &RefusedError{Dir: p.dir, Reason: "its drive.json is not one of satchel's, or is damaged",
			hint: "name another directory"}
	}
	if p.sealed {
		return sealedOther(p, "on another host, or its state was removed")
	}
	return &RefusedError{Dir: p.dir, Reason: "it holds an unfinished bundle that was begun on another host, or its state was removed", Unfinished: true,
		hint: "resume it on the host where it was begun, name another directory, or have it deleted by a restart"}
}

func sealedOther(p place, how string) error {
	return &RefusedError{Dir: p.dir, Reason: "it holds a finished bundle that was packed " + how,
		hint: "name another directory, such as a new one on the same drive; satchel never deletes a finished bundle"}
}
