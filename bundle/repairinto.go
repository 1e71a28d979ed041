package bundle

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Place is the directory that is written where a person names to: in the root of a mount one of its own, satchel-<id>,
// as pack makes it; else to itself.
func (r *Repair) Place(to string) (string, error) {
	root, err := media.IsMountRoot(to)
	switch {
	case errors.Is(err, fs.ErrNotExist): // it will be made
		return to, nil
	case err != nil || !root:
		return to, err
	}
	return filepath.Join(to, dirPrefix+r.Bundle), nil
}

// Into writes the bundle, repaired, into the directory to, and leaves the damaged one as it is. What
// an earlier run has written there is kept. The directory is made if it is not there; a file in
// it that is not as the repaired bundle has it is never written over: that is refused. Errors: those of [Repair.InPlace].
func (r *Repair) Into(ctx context.Context, to string, progress func(int64)) (err error) {
	dst, unlock, err := r.openTarget(ctx, to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock(), dst.dir.Close()) }()
	if err := checkRoom(to, func(cluster int64) int64 { return r.lacking(dst, cluster) }); err != nil {
		return err
	}
	for _, f := range r.d.files() { // all of a drive that is lost are at fault
		if _, small := r.d.small[f.Name]; small || r.d.faulty[f.Name] {
			continue
		}
		if err := r.copyFile(ctx, f, dst, progress); err != nil {
			return err
		}
	}
	if err := r.rebuilding(r.onto(dst)).run(ctx, progress); err != nil {
		return err
	}
	if err := r.writeSmall(dst.dir, func(name string) bool {
		body, err := dst.dir.ReadFile(name, maxIndex)
		return err != nil || !bytes.Equal(body, r.d.small[name])
	}); err != nil {
		return err
	}
	return r.confirm(ctx, to)
}

// openTarget opens the directory for the repaired bundle: an empty one, or one in which an
// earlier run has begun. It is locked.
func (r *Repair) openTarget(ctx context.Context, path string) (dst *driveDir, unlock func() error, err error) {
	if err := r.checkApart(path); err != nil {
		return nil, nil, err
	}
	if err := media.MakeDir(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, nil, err
	}
	dir, err := media.OpenDir(path)
	if err != nil {
		return nil, nil, err
	}
	unlock, err = dir.Lock()
	if errors.Is(err, media.ErrLocked) {
		err = &RefusedError{Dir: path, Reason: "another run is writing there", Busy: true, hint: waitForIt}
	}
	if err != nil {
		return nil, nil, errors.Join(err, dir.Close())
	}
	files, others, err := dir.List(".")
	for _, f := range files {
		if !seal.Known(f.Name, true) {
			others = append(others, f.Name)
		}
	}
	others = slices.DeleteFunc(others, func(name string) bool { return name == seal.CopyDir || isIgnored(name) })
	if err == nil && len(others) > 0 {
		err = &RefusedError{Dir: path, Reason: "it has other files than those of a bundle: " + text.Some(others, 3), hint: "name an empty directory, or one that is not there yet"}
	}
	to := *r.d.driveDir
	to.dir = dir
	if err == nil {
		err = r.sameTarget(ctx, &to)
	}
	if err != nil {
		return nil, nil, errors.Join(err, unlock(), dir.Close())
	}
	return &to, unlock, nil
}

// checkApart refuses a directory that is that of a drive of the bundle, however it is named, or within it.
func (r *Repair) checkApart(path string) error {
	to, err := media.Real(path)
	if err != nil {
		return err
	}
	dirs := []string{r.Dir}
	for _, d := range r.d.groups.from.drives {
		if d != nil {
			dirs = append(dirs, d.dir.Path())
		}
	}
	for _, dir := range dirs {
		if dir == "" { // a drive that is not here
			continue
		}
		if dir, err = media.Real(dir); err != nil {
			return err
		}
		switch rel, err := filepath.Rel(dir, to); {
		case to == dir:
			return &RefusedError{Dir: path, Reason: "the damaged bundle is there", hint: "name another directory, or repair it in place: without --to"}
		case err == nil && filepath.IsLocal(rel):
			return r.refuseTarget(path, "it is in the directory of the bundle")
		}
	}
	return nil
}

