package pack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/places"
	"github.com/satchel-airgap/satchel/oci/text"
)

// slots are the places that drives go to, and what is in them.
type slots struct {
	places.Places
	in map[int]string          // the place of each drive that is there
	on map[string]bundle.Mount // where each place was
}

// several reports whether a bundle may be spread over several drives.
func (o Options) several() bool { return len(o.Dirs) > 1 || o.Drives.Size > 0 }

// findSlots finds out what the directories are.
func (p *packing) findSlots(ctx context.Context) (err error) {
	dirs := p.opts.Dirs
	if len(dirs) == 0 {
		dirs = []string{p.opts.Dir}
	}
	p.slots = &slots{in: map[int]string{}, on: map[string]bundle.Mount{}}
	for _, dir := range dirs {
		if err := p.checkPlace(ctx, dir); err != nil {
			return err
		}
	}
	p.slots.Places, err = places.Find(dirs, p.opts.Drives)
	if err == nil && p.slots.Staging {
		if was, err := bundle.WasSlot(dirs[0], p.opts.State, p.opts.Job); err != nil || was {
			return cmp.Or(err, p.slots.on[dirs[0]].Empty())
		}
	}
	p.opts.Job.Mounted = p.slots.Mounted
	p.opts.Job.DriveSize, p.opts.Job.Staging = p.opts.Drives.Size, p.slots.Staging
	return err
}

// checkPlace is checkMount for one of several places.
func (p *packing) checkPlace(ctx context.Context, dir string) error {
	was := p.opts.Dir
	defer func() { p.opts.Dir = was }()
	p.opts.Dir = dir
	err := p.checkMount(ctx)
	p.slots.on[dir] = p.on
	return err
}

// places lists the directories in which drives may be now.
func (s *slots) places() (list []string) {
	if !s.Staging {
		return s.Dirs
	}
	for k := 1; k <= bundle.MaxDrives; k++ { // some may have been moved to their drives
		if info, err := os.Stat(s.Dir(k)); err == nil && info.IsDir() {
			list = append(list, s.Dir(k))
		}
	}
	return list
}

// place finds a place for a drive: its own on a staging disk, else the first one that is free, "" for none.
func (p *packing) place(drive int) (string, error) {
	if p.slots.Staging {
		_, err := bundle.MakeDir(p.slots.Dir(drive))
		return p.slots.Dir(drive), err
	}
	if free := p.free(); len(free) > 0 {
		return free[0], nil
	}
	return "", nil
}

// free lists the places that no drive has; last those from which a finished one has to leave first.
func (p *packing) free() (list []string) {
	for _, leaving := range []bool{false, true} {
		for _, dir := range p.slots.Dirs {
			if !p.slots.taken(dir) && (p.left[dir] != "") == leaving {
				list = append(list, dir)
			}
		}
	}
	return list
}

func (s *slots) taken(dir string) bool {
	return slices.Contains(slices.Collect(maps.Values(s.in)), dir)
}

// NextDriveError says that a drive is wanted that is not there. What was written stays, and the
// same command goes on once it is there.
type NextDriveError struct {
	Label    string // of the drive that is wanted
	Dir      string // where it is to be mounted
	Need     int64  // bytes that must be free on it, for one that nothing was written to
	Begun    bool   // it is not a new one: the bundle was begun on it
	Of       int    // how many drives the bundle has
	Finished string // the label of the drive that may leave for it; "" for none
	Why      error  // what is wrong with the drive that is there; may be nil
	Was      string // the other directory in which it was begun; "" for none
	Found    bool   // it is there now
}

func (e *NextDriveError) Error() string {
	s := fmt.Sprintf("drive %s is wanted in %s", e.Label, e.Dir)
	switch {
	case e.isOther() && e.Was != "":
		return fmt.Sprintf("%v; it was begun in %s", e.Why, e.Was)
	case e.isOther():
		return e.Why.Error() // which says it too
	case e.Why != nil:
		return s + ": " + e.Why.Error()
	}
	return s + ": " + e.What()
}

// isOther reports whether another drive of the bundle is there, or none.
func (e *NextDriveError) isOther() bool { return errors.As(e.Why, new(*bundle.WrongDriveError)) }

