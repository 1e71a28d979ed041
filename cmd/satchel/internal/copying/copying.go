package copying

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/time/rate"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Options say what is copied where.
type Options struct {
	From  []string // drive directories of one bundle
	Into  []string // destinations
	Want  bundle.Wanted
	State string // directory of the journals of this host
	Rate  int64  // bytes a second that are written, all together; 0 for no limit

	// Confirm asks whether a directory is meant that may be an empty mount point; it is nil where
	// nobody can be asked.
	Confirm func(context.Context, string) (bool, error)
	// Unmounted: where a drive was mounted when this host last wrote there, none will be any more.
	Unmounted bool
	// Resume gives the command that copies what is left.
	Resume func(from []string, into string) string

	// NextDrive asks for the next drive, where several go into one place. It is nil where nobody
	// can be asked.
	NextDrive func(context.Context, NextDrive) error

	notice.To
}

// Result is what was copied.
type Result struct {
	Bundle      string             `json:"bundle"` // its ID
	Fingerprint bundle.Fingerprint `json:"fingerprint,omitempty"`
	Copies      []Copied           `json:"copies"`
	NotHere     []string           `json:"notHere,omitempty"` // labels of the bundle's drives that are not among what is copied
	Damaged     []Damaged          `json:"damaged,omitempty"` // in what is copied

	NotEncrypted bool `json:"notEncrypted,omitempty"`
}

// Copied is one copy of one drive directory, that is whole.
type Copied struct {
	From      string `json:"from"`
	Dir       string `json:"dir"`
	Drive     int    `json:"drive"`
	Label     string `json:"label,omitempty"`
	Files     int    `json:"files"`
	Bytes     int64  `json:"bytes"`
	Unchanged bool   `json:"unchanged,omitempty"` // it was whole before this run
}

// CountError says that drive directories and destinations do not go together.
type CountError struct {
	Drives, Destinations int
	Away                 []bundle.DriveLabel // that are not among the drives
}

func (e *CountError) Error() string {
	s := ""
	if len(e.Away) > 0 {
		s = "; not among them: " + text.And(bundle.Labels(e.Away))
	}
	return fmt.Sprintf("%s to copy and %s do not fit together", text.Count(e.Drives, "drive directory", "drive directories"), text.Count(e.Destinations, "destination", "destinations")) + s
}

// Hint says what to do now.
func (e *CountError) Hint() string {
	return "name one destination for each drive directory; or one for all: a directory of a disk, or the one place where drives are mounted in turn (satchel copy SRC DEST asks for the next one); nothing was copied"
}

// job is one drive directory on its way to one place.
type job struct {
	from *bundle.Original
	dest string // as it was named
	to   *bundle.Copying
	dir  string
	on   bundle.Mount
	done Copied
}

type run struct {
	Options
	sources []*bundle.Original
	jobs    []*job

	mu      sync.Mutex
	damaged []Damaged
}

// Run copies drive directories, reads every byte of the copies back, and makes them durable.
// Those for different file systems are copied at the same time; one that fails does not stop
// the others. The result has the copies that are whole, also after an error.
func Run(ctx context.Context, opts Options) (_ *Result, err error) {
	r := &run{Options: opts}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	if r.isSlot() {
		err = r.copySlot(ctx)
	} else {
		err = r.copyTogether(ctx)
	}
	r.sayLabels()
	err = errors.Join(err, r.away())
	res := &Result{Bundle: r.sources[0].Bundle, NotEncrypted: r.sources[0].Plain, NotHere: bundle.Labels(bundle.NotAmong(r.sources)), Damaged: r.damaged}
	for _, j := range r.jobs {
		if j.done.Dir != "" { // it came to its end
			res.Copies = append(res.Copies, j.done)
			res.Fingerprint = cmp.Or(res.Fingerprint, j.from.Fingerprint)
		}
	}
	return res, err
}

// copyTogether copies everything to where there is a place for it now.
func (r *run) copyTogether(ctx context.Context) error {
	if err := r.arrange(ctx); err != nil {
		return err
	}
	if err := r.checkRoom(r.jobs); err != nil {
		return err
	}
	if len(r.jobs) > 1 {
		for _, j := range r.jobs {
			r.sayPlace(j)
		}
	}
	return r.copyAll(ctx, r.jobs)
}

