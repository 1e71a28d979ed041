package plan

import (
	"context"
	"errors"
	"fmt"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/places"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prepare"
)

// Drive is how many drives of a size are needed.
type Drive struct {
	Size  int64 `json:"size"`
	Free  int64 `json:"free"`  // what of it is counted on
	Count int   `json:"count"` // 0: they are too small
	// TooSmall is for what, with count 0: a blob, what stands besides blobs (parity files among that), or the number of drives.
	TooSmall string `json:"tooSmall,omitempty"`
	// Together is how many it takes on a staging disk, or where all are mounted at the same time, if parity then goes
	// across them.
	Together int `json:"together,omitempty"`
}

// Where drives go.
const (
	WhereSlot    = "slot"    // one after another into one place, or into fewer places than there are drives
	WhereStaging = "staging" // each into a directory on a staging disk
	WhereMounted = "mounted" // each into a place of its own
)

// Spread is how a bundle lies on several drives.
type Spread struct {
	Where  string  `json:"where,omitempty"` // "" where that makes no difference
	Lanes  int     `json:"lanes"`           // of each drive
	Across bool    `json:"parityAcross"`    // parity goes across the drives
	Drives []Share `json:"drives"`
}

// Share is what one drive gets.
type Share struct {
	Drive    int    `json:"drive"`
	Dir      string `json:"dir,omitempty"` // where it goes, with several --drive
	Blobs    int    `json:"blobs"`
	Bytes    int64  `json:"bytes"` // of its files
	Segments int    `json:"segments"`
	Needs    int64  `json:"needsBytes"` // of free space
}

// Together is the other way in which a bundle can lie on drives: all of them on a staging disk, or mounted at the same
// time, so that parity goes across them.
type Together struct {
	Written Written `json:"written"`
	Spread
}

// usualSizes are those of drives, as they are sold.
func usualSizes() []int64 { return []int64{32e9, 64e9, 128e9, 256e9} }

// driveLoss is what a drive sold by its size may lack of it, in percent: makers
// round up, and the file system takes its part.
const driveLoss = 5

// drives counts how many drives are needed: of those that are known, of the size given, or of the usual ones.
func (p *planning) drives(ctx context.Context, r *Report, f bundle.Forecast, all prepare.Bundled) error {
	if p.opts.Drives.Size > 0 || len(p.opts.Dirs) > 1 {
		return p.known(ctx, r, f, all)
	}
	for _, size := range usualSizes() {
		d := Drive{Size: size, Free: size / 100 * (100 - driveLoss)}
		one, both, err := p.lay(ctx, f, all, nil, places.Drives{Size: d.Free, Cluster: p.opts.Drives.Cluster})
		if err != nil && !errors.As(err, new(*bundle.TooLargeError)) {
			return err
		}
		if err == nil {
			d.Count = len(one.spread.Drives)
		} else {
			d.TooSmall = tooSmall(err)
		}
		if both != nil {
			d.Together = len(both.spread.Drives)
		}
		r.Drives = append(r.Drives, d)
	}
	return nil
}

// tooSmall says for what drives are too small.
func tooSmall(err error) string {
	large, ok := errors.AsType[*bundle.TooLargeError](err)
	switch {
	case !ok || large.Blob.Digest != "":
		return "one blob is larger"
	case large.Besides > 0 && large.Parity.Parity > 0:
		return "parity files leave too little room"
	case large.Besides > 0:
		return "files besides the blobs leave too little room"
	}
	return fmt.Sprintf("it would take more than %d", bundle.MaxDrives)
}

