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
	Dir         string     // "" for a drive that is not here
	Drive       DriveLabel // the zero value in a bundle of one
	Bundle      string
	Fingerprint Fingerprint // "" for a drive that is not the last one
	Plain       bool        // it is not encrypted
	Faults      []Fault
	Remedies    []Remedy // of every file that is not as it was, in name order
	Size        int64    // bytes of all files of the bundle
	Done        bool     // [RepairSet.InPlace] did what can be done, and all was read again
	Unfinished  error    // where nothing is damaged: a rekey, a signing or an adding of parity that was interrupted

	d      *diagnosis
	beside []string // directories of the other drives that were named
}

// RepairError says that not all of a bundle could be made what it was.
type RepairError struct {
	Dir    string
	Beside []string // directories of the other drives that were named
	Files  []string // that are damaged still, and cannot be rebuilt
	Extra  []string // that are not of the bundle

	Open []string     // that are damaged still, and of which only drives that are not here show whether they can be rebuilt
	Away []DriveLabel // those drives
}

func (e *RepairError) Error() string {
	open := text.Some(e.Open, 3) + " can be rebuilt only with the other drives there"
	switch {
	case len(e.Files)+len(e.Open) == 0:
		return fmt.Sprintf("the bundle in %s has all that it had; beside it is %s, which is not of the bundle", e.Dir, text.Some(e.Extra, 3))
	case len(e.Files) == 0:
		return fmt.Sprintf("the bundle in %s is damaged still: %s", e.Dir, open)
	case len(e.Open) > 0:
		return fmt.Sprintf("the bundle in %s is damaged still: %s cannot be rebuilt; %s", e.Dir, text.Some(e.Files, 3), open)
	}
	return fmt.Sprintf("the bundle in %s is damaged still: %s cannot be rebuilt", e.Dir, text.Some(e.Files, 3))
}

// Hint says what to do now.
func (e *RepairError) Hint() string {
	switch {
	case len(e.Files)+len(e.Open) == 0:
		return "delete what is not of the bundle, if nobody needs it, and verify again"
	case len(e.Files) == 0:
		return WithDrives(e.Away)
	case len(e.Open) > 0:
		return WithDrives(e.Away) + "; for what cannot be rebuilt, " + anotherCopy
	case !slices.ContainsFunc(e.Files, func(name string) bool { return !seal.IsAdded(strings.TrimPrefix(name, seal.CopyDir+"/")) }):
		return "the bundle can be unpacked as it is; to have all its parity again, take another copy of it, or pack it again; nothing that was whole has been changed"
	}
	return anotherCopy
}

const anotherCopy = "take another copy of the bundle; or have the host that packed it make a supplement, by a list of what is lost; nothing that was whole has been changed"

// Permanent is true: trying again does not bring the bytes back.
func (e *RepairError) Permanent() bool { return true }

// FindRepair is [FindRepairs] for a bundle of one drive, or for one drive of several by itself.
func FindRepair(ctx context.Context, dir string, want Wanted, progress func(int64)) (*Repair, error) {
	s, err := FindRepairs(ctx, []string{dir}, want, progress)
	if err != nil {
		return nil, err
	}
	if len(s.Drives) > 1 {
		err := &RefusedError{Dir: dir, Reason: "it has several drives of a bundle", hint: "name the directory of one of them, such as " + s.Drives[0].Dir}
		return nil, errors.Join(err, s.Close())
	}
	return s.Drives[0], nil
}

// findFaults reads all of a drive directory, as [Verify] does. unfinished is what was interrupted on it, where
// nothing is at fault.
func findFaults(ctx context.Context, s *driveDir, progress func(int64)) (unfinished, err error) {
	v := verification{driveDir: s, opts: VerifyOptions{Cold: true, Progress: progress}, suspects: map[string]bool{}}
	for _, f := range s.faults {
		v.suspects[f.File] = true
	}
	if err := v.run(ctx, hashers()); err != nil {
		return nil, err
	}
	for _, name := range s.crlf {
		s.fault(name, "has other line ends than it had")
	}
	slices.SortFunc(s.faults, func(a, b Fault) int { return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.What, b.What)) })
	if len(s.faults) == 0 {
		unfinished = v.outcome()
	}
	return unfinished, nil
}

// newRepair is the repair of a drive by its diagnosis.
func newRepair(d *diagnosis, unfinished error) *Repair {
	if len(d.driveDir.faults) == 0 {
		d.readSmall() // for [Repair.Into]
	}
	r := &Repair{Bundle: d.drive.Bundle, Fingerprint: d.finger, Plain: d.plain(), Faults: d.driveDir.faults, Remedies: d.remedies, Unfinished: unfinished, d: d}
	if d.dir != nil {
		r.Dir = d.dir.Path()
	}
	if d.drive.Of > 0 {
		r.Drive = DriveLabel{d.drive.Bundle, d.drive.Drive, d.drive.Of}
	}
	for _, f := range d.files() {
		r.Size += f.Size
	}
	return r
}

// Close releases the directory.
func (r *Repair) Close() error { return r.d.dir.Close() }

// lost gives the error of files that stay damaged, nil if there are none.
func (r *Repair) lost(dir string) error {
	err := LostError(dir, r.Remedies)
	if e, ok := errors.AsType[*RepairError](err); ok {
		e.Beside = r.beside
	}
	return err
}

// LostError is the error of files that cannot be rebuilt, nil if all can.
func LostError(dir string, remedies []Remedy) error {
	e := &RepairError{Dir: dir}
	for _, m := range remedies {
		switch {
		case m.Extra:
			e.Extra = append(e.Extra, m.File)
		case m.Lost != "":
			e.Files = append(e.Files, m.File)
		case m.Open():
			e.Open, e.Away = append(e.Open, m.File), m.Away
		}
	}
	if len(e.Files)+len(e.Extra)+len(e.Open) == 0 {
		return nil
	}
	return e
}

