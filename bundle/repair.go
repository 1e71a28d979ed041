package bundle

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/parity"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Repair is what can be done about a damaged bundle. Nothing is written before
// [Repair.InPlace] or [Repair.Into].
type Repair struct {
	Dir         string
	Bundle      string
	Fingerprint Fingerprint
	Faults      []Fault
	Remedies    []Remedy // of every file that is not as it was, in name order
	Size        int64    // bytes of all files of the bundle
	Unfinished  error    // where nothing is damaged: a rekey, a signing or an adding of parity that was interrupted

	d *diagnosis
}

// RepairError says that not all of a bundle could be made what it was.
type RepairError struct {
	Dir   string
	Files []string // that are damaged still
}

func (e *RepairError) Error() string {
	return fmt.Sprintf("the bundle in %s is damaged still: %s cannot be rebuilt", e.Dir, text.Some(e.Files, 3))
}

// Hint says what to do now.
func (e *RepairError) Hint() string {
	return "take another copy of the bundle, or pack again; nothing that was whole has been changed"
}

// Permanent is true: trying again does not bring the bytes back.
func (e *RepairError) Permanent() bool { return true }

// FindRepair reads all of the bundle in dir, as [Verify] does, and finds out what can be rebuilt
// of what is damaged, without a key: segments from parity, small files from their second
// copies, and copies from their originals. Close it. Errors: those of [Verify] where there is
// nothing to check, *[DamageError] where the seals and their copies are lost.
func FindRepair(ctx context.Context, dir string, want Wanted, progress func(int64)) (r *Repair, err error) {
	s, err := openToRepair(dir, want)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.dir.Close())
		}
	}()
	v := verification{driveDir: s, opts: VerifyOptions{Cold: true, Progress: progress}, suspects: map[string]bool{}}
	for _, f := range s.faults {
		v.suspects[f.File] = true
	}
	if err := v.run(ctx); err != nil {
		return nil, err
	}
	for _, name := range s.crlf {
		s.fault(name, "has other line ends than it had")
	}
	slices.SortFunc(s.faults, func(a, b Fault) int { return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.What, b.What)) })
	d, err := s.diagnose(ctx, s.faults, nil)
	if err != nil {
		return nil, err
	}
	var unfinished error
	if len(s.faults) == 0 {
		unfinished = v.outcome()
		d.small, d.origin = map[string][]byte{}, map[string]string{}
		d.readSmall() // for [Repair.Into]
	}
	r = &Repair{Dir: s.dir.Path(), Bundle: s.drive.Bundle, Fingerprint: s.finger, Faults: s.faults, Remedies: d.remedies, Unfinished: unfinished, d: d}
	for _, f := range s.files() {
		r.Size += f.Size
	}
	return r, nil
}

// Close releases the directory.
func (r *Repair) Close() error { return r.d.dir.Close() }

// lost gives the error of files that stay damaged, nil if there are none.
func (r *Repair) lost(dir string) error {
	var names []string
	for _, m := range r.Remedies {
		if m.Lost != "" {
			names = append(names, m.File)
		}
	}
	if names == nil {
		return nil
	}
	return &RepairError{Dir: dir, Files: names}
}

