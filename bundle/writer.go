package bundle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle/internal/frame"
	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/oci"
)

// SmallBlob is the size, in bytes, up to which a blob is read into memory and
// verified before it takes a lane; larger ones take a lane for as long as they last.
const SmallBlob = frame.MaxContent

// Writer writes a bundle. It is an [oci.Sink] for blobs and manifests; Put may
// be called concurrently. Put the blobs of [Writer.Unfinished] first: each holds
// a lane that nothing else can use. Put manifests after all blobs.
type Writer struct {
	jnl    *journal.Journal
	begin  journal.Begin
	dense  *zstd.Encoder
	maxAge time.Duration

	parity  ParityRatio           // what a forecast counts
	drives  []*target             // in order; the last one has the closing lane too
	on      map[digest.Digest]int // the number of the drive that a blob goes on; the first for others
	closing chan *lane            // the closing lane, for manifests

	mu       sync.Mutex
	held     map[digest.Digest]*lane // lanes that wait for one blob
	busy     map[digest.Digest]chan struct{}
	done     map[digest.Digest]int64
	cut      map[digest.Digest]bool // whole blobs that lost their end to a wrong one
	segments map[int][]journal.Segment
	sessions map[int]journal.Session // where each drive was last
	err      error                   // what broke the writer
	broken   chan struct{}           // closed then

	number  journal.Number // its sequence is 0 as long as the bundle has none
	signers []*Signer      // who sign the seals
	version string         // of satchel
	command string         // see [Job]
	state   string         // directory of the journals
	next    map[int]int    // the number of the next segment of each lane, where there are any
}

// ID is the bundle's ID.
func (w *Writer) ID() string { return w.begin.Bundle }

// Across reports whether the bundle gets parity that goes across its drives once it is finished.
// That was decided when it was begun, for all runs: drives that are finished have none until then.
func (w *Writer) Across() bool { return w.begin.Across && w.parity.Parity > 0 }

// Dir is the bundle's directory; of a bundle on several drives it is the last one's, "" as long
// as that is not there.
func (w *Writer) Dir() string { return w.last().path() }

// Begun is when the bundle was begun, and what it carries was pinned.
func (w *Writer) Begun() time.Time { return w.begin.Created }

// Inventory is the pinned list of what the bundle carries.
func (w *Writer) Inventory() *oci.Inventory { return &w.begin.Inventory }

// Gaps is what was left out of the inventory from the start, see [Job].
func (w *Writer) Gaps() []byte { return w.begin.Gaps }

// SetGaps notes, in the caller's words, what the bundle is about to be sealed
// without. A later [Resume] of the sealed bundle has it in its *[SealedError].
func (w *Writer) SetGaps(list []byte) error {
	return w.jnl.Append(journal.Record{Gaps: &journal.Gaps{List: list}})
}

// Has reports whether the whole of d was put.
func (w *Writer) Has(_ context.Context, d oci.Descriptor) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	size, ok := w.done[d.Digest]
	if ok && size != d.Size {
		return false, &oci.UnsupportedError{What: "blob " + d.Digest.String(), Why: fmt.Sprintf("it has %d bytes, a manifest says %d", size, d.Size)}
	}
	return ok, nil
}

// Unfinished lists the blobs that were cut in the middle, and of each how many
// bytes are on the drive already.
func (w *Writer) Unfinished() (map[digest.Digest]int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := map[digest.Digest]int64{}
	for d, l := range w.held {
		v := oci.NewVerifier(oci.Descriptor{Digest: d, Size: l.unfinished.Size})
		if err := v.UnmarshalBinary(l.unfinished.State); err != nil {
			return nil, err
		}
		list[d] = v.Written()
	}
	return list, nil
}

// Put stores d; see [oci.Sink]. Large blobs are streamed into a lane, others
// are read and verified first. When src or ctx ends early, what was read stays on
// the drive, unverified, and the next Put of d resumes there; no seal names it.
// The error is a *[oci.DigestError] for bytes that are not d's, found by src or
// here: then the lane goes back to where d began, earlier runs' bytes of d
// included. Good blobs that shared a segment with d may be lost with it: ask
// [Writer.Has] again for all blobs before sealing. What is in [Writer.Baseline] is
// refused: a bundle has each digest in one of the two.
func (w *Writer) Put(ctx context.Context, d oci.Descriptor, src oci.Source) error {
	return w.put(ctx, d, src, oci.IsManifest(d.MediaType))
}

// PutDocument is Put for what documents reach: it all goes into the closing lane.
func (w *Writer) PutDocument(ctx context.Context, d oci.Descriptor, src oci.Source) error {
	return w.put(ctx, d, src, true)
}

func (w *Writer) put(ctx context.Context, d oci.Descriptor, src oci.Source, closing bool) error {
	if err := oci.CheckDescriptor(d); err != nil {
		return err
	}
	if w.inBaseline(d.Digest) {
		return twice(d.Digest)
	}
	release, err := w.claim(ctx, d.Digest)
	if err != nil {
		return err
	}
	defer release()
	if ok, err := w.Has(ctx, d); ok || err != nil {
		return err
	}
	if d.Size <= SmallBlob {
		if src, err = readWhole(ctx, d, src); err != nil {
			return err
		}
	}
	l, err := w.take(ctx, d, closing)
	if err != nil {
		return err
	}
	defer w.release(l)
	if d.Size <= SmallBlob {
		ctx = context.WithoutCancel(ctx) // it is in memory: writing it is quicker than noting how far it got
	}
	return l.put(ctx, d, src)
}

