package pack

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
	"github.com/satchel-airgap/satchel/oci/text"
)

// openSeveral is open for a bundle that may be spread over several drives.
func (p *packing) openSeveral(ctx context.Context) (*Result, error) {
	if err := p.findSlots(ctx); err != nil {
		return nil, err
	}
	var made []string
	for _, dir := range p.slots.Dirs {
		if ok, err := bundle.MakeDir(dir); err != nil {
			return nil, err
		} else if ok {
			made = append(made, dir)
		}
	}
	defer func() {
		for _, dir := range made {
			if p.w == nil {
				_ = os.Remove(dir) // nothing was begun in it
			}
		}
	}()
	w, err := p.resumeSeveral(ctx)
	var done *bundle.SealedError
	switch {
	case errors.As(err, &done):
		return p.again(ctx, done)
	case err != nil:
		return nil, err
	case w != nil:
		p.slots.begin(w.Drives())
		return nil, p.goOn(ctx, w)
	}
	if err := p.checkWaiting(ctx); err != nil {
		return nil, err
	}
	if err := p.beginNamed(); err != nil {
		return nil, err
	}
	if err := p.probe(); err != nil {
		return nil, err
	}
	if p.opts.Drives.Size == 0 { // else nobody knows how many it takes
		p.sayNoWholeDrive(len(p.slots.Dirs))
	}
	return nil, p.begin(ctx, p.Prepare)
}

// sayNoWholeDrive says early that parity is not enough for the loss of one of so many drives.
func (p *packing) sayNoWholeDrive(drives int) {
	if s := bundle.NoWholeDrive(p.opts.Job.Parity, drives); s != "" {
		p.Warn("%s", s)
	}
}

// resumeSeveral resumes the bundle that exists, unless it is to be deleted.
func (p *packing) resumeSeveral(ctx context.Context) (w *bundle.Writer, err error) {
	places := p.drivePlaces()
	if p.opts.Restart {
		some, err := bundle.CheckRestartOn(places, p.opts.State, p.opts.Job)
		if err != nil {
			return nil, err
		}
		cleared, err := p.clearForWaiting(some)
		if err != nil || len(some) > 0 && !cleared {
			return nil, cmp.Or(err, p.mayRestart(ctx, some))
		}
		if !cleared {
			p.Info("nothing unfinished of this configuration in %s: nothing is deleted, and there is nothing to restart", text.Some(p.slots.Dirs, 5))
		}
		p.opts.Restart = false
	}
	err = p.rehash(func(rehash bundle.Rehash) (err error) {
		w, err = bundle.ResumeOn(ctx, places, p.opts.State, p.opts.Job, rehash)
		return err
	})
	return w, err
}

// drivePlaces are the directories in which drives are or would be: of a staging disk that has no drive, itself.
func (p *packing) drivePlaces() []string {
	if places := p.slots.places(); len(places) > 0 {
		return places
	}
	return p.slots.Dirs
}

// rehash shows how far segments are hashed again.
func (p *packing) rehash(run func(bundle.Rehash) error) error {
	var bar notice.Progress
	err := run(func(total int64) func(int64) {
		p.Info("the drive was away: reading %s again first", bundle.FormatSize(total))
		bar = p.Progress("checking", 0, total)
		return bar.Add
	})
	if bar != nil {
		bar.End()
	}
	return err
}

// room is what the drives hold.
func (p *packing) room() (bundle.Room, error) {
	if !p.opts.Restart {
		return p.slots.Room(nil)
	}
	return p.slots.Room(func(dir string, cluster int64) (int64, error) {
		return bundle.Deletable(dir, p.opts.State, p.opts.Job, cluster)
	})
}

// spread decides what goes on which drive, and makes room for it.
func (p *packing) spread(ctx context.Context, job *bundle.Job) error {
	room, err := p.room()
	if err != nil {
		return err
	}
	all, err := p.Bundled(ctx)
	if err != nil {
		return err
	}
	named := slices.Clone(p.slots.Dirs)
	if job.Spread, err = p.slots.Spread(ctx, *job, all, room); err != nil {
		return p.needing(err)
	}
	if !slices.Equal(named, p.slots.Dirs) {
		p.Info("the drives are taken from the largest to the smallest: in the order in which they are named, no way was found to put the bundle on them")
	}
	if err := p.slots.CheckStaging(job.Spread); err != nil && !p.opts.Restart {
		if !p.opts.NoSpaceCheck {
			return err
		}
		p.Warn("%v; packing all the same, as asked", err)
	}
	if p.opts.Restart {
		if err := p.restart(); err != nil {
			return err
		}
	}
	p.saySpread(job.Spread)
	return nil
}