// open reads the seals of what is copied.
func (r *run) open(ctx context.Context) (err error) {
	r.sources, r.damaged, err = originals(ctx, r.From, r.Want, r.To)
	return err
}

// originals opens drive directories of one bundle.
func originals(ctx context.Context, dirs []string, want bundle.Wanted, to notice.To) ([]*bundle.Original, []Damaged, error) {
	list, err := bundle.OpenOriginals(ctx, dirs, want)
	if err == nil && list[0].Plain {
		to.Warn("bundle %s is NOT ENCRYPTED: who has the copy can read all of it", list[0].Bundle)
	}
	return list, sayDamaged(list, to), err
}

func (r *run) close() (err error) {
	for _, j := range r.jobs {
		err = errors.Join(err, j.to.Close())
	}
	for _, d := range r.sources {
		err = errors.Join(err, d.Close())
	}
	return err
}

// arrange gives each drive directory its place: all go into one destination, one goes into
// all, or each into its own, into that where its copy was begun if there is one.
func (r *run) arrange(ctx context.Context) error {
	n, m := len(r.sources), len(r.Into)
	switch {
	case n == 1 && (m == 1 || r.sources[0].Of < 2):
		for _, dest := range r.Into {
			r.jobs = append(r.jobs, &job{from: r.sources[0], dest: dest})
		}
	case m == 1 || n == m:
		left := slices.Clone(r.Into)
		for _, o := range r.sources {
			i := max(0, slices.IndexFunc(left, o.Begun))
			if m > 1 && !o.Begun(left[i]) { // none that another one was begun in
				i = max(0, slices.IndexFunc(left, func(dest string) bool {
					return !slices.ContainsFunc(r.sources, func(other *bundle.Original) bool { return other.Begun(dest) })
				}))
			}
			r.jobs = append(r.jobs, &job{from: o, dest: left[i]})
			if m > 1 {
				left = slices.Delete(left, i, i+1)
			}
		}
	default:
		return &CountError{n, m, bundle.NotAmong(r.sources)}
	}
	return r.placeAll(ctx)
}

// placeAll looks at where the copies are to stand.
func (r *run) placeAll(ctx context.Context) error {
	places := map[string]bool{}
	if err := r.checkMounts(); err != nil {
		r.jobs = nil // none is open
		return err
	}
	for i, j := range r.jobs {
		if err := r.place(ctx, j, places); err != nil {
			r.jobs = r.jobs[:i] // those that are open
			return err
		}
	}
	return nil
}

// checkMounts misses a drive that is not mounted where the other places are drives.
func (r *run) checkMounts() (err error) {
	drives := 0
	for _, j := range r.jobs {
		if r.Unmounted {
			j.on, err = bundle.CheckMountAnew(j.dest, r.State, r.Warn)
		} else {
			j.on, err = bundle.CheckMount(j.dest, r.State)
		}
		if err != nil {
			return err
		}
		if j.on.Removable() {
			drives++
		}
	}
	for _, j := range r.jobs {
		if drives > 0 && j.on.EmptyPlace() {
			return j.on.Empty()
		}
	}
	return nil
}

// place looks at where a copy is to stand. Two copies never stand in one directory.
func (r *run) place(ctx context.Context, j *job, others map[string]bool) (err error) {
	if info, err := os.Stat(j.dest); err == nil && !info.IsDir() {
		return &bundle.RefusedError{Dir: j.dest, Reason: "it is not a directory"}
	}
	if j.on, err = bundle.CheckMount(j.dest, r.State); err != nil { // again, in a slot: drives come and go
		return err
	}
	if j.dir, err = j.from.Place(j.dest, len(r.sources) == 1 || len(r.Into) > 1); err != nil {
		return err
	}
	if j.dir, err = filepath.Abs(j.dir); err != nil {
		return err
	}
	if others[j.dir] {
		return &bundle.RefusedError{Dir: j.dest, Reason: "it is named twice"}
	}
	others[j.dir] = true
	if err := r.confirm(ctx, j); err != nil {
		return err
	}
	if j.to, err = j.from.CopyInto(j.dir); err != nil {
		return err
	}
	if j.on.Memory != "" {
		r.Warn("%s is in memory (%s): what is copied there is lost when this host restarts", j.dest, j.on.Memory)
	}
	return nil
}

