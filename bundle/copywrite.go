package bundle

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci/text"
)

// MostPaced is the most bytes that [CopyOptions] Pace is asked for at once.
const MostPaced = hashBuf

// CopyOptions say how a copy is made.
type CopyOptions struct {
	Progress func(bytes int64)                      // called with bytes just written or read back, concurrently; may be nil
	Pace     func(ctx context.Context, n int) error // called before n bytes are written; may be nil
}

// ReadBackError says that what was written to a drive was not there when it was read back.
type ReadBackError struct {
	Dir   string
	Files []string
}

func (e *ReadBackError) Error() string {
	return fmt.Sprintf("the copy in %s is not whole: what was read back is not what was written: %s", e.Dir, text.Some(e.Files, 5))
}

// Hint says what to do now.
func (e *ReadBackError) Hint() string {
	return "the drive, its cable or its port is failing, or the drive has less room than it says: copy to another drive, and do not use this one"
}

// Permanent is false: another cable may help.
func (e *ReadBackError) Permanent() bool { return false }

// writers is how many files are written at a time: one is read while another is synced.
const writers = 2

// Run writes what is not there, reads every byte of the copy back from the drive, and then
// gives the seals their names. Until then the directory is no bundle, and the next run goes
// on with it. The error is a *[DamageError] if files of the original are not as they were
// written, and are not known from others either: it names all of them, the others are copied,
// and the copy gets no seal, unless only parity files are missing. Others are *[ReadBackError],
// *[DriveError], *[RefusedError].
func (c *Copying) Run(ctx context.Context, opts CopyOptions) error {
	if opts.Progress == nil {
		opts.Progress = func(int64) {}
	}
	if err := c.start(); err != nil {
		return err
	}
	w := &copyWriter{Copying: c, CopyOptions: opts, written: map[string]bool{}}
	var faults []Fault
	var changed []seal.File // an earlier run wrote them, and they are not so any more
	for list := c.missing(); ; list = changed {
		err := w.write(ctx, list)
		for _, f := range changed {
			if w.written[f.Name] {
				c.mended = append(c.mended, f.Name)
			}
		}
		if err != nil {
			return err
		}
		if faults, err = w.notCopied(ctx); err != nil {
			return err
		}
		if !hasAll(faults) {
			return damageOf(c.from.Dir, faults)
		}
		if changed, err = w.readBack(ctx, faults); err != nil {
			return err
		}
		if len(changed) == 0 {
			break
		}
		if err := w.lies(changed); err != nil {
			return err
		}
	}
	if err := c.finish(ctx); err != nil || len(faults) == 0 {
		return err
	}
	return damageOf(c.from.Dir, faults)
}