// GiveUp takes back what is there of a blob that was cut in the middle and is
// not wanted any more, so that the bundle can be sealed without it. Good blobs
// beside it may go with it: ask [Writer.Has] again for all.
func (w *Writer) GiveUp(ctx context.Context, d digest.Digest) error {
	for {
		if err := w.giveUp(ctx, d); err != nil {
			return err
		}
		// A whole blob that lost its end with d waits for a Put that nobody makes
		// now, and others for its lane.
		next, ok := w.nextCut()
		if !ok {
			return nil
		}
		d = next
	}
}

// noteCut notes that a blob that was whole has lost its end.
func (w *Writer) noteCut(d digest.Digest) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut[d] = true
}

// nextCut gives a blob that has lost its end and is being put by nobody.
func (w *Writer) nextCut() (digest.Digest, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for d := range w.cut {
		if w.held[d] == nil {
			continue
		}
		delete(w.cut, d)
		return d, true
	}
	return "", false
}

func (w *Writer) giveUp(ctx context.Context, d digest.Digest) error {
	release, err := w.claim(ctx, d)
	if err != nil {
		return err
	}
	defer release()
	w.mu.Lock()
	l := w.held[d]
	delete(w.held, d)
	w.mu.Unlock()
	if l == nil {
		return nil
	}
	defer w.release(l)
	return l.rollBack(d)
}

// claim makes sure that one digest is put by one caller at a time.
func (w *Writer) claim(ctx context.Context, d digest.Digest) (func(), error) {
	for {
		w.mu.Lock()
		err, other := w.err, w.busy[d]
		if err == nil && other == nil {
			mine := make(chan struct{})
			w.busy[d] = mine
			w.mu.Unlock()
			return func() {
				w.mu.Lock()
				delete(w.busy, d)
				w.mu.Unlock()
				close(mine)
			}, nil
		}
		w.mu.Unlock()
		if err != nil {
			return nil, &stoppedError{err}
		}
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// ErrStopped is an error of [Writer.Put] too, where it was another blob that failed: nothing was
// tried with this one.
var ErrStopped = errors.New("another blob failed")

// stoppedError says why nothing can be put any more.
type stoppedError struct{ error }

func (e *stoppedError) Unwrap() error        { return e.error }
func (e *stoppedError) Is(target error) bool { return target == ErrStopped }

// readWhole reads a small blob into memory, verified.
func readWhole(ctx context.Context, d oci.Descriptor, src oci.Source) (oci.Source, error) {
	in := &resumingReader{ctx: ctx, src: src, d: d}
	defer in.close()
	v := oci.NewVerifier(d)
	body := make([]byte, d.Size)
	if _, err := io.ReadFull(in, body); err != nil {
		return nil, err
	}
	if _, err := v.Write(body); err != nil {
		return nil, err
	}
	if err := v.Close(); err != nil {
		return nil, err
	}
	return oci.SourceFunc(func(_ context.Context, _ oci.Descriptor, off int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(body[off:])), nil
	}), nil
}

// take waits for the lane that d belongs into.
func (w *Writer) take(ctx context.Context, d oci.Descriptor, closing bool) (*lane, error) {
	w.mu.Lock()
	l := w.held[d.Digest]
	delete(w.held, d.Digest)
	w.mu.Unlock()
	if l != nil {
		return l, nil
	}
	from := w.closing
	if !closing {
		t := w.drives[max(w.on[d.Digest], 1)-1]
		if t.dir == nil {
			return nil, fmt.Errorf("blob %s goes on drive %d, which is not there", d.Digest, t.number)
		}
		from = t.free
	}
	select {
	case l := <-from:
		return l, nil
	case <-w.broken: // the lanes may wait for blobs that cannot be written any more
		w.mu.Lock()
		defer w.mu.Unlock()
		return nil, &stoppedError{w.err}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (w *Writer) release(l *lane) {
	if l.unfinished != nil {
		w.mu.Lock()
		w.held[l.unfinished.Digest] = l
		w.mu.Unlock()
		return
	}
	if l.number == w.begin.Closing() {
		w.closing <- l
	} else {
		l.on.free <- l
	}
}

// note records that a blob is completely in its lane.
func (w *Writer) note(d oci.Descriptor) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done[d.Digest] = d.Size
	delete(w.cut, d.Digest)
}

// forget records that pieces, and so their blobs, are gone.
func (w *Writer) forget(pieces []journal.Piece) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range pieces {
		delete(w.done, p.Digest)
	}
}

// record makes a durable segment known.
func (w *Writer) record(s journal.Segment) error {
	if err := w.jnl.Append(journal.Record{Segment: &s}); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.segments[s.Lane] = append(w.segments[s.Lane], s)
	return nil
}

// breakdown makes every later Put fail: what the drive did is unknown.
func (w *Writer) breakdown(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
		close(w.broken)
	}
}

// Close makes durable what is finished, and leaves the bundle resumable.
func (w *Writer) Close() error {
	return errors.Join(w.closeDrive(), w.jnl.Close())
}

// closeDrive closes all but the journal.
func (w *Writer) closeDrive() error {
	w.mu.Lock()
	keep := w.err == nil
	w.mu.Unlock()
	var errs []error
	for _, t := range w.drives {
		errs = append(errs, t.close(keep))
	}
	errs = append(errs, w.dense.Close())
	return errors.Join(errs...)
}
