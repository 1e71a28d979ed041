package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
	"github.com/satchel-airgap/satchel/oci"
)

// lookAgain is how long after a look at a drive that is away the next one is due.
const lookAgain = time.Second

// mostWait is how long a read in the middle of content waits for a look that another has begun.
const mostWait = 5 * time.Second

// opened is a bundle that stays in use while its drive goes away and comes back.
type opened struct {
	notice.To
	bundle *bundle.Reader // as it was opened first: its index is in memory
	reopen func() (*bundle.Reader, error)

	mu     sync.Mutex
	now    *session // nil while the drive is away
	went   error    // of the read that found the drive away
	away   error    // why it cannot be read now
	tried  time.Time
	look   chan struct{} // not nil while one looks whether it is back; closed when it has looked
	closed bool
	said   map[string]bool // what was said of it, to say it once
}

// session is a reader, from when its drive came to when it went.
type session struct {
	r     *bundle.Reader
	users int
	over  bool // it is closed when the last user has gone
}

func newOpened(r *bundle.Reader, to notice.To) *opened {
	return &opened{To: to, bundle: r, reopen: r.Reopen, now: &session{r: r}, said: map[string]bool{}}
}

// use gives the session to read from; every use is answered by one done. If the drive is away
// one looks whether it is back, now and then; others are told at once that it is not, unless they
// are to wait for that look.
func (o *opened) use(ctx context.Context, wait bool) (*session, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.now != nil:
	case o.look != nil && wait:
		o.waitForLook(ctx)
	case o.look == nil && time.Since(o.tried) >= lookAgain:
		o.lookAgain()
	}
	if o.now == nil {
		return nil, o.away
	}
	o.now.users++
	return o.now, nil
}

// waitForLook waits until another has looked. The caller holds o.mu, which is free meanwhile.
func (o *opened) waitForLook(ctx context.Context) {
	look := o.look
	o.mu.Unlock()
	defer o.mu.Lock()
	select {
	case <-look:
	case <-ctx.Done():
	case <-time.After(mostWait):
	}
}

// lookAgain opens the bundle anew. The caller holds o.mu, which is free while the drive is read.
func (o *opened) lookAgain() {
	o.look = make(chan struct{})
	o.mu.Unlock()
	r, err := o.reopen()
	o.mu.Lock()
	close(o.look)
	o.look, o.tried = nil, time.Now()
	switch {
	case err != nil:
		o.stillAway(err)
	case o.closed:
		_ = r.Close() // it was only read
	default:
		o.Info("bundle %s in %s is back", o.bundle.ID(), o.bundle.Dir())
		o.now, o.went, o.away = &session{r: r}, nil, nil
		clear(o.said)
	}
}

// stillAway says why a bundle cannot be used although something is in its place. The caller holds
// o.mu.
func (o *opened) stillAway(err error) {
	_, none := errors.AsType[*bundle.NoBundleError](err)
	_, other := errors.AsType[*bundle.FingerprintError](err)
	o.away = o.went
	switch {
	case none || errors.Is(err, fs.ErrNotExist):
		o.Debug("bundle %s is still away: %v", o.bundle.ID(), err)
	case other:
		o.once("another bundle is in %s now; bundle %s was there: put its drive back", o.bundle.Dir(), o.bundle.ID())
	default:
		o.away = err
		o.once("bundle %s in %s is there again and cannot be used: %v", o.bundle.ID(), o.bundle.Dir(), err)
	}
}

// once warns if it was not said yet while the drive is as it is. The caller holds o.mu.
func (o *opened) once(format string, args ...any) {
	said := fmt.Sprintf(format, args...)
	if o.said[said] {
		return
	}
	if len(o.said) > mostTold {
		o.Debug("%s", said)
		return
	}
	o.said[said] = true
	if len(o.said) > mostTold {
		o.Debug("%s", said)
		said = fmt.Sprintf("more is wrong with bundle %s in %s, and only the debug log has it; satchel verify %s lists all", o.bundle.ID(), o.bundle.Dir(), strings.Join(o.dirs(), " "))
	}
	o.Warn("%s", said)
}

// damaged says that a bundle does not give what it has, and what is done about it.
func (o *opened) damaged(err error, instead string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.once("%v; %ssatchel verify %s lists all that is wrong", err, instead, strings.Join(o.dirs(), " "))
}

// dirs are the directories of the bundle's drives that are here, its own one last.
func (o *opened) dirs() (dirs []string) {
	for _, d := range o.bundle.Drives() {
		if d.Dir != "" && d.Dir != o.bundle.Dir() {
			dirs = append(dirs, d.Dir)
		}
	}
	return append(dirs, o.bundle.Dir())
}

