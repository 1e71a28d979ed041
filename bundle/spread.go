package bundle

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
)

// Capacity is the room of a drive that a bundle may take.
type Capacity struct {
	Free    int64 // bytes
	Cluster int64 // bytes that the smallest file takes
}

// Room says which drives there are for a bundle: those at hand, in order, and then any number
// of further ones, each of the size More, if that is not 0.
type Room struct {
	Drives []Capacity
	More   Capacity
}

// of gives the first n drives, nil if there are not so many.
func (r Room) of(n int) []Capacity {
	if n > len(r.Drives) && r.More.Free == 0 {
		return nil
	}
	list := slices.Clone(r.Drives[:min(n, len(r.Drives))])
	for len(list) < n {
		list = append(list, r.More)
	}
	return list
}

// largest is the drive with the most room.
func (r Room) largest() (c Capacity) {
	for _, d := range append(slices.Clone(r.Drives), r.More) {
		if d.Free > c.Free {
			c = d
		}
	}
	return c
}

// Spread says what of a bundle goes on which drive.
type Spread struct {
	Lanes    int  // of each drive
	Across   bool // parity will go across the drives, see [Writer.Across]
	Forecast Forecast
	Drives   []Share
}

// Share is what goes on one drive. Manifests and what documents reach go on the last one.
type Share struct {
	Blobs []digest.Digest
	Need  int64 // bytes of free space that it takes
}

// plan is how the journal has it: nothing for a bundle of one drive.
func (s *Spread) plan() (list []journal.DrivePlan) {
	if s == nil || len(s.Drives) < 2 {
		return nil
	}
	for _, d := range s.Drives {
		list = append(list, journal.DrivePlan{Blobs: d.Blobs, Need: d.Need})
	}
	return list
}

// LanesOf is how many lanes each of so many drives has where so many are asked for: a bundle
// has a hundred, the closing one among them.
func LanesOf(lanes, drives int) int { return max(1, min(lanes, MaxLanes/drives)) }

// SpreadOver decides which blob goes on which drive: a blob never spans two. It takes as few
// drives as it finds, puts small blobs on the last one if that takes no more drives, fills the
// first ones first, and gives the same answer each time. The arguments are those of [Job.Forecast].
// Errors: *[TooLargeError], and *[SpaceError] if all drives at hand have not enough room together.
func (j Job) SpreadOver(inv *oci.Inventory, g *oci.Graph, content func(oci.Descriptor) ([]byte, bool), room Room) (*Spread, error) {
	f, err := j.Forecast(inv, g, content)
	if err != nil {
		return nil, err
	}
	if s := j.SpreadOverOne(f, room); s != nil {
		return s, nil
	}
	s, err := j.spreading(inv, g, content)
	if err != nil {
		return nil, err
	}
	for n, more := 2, spreadMore; n <= seal.MaxDrives && more > 0; n++ {
		drives := room.of(n)
		if drives == nil {
			return nil, s.tooLittle(room, f)
		}
		if f.Bytes > total(drives) {
			continue
		}
		done, err := s.overWithSmall(drives)
		if done != nil || err != nil {
			return done, err
		}
		if s.tight {
			more--
		}
	}
	return nil, s.tooLittle(room, f)
}

// SpreadOverOne is [Job.SpreadOver] for a bundle that fits on the first drive, of which f is the forecast; nil if it does not.
func (j Job) SpreadOverOne(f Forecast, room Room) *Spread {
	first := room.of(1)[0]
	if need := f.OnDrive(first.Cluster); need <= first.Free {
		return &Spread{Lanes: j.Lanes, Forecast: f, Drives: []Share{{Need: need}}}
	}
	return nil
}

func total(drives []Capacity) (n int64) {
	for _, d := range drives {
		n += d.Free
	}
	return n
}

// tooLittle says why no number of drives is enough.
func (s *spreading) tooLittle(room Room, f Forecast) error {
	largest := room.largest()
	if len(s.sorted) > 0 {
		if d := s.sorted[0].Descriptor; s.cost(d, largest) > s.without(largest.Free-s.least(1, largest), largest) {
			e := &TooLargeError{Blob: d, Capacity: largest.Free}
			if s.cost(d, largest) <= largest.Free-s.least(1, largest) { // without parity it would fit
				e.Parity = s.job.Parity
			}
			return e
		}
	}
	if room.More.Free > 0 || len(room.Drives) == 0 {
		e := &TooLargeError{Capacity: largest.Free, Parity: s.job.Parity}
		if s.tight {
			e.Besides, e.Cluster = s.least(LanesOf(s.job.Lanes, 2), largest), largest.Cluster
		}
		return e
	}
	return &SpaceError{Dir: fmt.Sprintf("%d drives", len(room.Drives)), Together: len(room.Drives), Free: total(room.Drives), Largest: largest.Free}
}