// Unwrap gives nothing where another drive is there: what to do then, this error says itself.
func (e *NextDriveError) Unwrap() error {
	if e.isOther() {
		return nil
	}
	return e.Why
}

// What says which drive is wanted.
func (e *NextDriveError) What() string {
	if e.Begun {
		return "the one on which it was begun"
	}
	return fmt.Sprintf("a new one with %s free", bundle.FormatSize(e.Need))
}

// Hint says what to do now.
func (e *NextDriveError) Hint() string {
	s := ""
	if e.Finished != "" {
		s = fmt.Sprintf("unmount drive %s and remove it, ", e.Finished)
	}
	if e.Found {
		return fmt.Sprintf("drive %s is in %s now: name that directory too, and run the command again; it resumes there", e.Label, e.Was)
	}
	if e.Begun {
		return s + fmt.Sprintf("mount drive %s at %s and run the same command again; it resumes there. If that drive cannot come back, mount a new one with %s free: all that the others have stays", e.Label, e.Dir, bundle.FormatSize(e.Need))
	}
	return s + fmt.Sprintf("write %s on %s, mount it at %s and run the same command again; it resumes there", e.Label, e.What(), e.Dir)
}

// ErrBeginAgain is the answer that a drive which was begun cannot come back: it is begun again on the one that is there.
var ErrBeginAgain = errors.New("the drive cannot come back")

// Permanent is false: the drive may be mounted.
func (e *NextDriveError) Permanent() bool { return false }

// insert gets a drive into a place: that which is there for it, else one in which it is asked for until it is there.
func (p *packing) insert(ctx context.Context, d bundle.DriveState) error {
	first, err := p.place(d.Number)
	if err != nil {
		return err
	}
	dir, why := first, p.attach(ctx, d, first)
	for _, other := range p.free() {
		if why == nil || !isWrong(why) || p.slots.Staging {
			break
		}
		if other == first {
			continue
		}
		if err := p.attach(ctx, d, other); err == nil || !isWrong(err) {
			why = err
		} else if p.left[other] != "" && p.left[dir] == "" { // something has to leave, and that may
			dir, why = other, err
		}
	}
	for asked := false; why != nil; asked = true {
		if p.slots.Staging {
			why = p.notStaged(d, dir, why)
		}
		if !isWrong(why) || p.slots.Staging || ctx.Err() != nil {
			return cmp.Or(ctx.Err(), why)
		}
		if p.left[dir] != "" && !asked {
			why = nil // it is the one that was just finished
		}
		wanted := &NextDriveError{Label: d.Label, Dir: dir, Need: max(d.Need, p.needOf(d, usualCluster)), Begun: d.Begun, Of: len(p.w.Drives()), Finished: p.left[dir], Why: why}
		wanted.beganIn(d)
		if wrong, ok := errors.AsType[*bundle.WrongDriveError](why); ok && wrong.Finished && wrong.LeftOver == "" {
			wanted.Finished = wrong.Have
		}
		if p.opts.NextDrive == nil {
			return wanted
		}
		now, err := p.opts.NextDrive(ctx, wanted)
		if errors.Is(err, ErrBeginAgain) && d.Begun {
			d, err = p.beginAgain(d)
			now = dir
		}
		if err != nil {
			return err
		}
		if _, absent := os.Stat(now); absent != nil { // it was mistyped: the place stays what it was
			why = p.attach(ctx, d, now)
			continue
		}
		if now != dir {
			p.slots.Dirs[slices.Index(p.slots.Dirs, dir)] = now
			p.left[now] = p.left[dir]
			dir = now
		}
		why = p.attach(ctx, d, dir)
	}
	return nil
}

// beganIn notes where a drive was begun, if that is not where it is wanted.
func (e *NextDriveError) beganIn(d bundle.DriveState) {
	abs, err := filepath.Abs(e.Dir)
	was := d.Was
	if strings.HasPrefix(filepath.Base(was), "satchel-") {
		was = filepath.Dir(was)
	}
	if err != nil || !d.Begun || was == "" || was == abs {
		return
	}
	_, err = os.Stat(filepath.Join(d.Was, "drive.json"))
	e.Was, e.Found = was, err == nil
}