// restart gives up the unfinished bundle, and says what that means for its drives.
func (p *packing) restart() error {
	places := p.drivePlaces()
	gone, err := bundle.RestartOn(places, p.opts.State, p.opts.Job)
	if err != nil {
		return err
	}
	for _, b := range gone {
		if len(b.Dirs) > 0 {
			p.Info("deleted the unfinished bundle %s in %s", b.Bundle, text.And(b.Dirs))
		} else {
			p.Info("gave up the unfinished bundle %s, of which nothing is here", b.Bundle)
		}
		if len(b.Away) > 0 {
			p.Info("drives of it that are not here are of no use any more: %s", text.And(b.Away))
		}
	}
	for _, dir := range places {
		if _, err := bundle.MakeDir(dir); err != nil { // it may have been the bundle's own
			return err
		}
	}
	return nil
}

// saySpread says what goes on each drive.
func (p *packing) saySpread(s *bundle.Spread) {
	if len(s.Drives) == 1 {
		if len(p.slots.Dirs) > 1 {
			p.Info("all of it goes onto one drive, in %s; the others stay empty", p.slots.Dirs[0])
		}
		return
	}
	p.Info("the bundle takes %d drives, with %s each", len(s.Drives), text.Count(s.Lanes, "lane", "lanes"))
	for i := range s.Drives {
		f := s.Forecast.On(i + 1)
		p.Info("drive %d of %d: about %s in %s", i+1, len(s.Drives), bundle.FormatSize(f.Bytes), text.Count(f.Segments, "segment", "segments"))
	}
	switch has := s.Forecast.Protections(); {
	case len(has) == 1 && has[0].Whole > 0:
		p.Info("parity will go across the drives: %s can be rebuilt; all stay mounted until the end", has[0])
	case len(has) > 0:
		p.Info("each drive gets parity of its own (%s), and a whole drive that is lost cannot be rebuilt; that takes %s", has[0], s.Forecast.WholeDriveTakes(p.opts.Job.Parity))
	}
}

// needing names an image that needs the blob which fits on no drive.
func (p *packing) needing(err error) error {
	var large *bundle.TooLargeError
	if errors.As(err, &large) {
		for _, n := range p.Carried().Blobs {
			if n.Descriptor.Digest == large.Blob.Digest {
				return p.Blame(n, err)
			}
		}
	}
	return err
}

// createSeveral begins the bundle on the first drives.
func (p *packing) createSeveral(job bundle.Job) (err error) {
	n := len(job.Spread.Drives)
	var places []string
	if p.slots.Staging && n == 1 {
		places = p.slots.Dirs // as without a size
	}
	for k := 1; k <= n && len(places) == k-1 && (k == 1 || !p.slots.Staging); k++ {
		place, err := p.place(k)
		if err != nil {
			return err
		}
		if place != "" {
			places = append(places, place)
			p.slots.in[k] = place
		}
	}
	p.w, err = bundle.CreateOn(places, p.opts.State, job, p.Inventory())
	if err != nil {
		return err
	}
	for _, d := range p.w.Drives() {
		if d.Label != "" && d.Dir != "" {
			p.Info("drive %d is %s, in %s: write that on it", d.Number, d.Label, d.Dir)
		}
	}
	return nil
}

// lastPlace is where the last drive is: the place that is checked at the end.
func (p *packing) lastPlace() {
	if p.slots == nil {
		return
	}
	if m, ok := p.slots.on[p.slots.in[len(p.w.Drives())]]; ok {
		p.on = m
	}
}

// roomLeft makes sure that the drives have room for the rest, parity that goes across them too. Several on one file system, as on a
// staging disk, share its room.
func (p *packing) roomLeft(f bundle.Forecast, here map[int]string) error {
	type shared struct {
		drives []int
		dirs   []string
	}
	on := map[string]*shared{}
	var points []string
	for _, d := range p.w.Drives() {
		dir := here[d.Number]
		if dir == "" && p.slots != nil && p.slots.Staging {
			dir = p.slots.Dirs[0] // it will have its directory there
		}
		if dir == "" || d.Finished && !p.w.Across() {
			continue
		}
		point := bundle.MountOf(dir).Point()
		if on[point] == nil {
			on[point], points = &shared{}, append(points, point)
		}
		s := on[point]
		s.drives, s.dirs = append(s.drives, d.Number), append(s.dirs, dir)
	}
	for _, point := range points {
		s := on[point]
		room, err := bundle.SpaceOf(s.dirs[0])
		if err != nil {
			return err
		}
		if p.slots != nil && p.slots.Staging {
			s.dirs = p.slots.Dirs[:1]
		}
		if err := p.enough(text.And(s.dirs), f.On(s.drives...), room, 0, true); err != nil {
			return err
		}
	}
	return nil
}
