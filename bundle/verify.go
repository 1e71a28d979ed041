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

// Verify checks every byte of the bundle in dirs, without a key, on all cores and in constant
// memory; drives on different devices at the same time. Of several drives each is checked by its
// own seal, and if the last one is here, by the bundle's; one alone may be any of them. Faults are
// listed in the report, all of them; the error is a *[DamageError] if there is any, a *[CopyError]
// if a copy has changed line ends or names, a *[RekeyError], *[SigningError] or *[ParityError] if
// all that is wrong is a rekey, a signing or an adding of parity that did not get to its end, an
// *[AwayError] if all that is wrong is that several drives are here and not all; an
// *[UnfinishedError], *[NoBundleError], *[NeedsError], *[FingerprintError] or *[TrustError] if
// there was nothing to check.
func Verify(ctx context.Context, dirs []string, opts VerifyOptions) (*Report, error) {
	o, err := openToVerify(dirs, Wanted{Expect: opts.Expect, Trust: opts.Trust})
	if damage, ok := errors.AsType[*DamageError](err); ok {
		return &Report{Dir: damage.Dir, Faults: damage.Faults}, err
	}
	if err != nil {
		return nil, err
	}
	r, found, err := o.verify(ctx, opts)
	if err := errors.Join(err, o.close()); err != nil {
		return nil, err
	}
	return r, found
}

// verify looks at each drive. found is what is wrong with the bundle; err is why it is not known.
func (o *opened) verify(ctx context.Context, opts VerifyOptions) (r *Report, found, err error) {
	r = &Report{}
	o.describe(r)
	var list []*verification
	for _, d := range o.drives {
		v := &verification{driveDir: d, opts: opts, suspects: map[string]bool{}}
		for _, f := range d.faults {
			v.suspects[f.File] = true
		}
		list = append(list, v)
	}
	if err := runAll(ctx, list, onOneDevice(list)); err != nil {
		return nil, nil, err
	}
	for _, v := range list {
		wrong := v.outcome()
		r.add(v, wrong)
		found = also(found, wrong)
	}
	if begun := o.rekeyed(); begun != nil && len(r.UnfinishedRekey) == 0 {
		r.UnfinishedRekey, found = begun.Files, also(found, begun)
	}
	all, err := diagnoseDrives(ctx, o.drives, o.names, o.unread, nil)
	if err != nil {
		return nil, nil, err
	}
	found = also(found, o.judge(r, all))
	if found == nil && len(r.Away) > 0 && len(r.Drives) > 1 {
		found = &AwayError{Drives: r.Away}
	}
	return r, found, nil
}

// unread reports whether a drive is here of which the seals are lost. One that was copied badly can be copied again.
func (o *opened) unread(number int) bool {
	return slices.ContainsFunc(o.broken, func(b DriveReport) bool { return (b.Number == number || b.Number == 0) && !copiedBadly(b.Err) })
}

// judge takes in what can be done about the faults, and what is known of drives that were not looked at. The error is that
// of the drives whose seals cannot be read.
func (o *opened) judge(r *Report, all *drivesDiagnosis) (found error) {
	for i := range r.Drives {
		if d := all.here[max(1, r.Drives[i].Number)]; d != nil {
			r.Drives[i].Remedies = d.remedies
			r.Remedies = append(r.Remedies, d.remedies...)
		}
	}
	for _, b := range o.broken {
		found = also(found, b.Err)
		r.Faults, r.Drives = append(r.Faults, b.Faults...), append(r.Drives, b)
	}
	if len(o.names) == 0 {
		r.Drives = nil
	} else if r.Protection.Whole == 0 {
		r.Protection = Protection{} // each drive has its own
	}
	slices.SortFunc(r.Drives, func(a, b DriveReport) int { return cmp.Compare(a.Number, b.Number) })
	for _, name := range o.names {
		if !slices.ContainsFunc(r.Drives, func(d DriveReport) bool { return d.Number == name.Number }) {
			r.Away = append(r.Away, name)
		}
		switch why := all.why[name.Number]; {
		case all.here[name.Number] != nil:
		case all.away[name.Number] != nil && why == "":
			r.Rebuildable = append(r.Rebuildable, name)
		case why != "" && why != tooManyAway && r.Protection.Whole > 0:
			r.Beyond = append(r.Beyond, LostDrive{DriveLabel: name, Why: why})
		}
	}
	return found
}