// isWrong reports whether an error says that another drive must be put in.
func isWrong(err error) bool {
	var wrong *bundle.WrongDriveError
	var refused *bundle.RefusedError
	var space *bundle.SpaceError
	var mount *bundle.MountError
	var drive *bundle.DriveError
	return errors.As(err, &wrong) || errors.As(err, &refused) && !refused.Busy || errors.As(err, &space) || errors.As(err, &mount) || errors.As(err, &drive)
}

// attach takes the drive that is in a place, if it is the right one and has room.
func (p *packing) attach(ctx context.Context, d bundle.DriveState, dir string) error {
	if err := p.lookAt(dir); err != nil {
		return err
	}
	there, err := p.w.IsIn(d.Number, dir)
	if err != nil {
		return err
	}
	room, err := bundle.SpaceOf(dir)
	if err != nil {
		return err
	}
	need := p.needOf(d, room.Cluster)
	if e := (&bundle.SpaceError{Dir: dir, Need: need, Free: room.Free, Cluster: room.Cluster, Begun: d.Begun}); !room.Unknown && !d.Begun && room.Free < need && !p.opts.NoSpaceCheck {
		return e
	}
	if _, err := bundle.Prepare(dir, 0); err != nil {
		return err
	}
	if err := p.rehash(func(rehash bundle.Rehash) error { return p.w.Attach(ctx, d.Number, dir, rehash) }); err != nil {
		return err
	}
	p.slots.in[d.Number] = dir
	delete(p.left, dir)
	if !there && d.Was != "" {
		p.Warn("drive %s had been begun before, on another drive: what is on that one does not count any more, and can be deleted (%s there)", d.Label, filepath.Base(d.Was))
	}
	p.Info("writing drive %s into %s", d.Label, p.dirOf(d.Number))
	return nil
}

// usualCluster is taken where no drive is there to be asked.
const usualCluster = 4096

// needOf is the bytes that must be free on a drive for the rest of it; with parity that was not counted when the bundle was begun.
func (p *packing) needOf(d bundle.DriveState, cluster int64) int64 {
	need := d.Need - d.Written
	if p.added && !d.Finished {
		need = max(need, p.rest.On(d.Number).OnDrive(max(cluster, 1)))
	}
	return need
}

// lookAt finds out whether a drive is mounted in a place that had one.
func (p *packing) lookAt(dir string) error {
	m, err := bundle.CheckMount(dir, p.opts.State)
	if err != nil {
		return err
	}
	unmounted := false
	for _, d := range p.w.Drives() { // any of them: an empty mount point is no place for another one either
		gone, err := wasRoot(d, dir)
		if err != nil {
			return err
		}
		unmounted = unmounted || gone
	}
	was, known := p.slots.on[dir]
	mounted, err := bundle.IsRoot(dir) // a tmpfs that somebody has mounted there
	if err != nil {
		return err
	}
	if !m.Removable() && !mounted && (was.Removable() || !known && p.removable()) || unmounted {
		return m.Empty()
	}
	p.slots.on[dir] = m
	return nil
}

// wasRoot reports whether the drive was begun in the root of a mount in this place, and nothing
// is mounted there now.
func wasRoot(d bundle.DriveState, dir string) (bool, error) {
	abs, err := filepath.Abs(dir)
	if err != nil || filepath.Dir(d.Was) != abs || !strings.HasPrefix(filepath.Base(d.Was), "satchel-") {
		return false, err
	}
	root, err := bundle.IsRoot(dir)
	return !root, err
}

// removable reports whether the places are drives.
func (p *packing) removable() bool {
	for _, m := range p.slots.on {
		if m.Removable() {
			return true
		}
	}
	return false
}

// dirOf is the directory of a drive.
func (p *packing) dirOf(drive int) string { return p.w.Drives()[drive-1].Dir }

// begin notes in which places the drives are that were there from the start.
func (s *slots) begin(drives []bundle.DriveState) {
	for _, d := range drives {
		for _, place := range s.places() {
			abs, err := filepath.Abs(place)
			if err == nil && d.Dir != "" && (d.Dir == abs || filepath.Dir(d.Dir) == abs) {
				s.in[d.Number] = place
			}
		}
	}
}