// InPlace repairs the drive where it is. What is rebuilt is written beside what is damaged, read
// again, compared with the seals, and only then takes its place; nothing else is touched. So
// interrupted anywhere, the bundle is no worse than before. At the end everything is read again. Files that
// turn out to be lost are in Remedies then. Where the drive has no room for the files of groups, the small files are
// repaired, and Remedies says which wait for room. Errors: *[RepairError], *[SpaceError], *[DriveError], *[RefusedError].
func (r *Repair) InPlace(ctx context.Context, progress func(int64)) (err error) {
	unlock, err := r.hold()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := r.writeSmall(r.d.dir, func(name string) bool { return r.d.faulty[name] }); err != nil {
		return err
	}
	if full := checkRoom(r.Dir, r.growth); full != nil {
		return cmp.Or(r.readBack(ctx, r.Dir), r.wait(full))
	}
	if err := r.rebuilding(r.onto(r.d.driveDir)).run(ctx, progress); err != nil {
		return err
	}
	return r.confirm(ctx, r.Dir)
}

// hold keeps other runs away from the directory, which must have room.
func (r *Repair) hold() (unlock func() error, err error) {
	unlock, err = r.d.dir.Lock()
	if errors.Is(err, media.ErrLocked) {
		return nil, &RefusedError{Dir: r.Dir, Reason: "another run is changing this bundle", Busy: true, hint: waitForIt}
	}
	if err != nil {
		return nil, err
	}
	if !maps.Equal(r.d.seen, r.d.changing()) {
		err = &RefusedError{Dir: r.Dir, Reason: "the bundle was changed since it was read: by a rekey, sign, parity or another repair", hint: "run the same command again"}
	}
	if err == nil {
		err = r.d.dir.Probe()
	}
	if err == nil {
		err = checkRoom(r.Dir, r.smallGrowth)
	}
	if err != nil {
		return nil, errors.Join(err, unlock())
	}
	return unlock, nil
}

// work is the bytes of segments and parity files that are rebuilt, or of the segments from which they are
// computed anew.
func (r *Repair) work() (n int64) {
	own := map[string]bool{}
	for _, f := range r.d.files() {
		own[f.Name] = true
	}
	for i, s := range r.d.groups.surveys {
		g := r.d.groups.parity.Groups[r.d.groups.numbers[i]]
		wanted := func(f seal.File) bool { return own[f.Name] && r.Remedy(f.Name).From != "" }
		if !s.HasTable() && slices.ContainsFunc(g.Parity, wanted) {
			n += sizes(g.Data)
			continue
		}
		for _, f := range slices.Concat(g.Data, g.Parity) {
			if wanted(f) {
				n += f.Size
			}
		}
	}
	return n
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
		if m := r.Remedy(name); !wanted(name) || m.Lost != "" || m.Open() {
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
	i, ok := slices.BinarySearchFunc(r.Remedies, name, func(m Remedy, name string) int { return strings.Compare(m.File, name) })
	if !ok {
		return Remedy{}
	}
	return r.Remedies[i]
}

// confirm reads the bundle again: what was to be repaired is as it was. Where nothing is lost,
// all of it must be.
func (r *Repair) confirm(ctx context.Context, dir string) error {
	lost := r.lost(dir)
	if err := r.readBack(ctx, dir); err != nil {
		return err
	}
	rep, err := Verify(ctx, []string{dir}, VerifyOptions{Expect: r.Fingerprint, Cold: true})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if rep == nil || lost == nil {
		return errors.Join(lost, err)
	}
	var damaged []string
	for _, f := range rep.Faults {
		if m := r.Remedy(f.File); m.Lost == "" && !m.Open() && !isDerived(f.File) {
			damaged = append(damaged, f.String())
		}
	}
	if len(damaged) > 0 {
		return &DamageError{Dir: dir, Faults: rep.Faults, Err: fmt.Errorf("after the repair: %s", text.Some(damaged, 3))}
	}
	return lost
}

// readBack reads the small files again that were written, and compares them with what they must be: by themselves they
// say only that they agree with each other.
func (r *Repair) readBack(ctx context.Context, path string) (err error) {
	dir, err := media.OpenDir(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	to := driveDir{dir: dir}
	for _, name := range slices.Sorted(maps.Keys(r.d.small)) {
		m := r.Remedy(name)
		if m.From == "" && path == r.Dir || m.Lost != "" || m.Open() {
			continue
		}
		if !to.holds(ctx, seal.FileOf(name, r.d.small[name])) && ctx.Err() == nil {
			return to.damage(name, "was written, and the drive holds other bytes: it is failing", nil)
		}
	}
	return ctx.Err()
}

func isDerived(name string) bool {
	return name == seal.ReadmeName || name == seal.SumsName || strings.HasPrefix(name, seal.CopyDir+"/")
}

// rebuilding rebuilds files of groups that are at fault to where they belong.
func (r *Repair) rebuilding(to holders) rebuilding {
	return rebuilding{r.d.groups, to, r.Remedy, r.fail}
}

// fail notes that a file cannot be rebuilt after all.
func (r *Repair) fail(name, why string) {
	for i := range r.Remedies {
		if r.Remedies[i].File == name {
			r.Remedies[i] = Remedy{File: name, Lost: why}
			return
		}
	}
	r.Remedies = append(r.Remedies, Remedy{File: name, Lost: why}) // it was whole until now
	slices.SortFunc(r.Remedies, func(a, b Remedy) int { return strings.Compare(a.File, b.File) })
}