// confirm asks whether a directory is meant that looks like the mount point of a drive that is
// not mounted.
func (r *run) confirm(ctx context.Context, j *job) error {
	if !j.on.EmptyPlace() {
		return nil
	}
	r.Warn("%s", j.on.Doubt)
	if r.Confirm == nil {
		return nil
	}
	yes, err := r.Confirm(ctx, j.on.Doubt)
	if err == nil && !yes {
		err = j.on.Declined()
	}
	return err
}

// checkRoom compares the free space of each file system with what all copies on it need.
func (r *run) checkRoom(jobs []*job) error {
	for i, j := range jobs {
		room, err := j.to.Room()
		if err != nil {
			return err
		}
		var need, files int64
		begun, first := false, true
		for k, o := range jobs {
			if !o.to.Beside(j.to) {
				continue
			}
			first = first && k >= i
			n, f := o.to.Need(room.Cluster)
			need, files, begun = need+n, files+f, begun || o.to.Begun()
		}
		switch {
		case !first: // it was looked at with the one before
		case room.Unknown:
			r.Warn("the file system of %s does not report how much space it has: %s are needed", j.dest, bundle.FormatSize(need))
		case room.Free < need:
			return &bundle.SpaceError{Dir: j.dest, Need: need, Free: room.Free, Cluster: room.Cluster, Begun: begun, MustHold: true}
		case room.Files >= 0 && room.Files < files:
			return &bundle.SpaceError{Dir: j.dest, NeedFiles: files, FreeFiles: room.Files, Begun: begun, MustHold: true}
		}
	}
	return nil
}

// copyAll copies for different file systems at the same time, for one in turn.
func (r *run) copyAll(ctx context.Context, jobs []*job) error {
	var total int64
	var lines [][]*job // each for one file system
	for _, j := range jobs {
		total += j.to.Work()
		i := 0
		for i < len(lines) && !lines[i][0].to.Beside(j.to) {
			i++
		}
		if i == len(lines) {
			lines = append(lines, nil)
		}
		lines[i] = append(lines[i], j)
	}
	bar := r.Progress("copying and reading back", 0, total)
	defer bar.End()
	opts := bundle.CopyOptions{Progress: bar.Add, Pace: pace(r.Rate)}
	errs := make([]error, len(lines))
	var all sync.WaitGroup
	for i, line := range lines {
		all.Go(func() {
			for _, j := range line {
				if err := r.copyOne(ctx, j, opts); err != nil {
					errs[i] = errors.Join(errs[i], err)
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// copyOne copies one drive directory, and makes sure that the drive has it.
func (r *run) copyOne(ctx context.Context, j *job, opts bundle.CopyOptions) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	unchanged := j.to.Whole()
	if j.to.Begun() && !unchanged {
		r.Info("resuming the copy in %s", j.dir)
	}
	if err := j.on.Remember(r.State, j.from.Bundle); err != nil {
		r.Warn("nobody will notice if the drive at %s is not mounted the next time: %v", j.on.Point(), err)
	}
	lost := r.lost(j, j.to.Run(ctx, opts))
	if damage, ok := errors.AsType[*DamageError](lost); lost != nil && !(ok && damage.Sealed) {
		return lost
	}
	if err := cmp.Or(bundle.Release(j.dir), j.on.Check()); err != nil {
		return errors.Join(lost, err)
	}
	wrote, changed := j.to.Wrote()
	if len(changed) > 0 {
		r.Warn("the drive has changed what was written to it before: written anew in %s: %s", j.dir, text.Some(changed, 5))
	}
	if err := j.to.Close(); err != nil || lost != nil { // whoever hears that it may go may unmount it
		return errors.Join(lost, err)
	}
	unchanged = unchanged && wrote == 0
	files, bytes := j.from.Size()
	j.done = Copied{From: j.from.Dir, Dir: j.dir, Drive: j.from.Drive, Label: j.from.Label, Files: files, Bytes: bytes, Unchanged: unchanged}
	r.sayDone(j)
	return nil
}

// pace holds writing to a rate; nil for none.
func pace(bytesPerSecond int64) func(context.Context, int) error {
	if bytesPerSecond <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(bytesPerSecond), bundle.MostPaced).WaitN
}