// lost notes that a session reads no more because its drive is away. Its files are closed, so
// that the drive can be unmounted.
func (o *opened) lost(s *session, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.now != s {
		return // another request has found it
	}
	o.Warn("bundle %s in %s cannot be read: %v; requests are answered with 503 until it is back: plug the drive in and mount it in the same place", o.bundle.ID(), o.bundle.Dir(), err)
	o.now, o.went, o.away, o.tried = nil, err, err, time.Time{}
	s.over = true
	o.closeUnused(s)
}

func (o *opened) done(s *session) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s.users--
	o.closeUnused(s)
}

func (o *opened) closeUnused(s *session) {
	if s.over && s.users == 0 {
		_ = s.r.Close() // it was only read
	}
}

// close ends the last session.
func (o *opened) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	if s := o.now; s != nil {
		o.now, o.away, o.tried = nil, fs.ErrClosed, time.Now().Add(time.Hour)
		s.over = true
		o.closeUnused(s)
	}
}

// shelf is all bundles. It is an [oci.Source]: content comes from any that has it.
type shelf []*opened

// lackingError says that no bundle has something.
type lackingError struct{ Content oci.Descriptor }

func (e *lackingError) Error() string {
	return fmt.Sprintf("%s is in no bundle that was given", e.Content.Digest)
}
func (e *lackingError) Unwrap() error { return fs.ErrNotExist }

// has reports whether a bundle has d.
func (s shelf) has(d oci.Descriptor) bool {
	for _, o := range s {
		if o.bundle.Has(d) {
			return true
		}
	}
	return false
}

// dirs lists the directories of the bundles that have d.
func (s shelf) dirs(d oci.Descriptor) (list []string) {
	for _, o := range s {
		if o.bundle.Has(d) {
			list = append(list, o.bundle.Dir())
		}
	}
	return list
}

// Open gives the bytes of d from off on, unverified. The error is a *lackingError if no bundle
// has it.
func (s shelf) Open(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
	r := &stream{ctx: ctx, d: d, at: off}
	for _, o := range s {
		if o.bundle.Has(d) {
			r.from = append(r.from, o)
		}
	}
	if len(r.from) == 0 {
		return nil, &lackingError{d}
	}
	return r, nil
}

// stream reads content. Where a read fails, the rest comes from another bundle, or from the same one
// once its drive is back.
type stream struct {
	//lint:ignore containedctx io.Reader takes no context
	ctx  context.Context
	d    oci.Descriptor
	at   int64     // the next byte
	from []*opened // the first is read from, then the next
	s    *session
	in   io.ReadCloser
	anew bool // the first was opened anew for this byte
}

func (r *stream) Read(p []byte) (int, error) {
	var first error
	for {
		n, err := r.read(p)
		if n > 0 || err == nil || errors.Is(err, io.EOF) {
			r.at, r.anew = r.at+int64(n), false
			return n, err
		}
		if first == nil {
			first = err
		}
		if !r.next(err) {
			return 0, first
		}
	}
}

func (r *stream) read(p []byte) (int, error) {
	if r.in == nil {
		s, err := r.from[0].use(r.ctx, r.anew || r.at > 0) // the client has the head of its answer
		if err != nil {
			return 0, err
		}
		if r.in, err = s.r.Open(r.ctx, r.d, r.at); err != nil {
			r.from[0].done(s)
			return 0, err
		}
		r.s = s
	}
	return r.in.Read(p)
}

// Decoded is how many bytes are given without reading a drive.
func (r *stream) Decoded() int { return decoded(r.in) }

// next finds another way to read on after an error.
func (r *stream) next(err error) bool {
	if r.ctx.Err() != nil {
		return false
	}
	o, s := r.from[0], r.s
	if _, away := errors.AsType[*bundle.DriveError](err); away && s != nil {
		o.lost(s, err)
		if _ = r.Close(); !r.anew {
			r.anew = true
			return true
		}
	}
	_ = r.Close()
	if len(r.from) == 1 {
		return false
	}
	if damage, is := errors.AsType[*bundle.DamageError](err); is {
		o.damaged(damage, "the content is read from another bundle; ")
	}
	r.from, r.anew = r.from[1:], false
	return true
}

// Close gives the session back. The next read takes one again.
func (r *stream) Close() error {
	if r.in == nil {
		return nil
	}
	err := r.in.Close()
	r.from[0].done(r.s)
	r.in, r.s = nil, nil
	return err
}