// Lack finds out how much is lacking where [Job.SpreadOver] gave a *[SpaceError], and notes that in it. It takes a while.
func (j Job) Lack(ctx context.Context, inv *oci.Inventory, g *oci.Graph, content func(oci.Descriptor) ([]byte, bool), room Room, e *SpaceError) error {
	f, err := j.Forecast(inv, g, content)
	if err != nil {
		return err
	}
	s, err := j.spreading(inv, g, content)
	if err != nil {
		return err
	}
	e.Drives, e.Larger = s.further(ctx, room, f), s.larger(ctx, room.Drives, f)
	return ctx.Err()
}

// further is how many drives it takes if those that are added have as much room as the largest; 0 where that is not known.
func (s *spreading) further(ctx context.Context, room Room, f Forecast) int {
	if s.job.Mounted >= len(room.Drives) {
		s.job.Mounted = seal.MaxDrives // they are all there too
	}
	room.More = room.largest()
	for n := len(room.Drives) + 1; n <= min(len(room.Drives)+spreadMore, seal.MaxDrives); n++ {
		if s.holds(ctx, room.of(n), f) {
			return n
		}
	}
	return 0
}

// larger is about how many bytes more the bundle takes on each of the drives; 0 where that is not known.
func (s *spreading) larger(ctx context.Context, drives []Capacity, f Forecast) int64 {
	with := func(more int64) []Capacity {
		list := slices.Clone(drives)
		for k := range list {
			list[k].Free += more
		}
		return list
	}
	low := max(0, f.Bytes-total(drives)) / int64(len(drives))
	high := low + f.Bytes/64 + perSegment
	for !s.holds(ctx, with(high), f) {
		low, high = high, 2*high
		if high > 8*f.Bytes {
			return 0
		}
	}
	for high-low > high/16 {
		if middle := low + (high-low)/2; s.holds(ctx, with(middle), f) {
			high = middle
		} else {
			low = middle
		}
	}
	return high
}

// holds reports whether the bundle can be put on these drives.
func (s *spreading) holds(ctx context.Context, drives []Capacity, f Forecast) bool {
	if f.Bytes > total(drives) || ctx.Err() != nil {
		return false
	}
	done, err := s.overWithSmall(drives)
	return done != nil && err == nil
}

func (j Job) spreading(inv *oci.Inventory, g *oci.Graph, content func(oci.Descriptor) ([]byte, bool)) (s *spreading, err error) {
	s = &spreading{job: j, inv: inv, g: g, content: content, manifests: map[digest.Digest]bool{}}
	for _, n := range g.Manifests {
		s.manifests[n.Descriptor.Digest] = true
	}
	if s.begin, err = j.standInBegin(); err != nil {
		return nil, fmt.Errorf("calculate the size of the bundle: %w", err)
	}
	s.sorted = slices.Clone(g.Blobs)
	slices.SortStableFunc(s.sorted, func(a, b oci.Node) int {
		return cmp.Or(cmp.Compare(b.Descriptor.Size, a.Descriptor.Size), cmp.Compare(a.Descriptor.Digest, b.Descriptor.Digest))
	})
	return s, nil
}

// spreading looks for a place for each blob.
type spreading struct {
	job     Job
	inv     *oci.Inventory
	g       *oci.Graph
	content func(oci.Descriptor) ([]byte, bool)
	begin   journal.Begin
	sorted  []oci.Node // the largest first

	manifests map[digest.Digest]bool // a blob that is one too goes on the last drive, where all are

	small  int64       // blobs below this go on the last drive, as far as they fit
	room   []int64     // of the drives that are tried
	closed *closedLane // once it was counted
	tight  bool        // it is the files besides the blobs that have no room, and not the drives that are too few
}

// cost is about what a blob takes on a drive.
func (s *spreading) cost(d oci.Descriptor, c Capacity) int64 {
	n := bound(d.Size)
	return n + n*(c.Cluster+perSegment)/s.begin.SegmentSize // of each segment, half a cluster is lost, and some are not full
}

// least is about what stands on a drive besides blobs.
func (s *spreading) least(lanes int, c Capacity) (n int64) {
	small := 4 + len(s.begin.KeyFiles)
	for _, body := range s.begin.KeyFiles {
		n += int64(len(body))
	}
	return 2*n + int64(2*small+5)*max(c.Cluster, perSegment) + int64(lanes)*(c.Cluster+perSegment)
}

// spreadTries is how often a drive that was filled too far gets less.
const spreadTries = 12

// spreadMore is how many more drives are tried where the files besides the blobs are in the way.
const spreadMore = 8

// smallOnLast is the size from which on a blob is no small one. An image needs its small blobs, its config among them, as
// much as its layers: where they are on the last drive, which is needed for every image, the loss of another one takes
// only the images with layers on it.
const smallOnLast = 1 << 20

// overWithSmall spreads the bundle with the small blobs on the last drive, or anyhow if it does not fit so.
func (s *spreading) overWithSmall(drives []Capacity) (*Spread, error) {
	tight := s.tight
	s.small = smallOnLast
	if done, err := s.over(drives); done != nil || err != nil {
		return done, err
	}
	s.small, s.tight = 0, tight
	return s.over(drives)
}