// InPlace repairs the bundle where it is. What is rebuilt is written beside what is damaged, read
// again, compared with the seals, and only then takes its place; nothing else is touched. So
// interrupted anywhere, the bundle is no worse than before. At the end everything is read again. Files that
// turn out to be lost are in Remedies then. Errors: *[RepairError], *[SpaceError], *[DriveError], *[RefusedError].
func (r *Repair) InPlace(ctx context.Context, progress func(int64)) (err error) {
	unlock, err := r.d.dir.Lock()
	if errors.Is(err, media.ErrLocked) {
		return &RefusedError{Dir: r.Dir, Reason: "another run is changing this bundle", Busy: true, hint: waitForIt}
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := r.d.dir.Probe(); err != nil {
		return err
	}
	if err := r.checkRoom(r.Dir, r.largestGroup()); err != nil {
		return err
	}
	if err := r.writeSmall(r.d.dir, func(name string) bool { return r.d.faulty[name] }); err != nil {
		return err
	}
	if err := r.rebuild(ctx, r.d.driveDir, progress); err != nil {
		return err
	}
	return r.confirm(ctx, r.Dir)
}

// checkRoom refuses a directory that has not enough room.
func (r *Repair) checkRoom(dir string, need int64) error {
	room, err := SpaceOf(dir)
	if err != nil || room.Unknown || need == 0 {
		return err
	}
	if need += 4 << 20; need > room.Free { // and small files
		return &SpaceError{Dir: dir, Need: need, Free: room.Free}
	}
	return nil
}

// largestGroup is the most that stands beside damaged files at a time.
func (r *Repair) largestGroup() (most int64) {
	for _, s := range r.d.surveys {
		for _, list := range [][]seal.File{s.Damaged(), s.DamagedParity()} {
			n := int64(0)
			for _, f := range list {
				n += f.Size
			}
			most = max(most, n)
		}
	}
	return most
}

// writeSmall writes the small files that wanted names, the seals last.
func (r *Repair) writeSmall(dir *media.Dir, wanted func(string) bool) error {
	if err := dir.Mkdir(seal.CopyDir); err != nil {
		return err
	}
	last := []string{seal.ExtrasName, seal.DriveName, seal.BundleName}
	names := slices.SortedFunc(maps.Keys(r.d.small), func(a, b string) int {
		return cmp.Or(cmp.Compare(slices.Index(last, a), slices.Index(last, b)), cmp.Compare(a, b))
	})
	for _, name := range names {
		if !wanted(name) || r.Remedy(name).Lost != "" {
			continue
		}
		if err := dir.WriteFile(name, r.d.small[name]); err != nil {
			return err
		}
	}
	return nil
}

// Remedy is that of a file, the zero value if nothing is wrong with it.
func (r *Repair) Remedy(name string) Remedy {
	for _, m := range r.Remedies {
		if m.File == name {
			return m
		}
	}
	return Remedy{}
}

// rebuild writes segments, then parity files, of all groups into a drive directory.
func (r *Repair) rebuild(ctx context.Context, to *driveDir, progress func(int64)) error {
	for i, s := range r.d.surveys {
		if err := r.rebuildSegments(ctx, s, to, progress); err != nil {
			return err
		}
		g := parity.GroupOf(*r.d.parity, r.d.groups[i])
		if err := r.rebuildParity(ctx, g, to, progress); err != nil {
			return err
		}
	}
	return nil
}

// rebuilt is a file that is written beside the damaged one.
type rebuilt struct {
	want seal.File
	file *media.Pending
	hash interface {
		io.Writer
		Sum([]byte) []byte
	}
}

func (b *rebuilt) Write(p []byte) (int, error) {
	b.hash.Write(p)
	return b.file.Write(p)
}

// rebuildSegments rebuilds the segments of a group from which nothing is lost.
func (r *Repair) rebuildSegments(ctx context.Context, s *parity.Survey, to *driveDir, progress func(int64)) (err error) {
	var list []*rebuilt
	defer func() {
		for _, b := range list {
			err = errors.Join(err, b.file.Abort())
		}
	}()
	outs := map[string]io.Writer{}
	for _, f := range s.Damaged() {
		if r.Remedy(f.Name).Lost != "" || to.holds(ctx, f) {
			continue
		}
		file, err := to.dir.Create(f.Name)
		if err != nil {
			return err
		}
		b := &rebuilt{f, file, sha256.New()}
		list, outs[f.Name] = append(list, b), b
	}
	if len(list) == 0 {
		return nil
	}
	if err := s.Rebuild(ctx, r.d.parityFiles(), outs, progress); err != nil {
		return r.d.asDamage(err)
	}
	for len(list) > 0 {
		b := list[0]
		got := seal.File{Name: b.want.Name, Size: b.file.Size(), SHA256: hex.EncodeToString(b.hash.Sum(nil))}
		if got != b.want {
			r.fail(b.want.Name, "what was rebuilt is not what the seals say")
			list = list[1:]
			if err := b.file.Abort(); err != nil {
				return err
			}
			continue
		}
		list = list[1:]
		if err := to.commit(ctx, b.file, b.want); err != nil {
			return err
		}
	}
	return nil
}

// commit gives a file its name once it has been read back from the drive.
func (s *driveDir) commit(ctx context.Context, file *media.Pending, want seal.File) error {
	err := file.Sync()
	if err == nil {
		var got seal.File
		got, err = hashFile(ctx, s.dir, want.Name+media.TempSuffix, true, nil)
		if err == nil && (got.Size != want.Size || got.SHA256 != want.SHA256) {
			err = s.damage(want.Name, "was rebuilt, and the drive holds other bytes than were written: it is failing", nil)
		}
	}
	if err != nil {
		return errors.Join(err, file.Abort())
	}
	return file.Commit()
}

// holds reports whether a directory has a file as it must be, from an earlier run.
func (s *driveDir) holds(ctx context.Context, want seal.File) bool {
	if size, err := s.dir.Stat(want.Name); err != nil || size != want.Size {
		return false
	}
	got, err := hashFile(ctx, s.dir, want.Name, true, nil)
	return err == nil && got == want
}

// fail notes that a file cannot be rebuilt after all.
func (r *Repair) fail(name, why string) {
	for i := range r.Remedies {
		if r.Remedies[i].File == name {
			r.Remedies[i] = Remedy{File: name, Lost: why}
		}
	}
}

// rebuildParity computes the parity files at fault again, once all segments of their group
// are whole.
func (r *Repair) rebuildParity(ctx context.Context, g parity.Group, to *driveDir, progress func(int64)) (err error) {
	outs, files := make([]parity.Output, len(g.Parity)), make([]*media.Pending, len(g.Parity))
	defer func() {
		for _, f := range files {
			if f != nil {
				err = errors.Join(err, f.Abort())
			}
		}
	}()
	for _, f := range g.Data {
		if r.Remedy(f.Name).Lost != "" {
			return nil
		}
	}
	wanted := false
	for i, f := range g.Parity {
		if m := r.Remedy(f.Name); m.From == "" || to.holds(ctx, f) {
			continue
		}
		if files[i], err = to.dir.Create(f.Name); err != nil {
			return err
		}
		outs[i], wanted = files[i], true
	}
	if !wanted {
		return nil
	}
	if _, err := parity.Write(ctx, g, to.parityFiles(), outs, progress); err != nil {
		return to.asDamage(err)
	}
	for i, f := range files {
		if f == nil {
			continue
		}
		files[i] = nil
		if err := to.commit(ctx, f, g.Parity[i]); err != nil {
			return err
		}
	}
	return nil
}

// confirm reads the bundle again: what was to be repaired is as it was. Where nothing is lost,
// all of it must be.
func (r *Repair) confirm(ctx context.Context, dir string) error {
	lost := r.lost(dir)
	rep, err := Verify(ctx, []string{dir}, VerifyOptions{Expect: r.Fingerprint, Cold: true})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if rep == nil || lost == nil {
		return errors.Join(lost, err)
	}
	var damaged []string
	for _, f := range rep.Faults {
		if r.Remedy(f.File).Lost == "" && !isDerived(f.File) {
			damaged = append(damaged, f.String())
		}
	}
	if len(damaged) > 0 {
		return &DamageError{Dir: dir, Faults: rep.Faults, Err: fmt.Errorf("after the repair: %s", text.Some(damaged, 3))}
	}
	return lost
}

func isDerived(name string) bool {
	return name == seal.ReadmeName || name == seal.SumsName || strings.HasPrefix(name, seal.CopyDir+"/")
}

// Into writes the bundle, repaired, into the directory to, and leaves the damaged one as it is. What
// an earlier run has written there is kept. The directory is made if it is not there; a file in
// it that is not as the repaired bundle has it is never written over: that is refused. Errors: those of [Repair.InPlace].
func (r *Repair) Into(ctx context.Context, to string, progress func(int64)) (err error) {
	dst, err := r.openTarget(ctx, to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.dir.Close()) }()
	if err := r.checkRoom(to, r.lacking(dst)); err != nil {
		return err
	}
	for _, f := range r.d.files() {
		if _, small := r.d.small[f.Name]; small || r.d.faulty[f.Name] {
			continue
		}
		if err := r.copyFile(ctx, f, dst, progress); err != nil {
			return err
		}
	}
	if err := r.rebuild(ctx, dst, progress); err != nil {
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
// earlier run has begun.
func (r *Repair) openTarget(ctx context.Context, path string) (*driveDir, error) {
	if err := media.MakeDir(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	dir, err := media.OpenDir(path)
	if err != nil {
		return nil, err
	}
	files, others, err := dir.List(".")
	for _, f := range files {
		if !seal.Known(f.Name, true) {
			others = append(others, f.Name)
		}
	}
	others = slices.DeleteFunc(others, func(name string) bool { return name == seal.CopyDir || name == "lost+found" })
	if err == nil && len(others) > 0 {
		err = &RefusedError{Dir: path, Reason: "it has other files than those of a bundle: " + text.Some(others, 3), hint: "name an empty directory, or one that is not there yet"}
	}
	to := *r.d.driveDir
	to.dir = dir
	if err == nil {
		err = r.sameTarget(ctx, &to)
	}
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return &to, nil
}

// sameTarget refuses the directory of the damaged bundle, and one with a file that the repaired
// bundle does not have, or has otherwise: that may be another bundle, or a newer copy of this one.
func (r *Repair) sameTarget(ctx context.Context, to *driveDir) error {
	path := to.dir.Path()
	if path == r.Dir {
		return &RefusedError{Dir: r.Dir, Reason: "the damaged bundle is there", hint: "name another directory, or repair it in place: without --to"}
	}
	body, err := to.dir.ReadFile(seal.DriveName, seal.MaxSize)
	if err == nil && !bytes.Equal(body, r.d.bodies[seal.DriveName]) {
		return r.refuseTarget(path, "another bundle is there")
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
			if strings.HasSuffix(f.Name, media.TempSuffix) {
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

// lacking is how many bytes the target still needs.
func (r *Repair) lacking(dst *driveDir) (n int64) {
	for _, f := range r.d.files() {
		if size, err := dst.dir.Stat(f.Name); err != nil || size != f.Size {
			n += f.Size
		}
	}
	return n
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
		return err
	}
	file, err := dst.dir.Create(f.Name)
	if err != nil {
		return errors.Join(err, in.Close())
	}
	buf := make([]byte, hashBuf)
	for err == nil {
		var n int
		if err = ctx.Err(); err != nil {
			break
		}
		if n, err = in.Read(buf); n > 0 {
			if _, werr := file.Write(buf[:n]); werr != nil {
				err = werr
			}
			if progress != nil {
				progress(int64(n))
			}
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err = errors.Join(err, in.Close()); err != nil {
		return errors.Join(err, file.Abort())
	}
	return dst.commit(ctx, file, f)
}
