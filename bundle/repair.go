package bundle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Repair is what can be done about a damaged bundle. Nothing is written before
// [Repair.InPlace] or [Repair.Into].
type Repair struct {
	Dir         string
	Bundle      string
	Fingerprint Fingerprint
	Plain       bool // it is not encrypted
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
	return "take another copy of the bundle; or have the host that packed it make a supplement: satchel verify --lost FILE lists what that needs; nothing that was whole has been changed"
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
	r = &Repair{Dir: s.dir.Path(), Bundle: s.drive.Bundle, Fingerprint: s.finger, Plain: s.plain(), Faults: s.faults, Remedies: d.remedies, Unfinished: unfinished, d: d}
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
		return &SpaceError{Dir: dir, Need: need, Free: room.Free, MustHold: true}
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