// known puts the bundle on the drives of which something is known.
func (p *planning) known(ctx context.Context, r *Report, f bundle.Forecast, all prepare.Bundled) error {
	one, both, err := p.lay(ctx, f, all, p.opts.Dirs, p.opts.Drives)
	if err != nil && both == nil {
		return p.needing(err)
	}
	d := Drive{Size: p.opts.Drives.Size, Free: p.opts.Drives.Size}
	if both != nil {
		d.Together = len(both.spread.Drives)
		r.Together = &Together{Written: r.Written, Spread: *both.report()}
		both.count(&r.Together.Written, p.opts.Job.Parity)
	}
	switch {
	case err != nil:
		r.NotInSlot = p.needing(err).Error()
	case len(one.spread.Drives) > 1:
		one.count(&r.Written, p.opts.Job.Parity)
		r.Spread = one.report()
		fallthrough
	default:
		d.Count, r.Dirs = len(one.spread.Drives), one.places.Dirs
		if err := one.places.CheckStaging(one.spread); err != nil {
			p.Warn("%v: pack refuses it", err)
		}
	}
	if d.Size > 0 {
		r.Drives = append(r.Drives, d)
	}
	return nil
}

// laid is a bundle on drives.
type laid struct {
	places places.Places
	spread *bundle.Spread
	where  string // of [Spread]
}

// lay puts the bundle on drives, as pack does. Where nobody knows where they go, and that makes a difference, both is how it
// lies where all drives are there at the same time; else nil.
func (p *planning) lay(ctx context.Context, f bundle.Forecast, all prepare.Bundled, dirs []string, d places.Drives) (one, both *laid, err error) {
	at, err := places.Find(dirs, d)
	if err != nil {
		return nil, nil, err
	}
	one, err = p.spread(ctx, f, all, at)
	if len(dirs) > 0 || at.Staging || p.opts.Job.Parity.Parity == 0 || one != nil && len(one.spread.Drives) == 1 {
		return one, nil, err
	}
	both, other := p.spread(ctx, f, all, at.Together())
	if other != nil || !both.spread.Across {
		return one, nil, err
	}
	if both.where = WhereStaging; one != nil {
		one.where = WhereSlot
	}
	return one, both, err
}

// spread puts the bundle on drives in these places.
func (p *planning) spread(ctx context.Context, f bundle.Forecast, all prepare.Bundled, at places.Places) (*laid, error) {
	room, err := at.Room(nil)
	if err != nil {
		return nil, err
	}
	s := p.opts.Job.SpreadOverOne(f, room)
	if s == nil {
		s, err = at.Spread(ctx, p.opts.Job, all, room)
	}
	if err != nil {
		return nil, err
	}
	l := &laid{places: at, spread: s}
	switch {
	case at.Staging:
		l.where = WhereStaging
	case len(at.Dirs) > 0 && len(at.Dirs) < len(s.Drives):
		l.where = WhereSlot
	case len(at.Dirs) > 0:
		l.where = WhereMounted
	}
	return l, nil
}

// count has the numbers of all drives together.
func (l *laid) count(w *Written, parity bundle.ParityRatio) {
	f := l.spread.Forecast
	w.Bytes, w.Segments, w.OnDrive, w.Parity, w.WholeDrive = f.Bytes, f.Segments, f.OnDrive(w.Cluster), parityOf(f), ""
	if has := f.Protections(); len(has) > 0 && has[0].Whole == 0 {
		w.WholeDrive = f.WholeDriveTakes(parity)
	}
}

// report says what each of several drives gets.
func (l *laid) report() *Spread {
	s := &Spread{Where: l.where, Lanes: l.spread.Lanes, Across: l.spread.Across}
	for i, d := range l.spread.Drives {
		f := l.spread.Forecast.On(i + 1)
		share := Share{Drive: i + 1, Blobs: len(d.Blobs), Bytes: f.Bytes, Segments: f.Segments, Needs: d.Need}
		if s.Where == WhereMounted {
			share.Dir = l.places.Dirs[i]
		}
		s.Drives = append(s.Drives, share)
	}
	return s
}

// needing names an image that needs the blob which fits on no drive.
func (p *planning) needing(err error) error {
	var large *bundle.TooLargeError
	if errors.As(err, &large) {
		for _, n := range p.Carried().Blobs {
			if n.Descriptor.Digest == large.Blob.Digest {
				return p.Blame(n, err)
			}
		}
	}
	return fmt.Errorf("count drives: %w", err)
}