// mostDevices is how many devices are read at the same time.
const mostDevices = 12

// onOneDevice tells whether two of the drives are on one device, so that reading both at the same time is no faster: what
// pack asks before it writes to both.
func onOneDevice(list []*verification) func(a, b int) bool {
	var on []Mount
	for _, v := range list {
		on = append(on, MountOf(v.dir.Path()))
	}
	return func(a, b int) bool { return on[a].Same(on[b]) }
}

// runAll checks drives on different devices at the same time, and those on one device in turn.
func runAll(ctx context.Context, list []*verification, same func(a, b int) bool) error {
	var lines [][]int // each for one device
	for n := range list {
		i := slices.IndexFunc(lines, func(line []int) bool { return same(n, line[0]) })
		if i < 0 {
			i, lines = len(lines), append(lines, nil)
		}
		lines[i] = append(lines[i], n)
	}
	together := min(len(lines), mostDevices)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, together))
	for _, line := range lines {
		g.Go(func() error {
			for _, n := range line {
				if err := list[n].run(gctx, max(1, hashers()/together)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// SealedSize gives the bytes that [Verify] will read, for a progress bar.
func SealedSize(dirs []string, want Wanted) (n int64, err error) {
	o, err := openToVerify(dirs, want)
	if err != nil {
		return 0, err
	}
	for _, d := range o.drives {
		for _, f := range d.files() {
			n += f.Size
		}
	}
	return n, o.close()
}

// CheckSizes compares the seals of the bundle in dirs with each other, the small files that
// follow from them with what they must be, and the names and sizes of all others with the
// seals. It reads no segment. Of several drives the last one must be here, and those that are
// not are not looked at. Errors are those of [Verify].
func CheckSizes(ctx context.Context, dirs []string, want Wanted) error {
	return checkSizes(ctx, dirs, want, func(*driveDir) []Fault { return nil })
}

// checkSizes is [CheckSizes] that does not report faults which are known of a drive.
func checkSizes(ctx context.Context, dirs []string, want Wanted, known func(*driveDir) []Fault) error {
	s, err := openSeals(dirs, want)
	if err != nil {
		return err
	}
	var found error
	for _, d := range s.drives() {
		v := verification{driveDir: d}
		v.checkSmall(ctx)
		if err := cmp.Or(ctx.Err(), v.away); err != nil {
			return errors.Join(err, s.close())
		}
		d.faults = slices.DeleteFunc(d.faults, func(f Fault) bool { return slices.Contains(known(d), f) })
		found = also(found, v.outcome())
	}
	if err := s.close(); err != nil {
		return err
	}
	return found
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

// run hashes the files of the drive, so many at a time.
func (v *verification) run(ctx context.Context, atOnce int) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
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
	if v.shown(f.Name) {
		return nil
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
	case got != f && v.wasConverted(f.Name, []seal.File{f}):
		v.crlf = append(v.crlf, f.Name)
	case got.Size != f.Size && isText(f.Name):
		v.fault(f.Name, "has another length than it had")
	case got.Size != f.Size:
		v.fault(f.Name, "changed its length while it was read")
	case got != f:
		v.fault(f.Name, "has changed: its SHA-256 differs from the recorded one")
	}
	return nil
}

// shown reports whether the listing has shown what is wrong with a file.
func (v *verification) shown(name string) bool {
	v.mu.Lock() // others that are hashed are added
	defer v.mu.Unlock()
	return v.suspects[name] || isText(name) && slices.Contains(v.crlf, name)
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