// sameTarget refuses a directory with a file that the repaired
// bundle does not have, or has otherwise: that may be another bundle, or a newer copy of this one.
func (r *Repair) sameTarget(ctx context.Context, to *driveDir) error {
	path := to.dir.Path()
	body, err := to.dir.ReadFile(seal.DriveName, seal.MaxSize)
	if err == nil && !bytes.Equal(body, r.d.bodies[seal.DriveName]) {
		return r.refuseTarget(path, r.foreign(body)+" is there")
	}
	for _, sub := range []string{".", seal.CopyDir} {
		files, _, err := to.dir.List(sub)
		if missing(err) {
			continue
		}
		if err != nil {
			return err
		}
		for _, f := range files {
			if strings.HasSuffix(f.Name, media.TempSuffix) || isIgnored(f.Name) {
				continue
			}
			same, err := r.sameFile(ctx, to, inSub(sub, f.Name))
			if err != nil {
				return err
			}
			if !same {
				return r.refuseTarget(path, inSub(sub, f.Name)+" there is not as the repaired bundle has it, and would be written over")
			}
		}
	}
	return nil
}

// foreign says what another drive.json than that of the drive is of.
func (r *Repair) foreign(body []byte) string {
	if d, err := seal.ParseDrive(unixLines(body)); err == nil && d.Bundle == r.Bundle && d.Of > 0 && d.Drive != r.Drive.Number {
		return DriveLabel{d.Bundle, d.Drive, d.Of}.String() + " of the same bundle"
	}
	return "another bundle"
}

func inSub(sub, name string) string {
	if sub == "." {
		return name
	}
	return sub + "/" + name
}

func (r *Repair) refuseTarget(path, reason string) error {
	return &RefusedError{Dir: path, Reason: reason, hint: "name an empty directory, or one that is not there yet"}
}

// sameFile reports whether a file of the target is as the repaired bundle has it.
func (r *Repair) sameFile(ctx context.Context, to *driveDir, name string) (bool, error) {
	if want, small := r.d.small[name]; small {
		body, err := to.dir.ReadFile(name, maxIndex)
		return bytes.Equal(body, want), err
	}
	for _, f := range r.d.files() {
		if f.Name == name {
			return to.holds(ctx, f), ctx.Err()
		}
	}
	return false, nil
}

// copyFile copies a file that is whole.
func (r *Repair) copyFile(ctx context.Context, f seal.File, dst *driveDir, progress func(int64)) error {
	if dst.holds(ctx, f) {
		if progress != nil {
			progress(f.Size)
		}
		return nil
	}
	in, err := r.d.dir.Open(f.Name)
	if err != nil {
		return r.unread(f, err)
	}
	defer func() { _ = in.Close() }() // it is only read
	file, err := dst.dir.Create(f.Name)
	if err != nil {
		return err
	}
	if progress == nil {
		progress = func(int64) {}
	}
	w := copyWriter{CopyOptions: CopyOptions{Progress: progress}}
	sum, rerr, werr := w.pass(ctx, file, in, in.Size)
	switch {
	case werr != nil:
		return errors.Join(werr, file.Abort())
	case ctx.Err() != nil:
		return errors.Join(ctx.Err(), file.Abort())
	case rerr != nil || sum != f.SHA256:
		return errors.Join(r.unread(f, rerr), file.Abort())
	}
	return dst.commit(ctx, file, f)
}

// unread notes that a file that was whole cannot be read any more, or has other bytes now. It gives the error if the
// whole drive has gone.
func (r *Repair) unread(f seal.File, err error) error {
	if gone := r.d.gone(err); gone != nil {
		return gone
	}
	r.fail(f.Name, "it was whole when it was read first, and is not any more: the drive is failing; run the same command again, which rebuilds it if parity can")
	return nil
}

// onto gives the drive directory that is written for the one that is repaired.
func (r *Repair) onto(dst *driveDir) holders {
	h := r.d.groups.from
	if h.of == nil {
		return alone(dst)
	}
	h.drives = map[int]*driveDir{dst.drive.Drive: dst}
	return h
}