// lies gives the error of a drive that has something else than this run has written.
func (w *copyWriter) lies(bad []seal.File) error {
	var names []string
	for _, f := range bad {
		if w.written[f.Name] {
			names = append(names, f.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return &ReadBackError{w.path, names}
}

// start makes the directory, and writes into it whose copy it is.
func (c *Copying) start() error {
	if c.into == nil {
		if err := makeDirs(c.path); err != nil {
			return err
		}
		if err := c.open(); err != nil {
			return err
		}
	}
	if !c.begun {
		if err := c.stage(seal.DriveName); err != nil {
			return err
		}
		c.begun = true
	}
	return c.into.Mkdir(seal.CopyDir)
}

// makeDirs makes a directory and the one that it is in, if only these are missing.
func makeDirs(dir string) error {
	for _, d := range []string{filepath.Dir(dir), dir} {
		if _, err := MakeDir(d); err != nil {
			return err
		}
	}
	return nil
}

// stage writes a seal under its temporary name.
func (c *Copying) stage(name string) error {
	p, err := c.into.Create(name)
	if err != nil {
		return err
	}
	if _, err := p.Write(c.from.bodies[strings.TrimPrefix(name, seal.CopyDir+"/")]); err != nil {
		return errors.Join(err, p.Abort())
	}
	return p.Stage()
}

// finish writes the seals that are not there, reads them back, and gives them their names;
// then it removes what interrupted runs have left.
func (c *Copying) finish(ctx context.Context) error {
	var names []string
	for _, f := range c.from.files {
		if turn(f.Name) != turnSeals {
			continue
		}
		if ok, err := c.has(ctx, f.Name, f); ok || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		if err := c.stageRight(ctx, f); err != nil {
			return err
		}
		names = append(names, f.Name)
		c.wrote++
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(sealTurn(a), sealTurn(b)) })
	for _, name := range names {
		if err := c.into.Appear(name); err != nil {
			return err
		}
	}
	c.sealed = true
	return c.sweep()
}

// stageRight writes a seal under its temporary name, unless it is there, and reads it back.
func (c *Copying) stageRight(ctx context.Context, f seal.File) error {
	staged := f.Name + media.TempSuffix
	ok, err := c.has(ctx, staged, f)
	if ok || err != nil {
		return err
	}
	if err := c.stage(f.Name); err != nil {
		return err
	}
	if ok, err = c.has(ctx, staged, f); err == nil && !ok {
		err = &ReadBackError{c.path, []string{staged}}
	}
	return err
}

// sealTurn is the order in which seals get their names: the one that makes a bundle of the
// directory comes last.
func sealTurn(name string) int {
	return slices.Index([]string{seal.CopyDir + "/" + seal.DriveName, seal.CopyDir + "/" + seal.BundleName, seal.DriveName, seal.BundleName}, name)
}

// has reports whether a file is there and is what f says, under a name of its own. The error
// is that of a run that was ended, or of a drive that has gone.
func (c *Copying) has(ctx context.Context, name string, f seal.File) (bool, error) {
	got, err := hashFile(ctx, c.into, name, true, nil)
	if err != nil {
		return false, cmp.Or(ctx.Err(), c.into.Gone(stateOrSeal(c.into), err))
	}
	return got.Size == f.Size && got.SHA256 == f.SHA256, nil
}

// sweep removes the temporary files of interrupted runs.
func (c *Copying) sweep() error {
	var names []string
	for name := range c.found {
		if strings.HasSuffix(name, media.TempSuffix) {
			names = append(names, name)
		}
	}
	return c.into.Remove(names...)
}

// copyWriter is one run of a copy.
type copyWriter struct {
	*Copying
	CopyOptions
	mu      sync.Mutex
	written map[string]bool // by this run
	faults  []Fault         // of the original
}

// write copies files, turn by turn. Those that are not right in the original are noted: the rest
// is copied all the same, so that a run after a repair has little to do.
func (w *copyWriter) write(ctx context.Context, list []seal.File) error {
	for n := turnContent; n < turnSeals; n++ {
		g, gctx := errgroup.WithContext(ctx)
		g.SetLimit(writers)
		for _, f := range list {
			if turn(f.Name) == n {
				g.Go(func() error { return w.copyFile(gctx, f) })
			}
		}
		if err := g.Wait(); err != nil {
			return cmp.Or(ctx.Err(), err)
		}
	}
	return nil
}

// copyFile copies one file, and hashes it as it passes. Only the right bytes get its name.
func (w *copyWriter) copyFile(ctx context.Context, f seal.File) error {
	if _, lost := w.from.lost[f.Name]; lost || ctx.Err() != nil {
		return ctx.Err()
	}
	src, err := w.from.open(f.Name)
	if err != nil {
		return w.blame(f, err)
	}
	defer func() { _ = src.Close() }() // it is only read
	p, err := w.into.Create(f.Name)
	if err != nil {
		return err
	}
	sum, rerr, werr := w.pass(ctx, p, src, f.Size)
	switch {
	case werr != nil:
		return errors.Join(werr, p.Abort())
	case rerr != nil:
		return errors.Join(w.blame(f, rerr), p.Abort())
	case sum != f.SHA256 || p.Size() != f.Size:
		w.fault(f.Name, "has changed: its SHA-256 differs from the recorded one")
		return p.Abort()
	}
	if err := p.Commit(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.written[f.Name] = true
	w.wrote++
	return nil
}

// pass moves at most size bytes, and tells errors of reading from those of writing.
func (w *copyWriter) pass(ctx context.Context, to io.Writer, from io.Reader, size int64) (sum string, rerr, werr error) {
	h, buf := sha256.New(), make([]byte, min(hashBuf, max(size, 1))) // a part may be small
	for from = io.LimitReader(from, size); ; {
		if err := ctx.Err(); err != nil {
			return "", nil, err
		}
		n, err := io.ReadFull(from, buf)
		if n > 0 && w.Pace != nil {
			if err := w.Pace(ctx, n); err != nil {
				return "", nil, err
			}
		}
		h.Write(buf[:n])
		if _, werr := to.Write(buf[:n]); werr != nil {
			return "", nil, werr
		}
		w.Progress(int64(n))
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return hex.EncodeToString(h.Sum(nil)), nil, nil
		case err != nil:
			return "", err, nil
		}
	}
}

// blame notes that a file of the original cannot be read; it gives the error if that is
// because the whole drive has gone.
func (w *copyWriter) blame(f seal.File, err error) error {
	if gone := w.from.dir.Gone(seal.DriveName, err); gone != nil {
		return gone
	}
	w.fault(f.Name, "cannot be read: "+err.Error())
	return nil
}

func (w *copyWriter) fault(name, what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, Fault{name, what})
}

// readBack hashes every file but the seals and those at fault as the drive gives it, and lists
// those that are not what they must be. A copy of many small pieces of a drive that has less room than it
// says is found only now, when all of it is there.
func (w *copyWriter) readBack(ctx context.Context, faults []Fault) (bad []seal.File, err error) {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(hashers())
	lost := map[string]bool{}
	for _, f := range faults {
		lost[f.File] = true
	}
	for _, f := range w.from.files {
		if turn(f.Name) == turnSeals || lost[f.Name] {
			continue
		}
		g.Go(func() error {
			got, err := hashFile(gctx, w.into, f.Name, true, w.Progress)
			if err != nil && gctx.Err() != nil {
				return gctx.Err()
			}
			if gone := w.into.Gone(stateOrSeal(w.into), err); gone != nil {
				return gone
			}
			if err != nil || got != f {
				w.mu.Lock()
				defer w.mu.Unlock()
				bad = append(bad, f)
			}
			return nil
		})
	}
	err = g.Wait()
	return bad, cmp.Or(ctx.Err(), err)
}

// stateOrSeal is the file that must be there if the drive is.
func stateOrSeal(d *media.Dir) string {
	if _, err := d.Stat(stateName); err == nil {
		return stateName
	}
	return seal.DriveName
}