// over spreads the bundle over these drives, all of them; nil if it finds no way.
func (s *spreading) over(drives []Capacity) (*Spread, error) {
	s.begin.Lanes = LanesOf(s.job.Lanes, len(drives))
	s.begin.Across = s.job.across(len(drives))
	budget := make([]int64, len(drives))
	for k, c := range drives {
		budget[k] = s.without(c.Free-s.least(s.begin.Lanes, c), c)
	}
	for try := range spreadTries {
		plan, used := s.fill(drives, budget)
		switch {
		case plan == nil:
			s.tight = s.tight || try > 0
			return nil, nil
		case used == nil: // some have nothing: the others get less
			for k := range budget {
				budget[k] -= budget[k] / 16
			}
			continue
		}
		s.begin.Drives = plan
		done, over, err := s.counted(drives)
		if err != nil {
			return nil, err
		}
		if over == nil {
			return done, nil
		}
		for k, n := range over { // less than it had now, so that another blob leaves it
			if n > 0 {
				budget[k] = min(budget[k], used[k]) - max(s.without(n, drives[k]), perSegment)
			}
		}
	}
	s.tight = true
	return nil, nil
}

// counted forecasts the bundle as it is spread now. over is the bytes that each drive would have too many, nil if all have room.
func (s *spreading) counted(drives []Capacity) (done *Spread, over []int64, err error) {
	s.room = nil
	for _, c := range drives {
		s.room = append(s.room, c.Free)
	}
	f, err := s.forecast()
	if err != nil {
		return nil, nil, err
	}
	done = &Spread{Lanes: s.begin.Lanes, Across: s.begin.Across, Forecast: f}
	for k, c := range drives {
		need := f.On(k+1).OnDrive(c.Cluster) + slack(f.On(k+1), c)
		if need > c.Free {
			if over == nil {
				over = make([]int64, len(drives))
			}
			over[k] = need - c.Free
		}
		done.Drives = append(done.Drives, Share{Blobs: s.begin.Drives[k].Blobs, Need: need})
	}
	return done, over, nil
}

// without is how much of so many bytes of a drive is left for segments by their parity files.
func (s *spreading) without(n int64, c Capacity) int64 {
	p := s.job.Parity
	if p.Parity == 0 {
		return n
	}
	if s.begin.Across {
		return n / int64(p.Data+p.Parity) * int64(p.Data)
	}
	group := max(1, min(int64(p.Data), c.Free/s.begin.SegmentSize)) // the segments of a small drive are fewer
	whole := n / (group + int64(p.Parity)) * group
	return max(whole, min(n, 1))
}

// slack is what lanes may take that fill in another order than a forecast has them: each
// segment has a header and the rest of a cluster, and there may be some more of them.
func slack(f Forecast, c Capacity) int64 {
	return int64(f.Segments/8+1)*(perSegment+c.Cluster/2) + f.parts[0].more
}

// fill puts small blobs onto the last drive, and the largest of the others first onto the first drive that has room; where
// parity goes across drives, onto that which has the most: the more evenly they are filled, the less parity it takes. The plan is nil if there is not enough of it. used is about what each has then, nil where a drive gets nothing.
func (s *spreading) fill(drives []Capacity, budget []int64) (plan []journal.DrivePlan, used []int64) {
	plan, used = make([]journal.DrivePlan, len(drives)), make([]int64, len(drives))
	last := len(drives) - 1
	fits := func(k int, d oci.Descriptor) bool { return used[k]+s.cost(d, drives[k]) <= budget[k] }
	put := func(k int, d oci.Descriptor) {
		used[k] += s.cost(d, drives[k])
		plan[k].Blobs = append(plan[k].Blobs, d.Digest)
	}
	for _, n := range s.g.Manifests {
		used[last] += s.cost(n.Descriptor, drives[last]) / 4 // they are compressed; what they really take is counted afterwards
	}
	onLast := map[digest.Digest]bool{}
	for _, n := range slices.Backward(s.sorted) { // the smallest first
		if d := n.Descriptor; s.manifests[d.Digest] || d.Size < s.small && fits(last, d) {
			put(last, d)
			onLast[d.Digest] = true
		}
	}
	for _, n := range s.sorted {
		if onLast[n.Descriptor.Digest] {
			continue
		}
		best := -1
		for k := range drives {
			if fits(k, n.Descriptor) && (best < 0 || s.begin.Across && budget[k]-used[k] > budget[best]-used[best]) {
				best = k
			}
		}
		if best < 0 {
			return nil, nil
		}
		put(best, n.Descriptor)
	}
	for k := range plan[:last] {
		if len(plan[k].Blobs) == 0 {
			return plan, nil // a drive without a segment is none
		}
	}
	if used[last] > budget[last] {
		s.tight = true // further drives change nothing of that
		return nil, nil
	}
	return plan, used
}

// forecast counts the bundle as it is spread. The closing lane is the same each time but for
// its number.
func (s *spreading) forecast() (f Forecast, err error) {
	r := &forecaster{begin: s.begin, parity: s.job.Parity, room: s.room, signers: len(s.job.Signers), version: s.job.Version, content: s.content, noise: newNoise(), closed: s.closed}
	f, err = r.run(s.inv, s.g)
	s.closed = r.closed
	return f, err
}