// maxTogether is how many lanes write at a time, to several drives: each takes 13 MiB of memory.
const maxTogether = 12

// nextDrives gives the drives that are written at the same time: those on one device are not.
func (p *packing) nextDrives(ctx context.Context) (group []int, err error) {
	var on []bundle.Mount
	most := max(1, maxTogether/p.w.Lanes())
	for _, d := range p.w.Drives() {
		if d.Finished || len(group) == most {
			continue
		}
		dir := p.slots.in[d.Number]
		if dir == "" {
			if dir, err = p.place(d.Number); err != nil {
				return nil, err
			}
			if dir == "" && len(group) == 0 {
				return nil, p.noPlace(d)
			}
			if dir == "" || len(group) > 0 && p.onSame(on, dir) {
				break
			}
			if err := p.insert(ctx, d); err != nil {
				return nil, err
			}
			dir = p.slots.in[d.Number] // it may be another one
		}
		if len(group) > 0 && p.onSame(on, dir) {
			continue
		}
		group = append(group, d.Number)
		on = append(on, bundle.MountOf(dir))
	}
	return group, nil
}

// noPlace says that a drive is wanted whose place a later one has.
func (p *packing) noPlace(d bundle.DriveState) error {
	e := &NextDriveError{Label: d.Label, Dir: p.slots.Dirs[0], Need: d.Need, Begun: d.Begun, Of: len(p.w.Drives())}
	for k, dir := range p.slots.in {
		if dir == e.Dir {
			e.Why = &bundle.WrongDriveError{Dir: dir, Want: d.Label, Have: p.w.Drives()[k-1].Label}
		}
	}
	return e
}

// onSame reports whether a place is on one of the mounts, or on one that nothing is known of.
func (p *packing) onSame(on []bundle.Mount, dir string) bool {
	m := bundle.MountOf(dir)
	return slices.ContainsFunc(on, m.Same)
}

// writeDrives writes all drives but for the last one, which is there and has its blobs then.
func (p *packing) writeDrives(ctx context.Context) error {
	n := len(p.w.Drives())
	if err := p.dropWithout(ctx); err != nil {
		return err
	}
	for {
		group, err := p.nextDrives(ctx)
		if err != nil {
			return err
		}
		if len(group) == 0 {
			return nil
		}
		if err := p.writeBlobs(ctx, group); err != nil {
			return err
		}
		for _, k := range group {
			if k < n {
				if err := p.finishDrive(ctx, k); err != nil {
					return err
				}
			}
		}
		if slices.Contains(group, n) && !slices.ContainsFunc(p.w.Drives()[:n-1], func(d bundle.DriveState) bool { return !d.Finished }) {
			return nil
		}
	}
}

// finishDrive seals a drive, reads it back, and says that it may leave.
func (p *packing) finishDrive(ctx context.Context, k int) error {
	label, dir, place := p.w.Drives()[k-1].Label, p.dirOf(k), p.slots.in[k]
	if err := p.w.SealDrive(ctx, k); err != nil {
		return err
	}
	if !p.opts.NoVerify {
		bar := p.Progress("verifying", 0, p.w.DriveSize(k))
		err := p.w.ReadDrive(ctx, k, bar.Add)
		bar.End()
		if err != nil {
			return fmt.Errorf("verify what was written: %w", err)
		}
	}
	across := p.w.Across()
	if !across {
		if err := p.addParity(ctx, dir, ""); err != nil {
			return pulled(label, dir, err)
		}
	}
	if err := p.w.ReleaseDrive(k); err != nil {
		return err
	}
	delete(p.slots.in, k)
	p.left[place] = label
	read := ", and was read back"
	if p.opts.NoVerify {
		read = "; it was not read back"
	}
	p.Info("drive %s in %s is finished%s", label, dir, read)
	if across {
		p.Info("it stays mounted: parity goes across all drives, at the end")
	} else if m := p.slots.on[place]; m.Removable() {
		p.Info("drive %s may be unmounted and removed", text.Printable(label))
	}
	return nil
}
