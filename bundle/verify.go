package bundle

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// VerifyOptions say how strictly to verify.
type VerifyOptions struct {
	Expect   Fingerprint       // refuse any other bundle; empty: any
	Trust    *Trust            // refuse one that not enough of them have signed; nil: nobody is asked for
	Cold     bool              // read from the drive, not from the page cache
	Progress func(bytes int64) // called with the bytes just read, concurrently; may be nil
}

// outcome is the error of a verification that has come to its end.
func (v *verification) outcome() error {
	slices.SortFunc(v.faults, func(a, b Fault) int { return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.What, b.What)) })
	if err := v.usable(); err != nil {
		return err
	}
	if len(v.faults) > 0 { // of parity alone
		return damageOf(v.dir.Path(), v.faults)
	}
	if len(v.pending) > 0 {
		return &RekeyError{Dir: v.dir.Path(), Files: v.pending}
	}
	if len(v.signing) > 0 {
		return &SigningError{Dir: v.dir.Path(), Files: v.signing}
	}
	if len(v.adding) > 0 {
		return &ParityError{Dir: v.dir.Path(), Files: v.adding}
	}
	return nil
}

// usable gives the error of a drive that nothing is read from: its seals and the listing have
// shown what is wrong with it. Nobody needs parity files to read a bundle that is whole.
func (s *driveDir) usable() error {
	if len(s.crlf) > 0 && !s.second {
		return &CopyError{Dir: s.dir.Path(), Files: s.crlf, Faults: s.faults}
	}
	if slices.ContainsFunc(s.faults, func(f Fault) bool { return !seal.IsAdded(f.File) }) {
		return damageOf(s.dir.Path(), s.faults)
	}
	return nil
}

// verification checks one drive directory.
type verification struct {
	*driveDir
	suspects map[string]bool // files that the listing found fault with
	opts     VerifyOptions
	mu       sync.Mutex
	files    int
	bytes    int64
	away     error // the drive went away
}

func (v *verification) run(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(hashers())
	for _, f := range v.driveDir.files() {
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
	if v.suspects[f.Name] || isText(f.Name) && slices.Contains(v.crlf, f.Name) {
		return nil // the listing has shown what is wrong with it
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
	case got.Size != f.Size:
		v.fault(f.Name, "changed its length while it was read")
	case got != f:
		v.fault(f.Name, "has changed: its SHA-256 differs from the recorded one")
	}
	return nil
}

func (v *verification) blamed(name string) bool {
	return slices.ContainsFunc(v.faults, func(f Fault) bool { return f.File == name })
}

const hashBuf = 1 << 20

// hashers is how many files are hashed at a time: one a core.
func hashers() int { return runtime.GOMAXPROCS(0) }

// hashFile gives a file's size and SHA-256. cold asks for the bytes of the
// drive, not of the page cache. progress, if not nil, gets the bytes just read.
func hashFile(ctx context.Context, dir *media.Dir, name string, cold bool, progress func(int64)) (f seal.File, err error) {
	file, err := dir.Open(name)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if cold {
		file.DropCache()
	}
	h := sha256.New()
	buf := make([]byte, hashBuf)
	for {
		if err := ctx.Err(); err != nil {
			return f, err
		}
		n, err := file.Read(buf)
		h.Write(buf[:n])
		f.Size += int64(n)
		if progress != nil && n > 0 {
			progress(int64(n))
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return f, &media.Error{Op: "read", Path: filepath.Join(dir.Path(), filepath.FromSlash(name)), Err: err}
		}
	}
	f.Name, f.SHA256 = name, hex.EncodeToString(h.Sum(nil))
	return f, nil
}
