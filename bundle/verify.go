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
	"time"

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

// Report is what Verify found.
type Report struct {
	Dir               string
	Bundle            string
	Created           time.Time
	Stream            Stream // that it belongs to, the zero value if to none
	Sequence          int
	Fingerprint       Fingerprint // of the seal; "" if only its second copy can be read
	Plain             bool        // it is not encrypted
	Files             int         // files of the bundle
	Bytes             int64       // in them
	Faults            []Fault
	Leftovers         []string   // temporary files of a crash; harmless
	UnfinishedRekey   []string   // key files of a rekey that was interrupted
	UnfinishedSigning []string   // signatures of a signing that was interrupted
	UnfinishedParity  []string   // files of an adding of parity that was interrupted
	Protection        Protection // what parity files can rebuild
	Signed            []Signed   // who has signed it; without principals: nobody has asked whose key it is, or it does not count
	Unlisted          []string   // signature files that extras.json and SHA256SUMS do not name
	LineEnds          []string   // files whose line ends a copy has changed
	Renamed           bool       // a copy has changed how names are written; they are understood
}

// SealedSize gives the bytes that [Verify] will read, for a progress bar.
func SealedSize(dirs []string, want Wanted) (n int64, err error) {
	s, err := openToVerify(dirs, want)
	if err != nil {
		return 0, err
	}
	for _, f := range s.files() {
		n += f.Size
	}
	return n, s.dir.Close()
}

// CheckSizes compares the seals of the bundle in dirs with each other, the small files that
// follow from them with what they must be, and the names and sizes of all others with the
// seals. It reads no segment. Errors are those of [Verify].
func CheckSizes(ctx context.Context, dirs []string, want Wanted) error {
	s, err := openSeals(dirs, want)
	if err != nil {
		return err
	}
	v := verification{driveDir: s.driveDir}
	v.checkSmall(ctx)
	if err := errors.Join(cmp.Or(ctx.Err(), v.away), s.dir.Close()); err != nil {
		return err
	}
	return v.outcome()
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

// usable gives the error of a bundle that nothing is read from: its seals and the listing
// have shown what is wrong with it. Nobody needs parity files to read a bundle that is whole.
func (s *driveDir) usable() error {
	if len(s.crlf) > 0 && !s.second {
		return &CopyError{Dir: s.dir.Path(), Files: s.crlf, Faults: s.faults}
	}
	if slices.ContainsFunc(s.faults, func(f Fault) bool { return !seal.IsParity(f.File) }) {
		return damageOf(s.dir.Path(), s.faults)
	}
	return nil
}

// Verify checks every byte of the bundle in dirs, without a key, on all cores and
// in constant memory. Faults are listed in the report, all of them; the error is
// a *[DamageError] if there is any, a *[CopyError] if a copy has changed line ends or
// names, a *[RekeyError], *[SigningError] or *[ParityError] if all that is wrong is a rekey, a signing or an adding of parity that did not get to its end; an *[UnfinishedError], *[NoBundleError],
// *[NeedsError], *[FingerprintError] or *[TrustError] if there was nothing to check.
func Verify(ctx context.Context, dirs []string, opts VerifyOptions) (*Report, error) {
	s, err := openToVerify(dirs, Wanted{Expect: opts.Expect, Trust: opts.Trust})
	var damage *DamageError
	if errors.As(err, &damage) {
		return &Report{Dir: damage.Dir, Faults: damage.Faults}, err
	}
	if err != nil {
		return nil, err
	}
	v := verification{driveDir: s.driveDir, opts: opts, suspects: map[string]bool{}}
	for _, f := range s.faults {
		v.suspects[f.File] = true
	}
	err = v.run(ctx)
	if err := errors.Join(err, s.dir.Close()); err != nil {
		return nil, err
	}
	err = v.outcome()
	finger := s.finger
	if s.second {
		finger = "" // a copy alone shows nothing of that
	}
	return &Report{
		Dir: s.dir.Path(), Bundle: s.bundle.Bundle, Created: s.bundle.Created, Stream: streamOf(s.bundle), Sequence: s.bundle.Sequence, Fingerprint: finger, Plain: s.plain(),
		Files: v.files, Bytes: v.bytes, Faults: s.faults, Leftovers: s.temps, UnfinishedRekey: v.pending,
		LineEnds: s.crlf, Renamed: s.renamed, UnfinishedSigning: v.signing, UnfinishedParity: v.adding, Protection: v.protection(), Signed: s.signed(), Unlisted: s.unlisted(),
	}, err
}

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
