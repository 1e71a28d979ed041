package bundle

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/bundle/internal/keys"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// VerifyOptions say how strictly to verify.
type VerifyOptions struct {
	Expect   Fingerprint       // refuse any other bundle; empty: any
	Cold     bool              // read from the drive, not from the page cache
	Progress func(bytes int64) // told of bytes read; may be nil; called concurrently
}

// Report is what Verify found.
type Report struct {
	Dir         string
	Bundle      string
	Created     time.Time
	Fingerprint Fingerprint
	Files       int   // files of the bundle
	Bytes       int64 // in them
	Faults      []Fault
	Leftovers   []string // temporary files of a crash; harmless
}

// Size gives the bytes that [Verify] will read, for a progress bar.
func Size(dir string) (n int64, err error) {
	s, err := openSeals(dir, "")
	if err != nil {
		return 0, err
	}
	for _, f := range s.files() {
		n += f.Size
	}
	return n, s.dir.Close()
}

// Verify checks every byte of the bundle in dir, without a key, on all cores and
// in constant memory. Faults are listed in the report, all of them; the error is
// a *[DamageError] if there is any, an *[UnfinishedError], *[NoBundleError] or
// *[FingerprintError] if there was nothing to check.
func Verify(ctx context.Context, dir string, opts VerifyOptions) (*Report, error) {
	s, err := openSeals(dir, opts.Expect)
	if err != nil {
		return nil, err
	}
	v := verification{seals: s, opts: opts}
	err = v.run(ctx)
	if err := errors.Join(err, s.dir.Close()); err != nil {
		return nil, err
	}
	r := &Report{
		Dir: s.dir.Path(), Bundle: s.bundle.Bundle, Created: s.bundle.Created, Fingerprint: s.finger,
		Files: v.files, Bytes: v.bytes, Faults: s.faults, Leftovers: s.temps,
	}
	slices.SortFunc(r.Faults, func(a, b Fault) int { return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.What, b.What)) })
	if len(r.Faults) > 0 {
		return r, &DamageError{Dir: r.Dir, Faults: r.Faults}
	}
	return r, nil
}

type verification struct {
	*seals
	opts  VerifyOptions
	mu    sync.Mutex
	files int
	bytes int64
	away  error // the drive went away
}

func (v *verification) run(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(hashers())
	for _, f := range v.seals.files() {
		g.Go(func() error { return v.check(gctx, f) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	v.checkSmall(ctx)
	return cmp.Or(ctx.Err(), v.away)
}

// check hashes one bound file, unless its length has given it away already.
func (v *verification) check(ctx context.Context, f seal.File) error {
	size, err := v.dir.Stat(f.Name)
	if gone := v.gone(err); gone != nil {
		return gone
	}
	if err != nil || size != f.Size {
		return nil // said already, by the listing
	}
	got, err := hashFile(ctx, v.dir, f.Name, v.opts.Cold, v.opts.Progress)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if gone := v.gone(err); gone != nil {
		return gone
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.files++
	v.bytes += got.Size
	switch {
	case err != nil:
		v.fault(f.Name, "cannot be read: "+err.Error())
	case got != f:
		v.fault(f.Name, "has changed: its SHA-256 is not the one that is bound")
	}
	return nil
}

// checkSmall compares the copies with their originals and what is derived with
// what it is derived from.
func (v *verification) checkSmall(ctx context.Context) {
	small := append([]seal.File{v.bundle.Index}, v.extras.Files...)
	for name, body := range v.bodies {
		small = append(small, seal.FileOf(name, body))
		v.files++
		v.bytes += int64(len(body))
	}
	for _, f := range small {
		v.compare(ctx, copyOf(f))
	}
	key, err := v.dir.ReadFile(seal.KeyName, keys.MaxFile)
	if err == nil && v.extras.Bundle != "" {
		err = v.checkDerived(ctx, small, key)
	}
	if err != nil && !v.blamed(seal.KeyName) {
		v.unread(seal.KeyName, err)
	}
	v.checkCopies(small)
}

func (v *verification) checkDerived(ctx context.Context, small []seal.File, key []byte) error {
	derived, err := derive(v.bundle.Bundle, v.drive.Files, small, key)
	if err != nil {
		return err
	}
	for name, body := range derived {
		v.compare(ctx, seal.FileOf(name, body))
	}
	return nil
}

// unread notes a file that cannot be read, or that the drive has gone away.
func (v *verification) unread(name string, err error) {
	if gone := v.gone(err); gone != nil {
		v.away = gone
		return
	}
	v.fault(name, "cannot be read: "+err.Error())
}

func (v *verification) blamed(name string) bool {
	return slices.ContainsFunc(v.faults, func(f Fault) bool { return f.File == name })
}

// compare checks a file that no seal names against what it must be.
func (v *verification) compare(ctx context.Context, want seal.File) {
	got, err := hashFile(ctx, v.dir, want.Name, v.opts.Cold, nil)
	switch {
	case ctx.Err() != nil: // said by the caller
	case errors.Is(err, fs.ErrNotExist):
		v.fault(want.Name, "is missing")
	case err != nil:
		v.unread(want.Name, err)
	case got != want:
		v.fault(want.Name, "differs from what it must be")
	default:
		v.files++
		v.bytes += got.Size
	}
}

// checkCopies finds files among the copies that have no original.
func (v *verification) checkCopies(small []seal.File) {
	files, others, err := v.dir.List(seal.CopyDir)
	if err != nil {
		v.unread(seal.CopyDir, err)
		return
	}
	for _, f := range files {
		original := slices.ContainsFunc(small, func(s seal.File) bool { return s.Name == f.Name })
		if !original && seal.Known(f.Name, false) && !v.blamed(f.Name) {
			v.fault(seal.CopyDir+"/"+f.Name, "is extra: it is a copy of nothing")
		}
	}
	for _, name := range others {
		if seal.Known(name, false) {
			v.fault(seal.CopyDir+"/"+name, "is not a regular file")
		}
	}
}
