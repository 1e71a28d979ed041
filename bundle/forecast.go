package bundle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle/internal/frame"
	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/keys"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/bundle/internal/sign"
	"github.com/satchel-airgap/satchel/oci"
)

// Forecast says how large a bundle will be that is packed in one go, or what is still to
// be written of one that was begun.
type Forecast struct {
	Bytes    int64 // of all files
	Segments int
	// Upper says that Bytes is an upper bound, because something will be
	// compressed whose bytes are not known: a blob above [KnownBlob], or so much
	// in smaller ones that it could matter. Otherwise Bytes is within 1%, as far as
	// blobs are compressed whose media type says so.
	Upper bool

	parts []part // one a drive
}

// part is what one drive has of a bundle.
type part struct {
	files    []int64 // bytes of each
	lanes    int     // that are written to
	segments int
	bytes    int64 // of all files, and what is added to an upper bound
	has      Protection
	data     int64 // bytes of segments that parity files are for
	parity   int64 // bytes of parity files
	more     int64 // bytes that parity files may take more, if there is one more segment on each drive
}

// On is what these drives take of the bundle together, by their numbers from 1.
func (f Forecast) On(drives ...int) Forecast {
	on := Forecast{Upper: f.Upper}
	for _, n := range drives {
		p := f.parts[n-1]
		on.Bytes, on.Segments, on.parts = on.Bytes+p.bytes, on.Segments+p.segments, append(on.parts, p)
	}
	return on
}

// KnownBlob is the size, in bytes, up to which a blob that is not compressed yet
// is worth reading for a [Forecast].
const KnownBlob = 1 << 20

const (
	guessShare  = 200       // one in so many bytes may be guessed; it is half of what a forecast may be wrong by
	upperMargin = 400       // one in so many bytes is added to an upper bound, for lanes that fill otherwise
	upperMin    = 8 << 10   // the least that is added
	shownNoise  = 256 << 10 // compared with more than that, what tar adds to a blob is nothing
)

// Forecast calculates the bundle of the inventory, whose graph is g, without its
// large blobs: everything else is collected, compressed and sealed as a [Writer]
// does it. content gives the bytes of manifests, and of blobs that are not
// compressed yet, where they are known. Nobody is asked for a passphrase or a
// hardware key; without recipients there is one X25519 key. What documents reach
// stands at the end of g's manifests, blobs too, and belongs to no image.
func (j Job) Forecast(inv *oci.Inventory, g *oci.Graph, content func(oci.Descriptor) ([]byte, bool)) (Forecast, error) {
	if err := j.CheckNumbers(); err != nil {
		return Forecast{}, err
	}
	begin, err := j.standInBegin()
	if err != nil {
		return Forecast{}, fmt.Errorf("calculate the size of the bundle: %w", err)
	}
	r := &forecaster{begin: begin, parity: j.Parity, signers: len(j.Signers), version: j.Version, content: content, noise: newNoise()}
	return r.run(inv, g)
}

func (r *forecaster) run(inv *oci.Inventory, g *oci.Graph) (f Forecast, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("calculate the size of the bundle: %w", err)
		}
	}()
	if err := r.measure(); err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, r.fast.Close(), r.dense.Close()) }()
	if err := r.blobs(g); err != nil {
		return f, err
	}
	if r.closed != nil {
		r.again(*r.closed)
	} else if err := r.closing(inv, g); err != nil {
		return f, err
	}
	return r.sum(inv)
}

// closedLane is a closing lane that was counted.
type closedLane struct {
	segs    []journal.Segment
	guessed int64
	large   bool
}

// again takes a closing lane over, which has the same in it whatever its number is.
func (r *forecaster) again(c closedLane) {
	for _, s := range c.segs {
		s.Lane = r.begin.Closing()
		s.SHA256 = standIn(seal.Segment{Lane: s.Lane, Number: s.Number})
		r.segs = append(r.segs, s)
	}
	r.guessed, r.large = r.guessed+c.guessed, r.large || c.large
}

// blobs counts the lanes of each drive.
func (r *forecaster) blobs(g *oci.Graph) error {
	on := r.begin.Places()
	each := make([][]oci.Node, r.begin.Count())
	for _, n := range g.Blobs {
		k := max(on[n.Descriptor.Digest], 1) - 1
		each[k] = append(each[k], n)
	}
	for k, blobs := range each {
		for n, list := range deal(blobs, r.begin.Lanes) {
			l := r.lane(k*r.begin.Lanes + n).after(r.kept)
			for _, d := range list {
				if err := l.blob(d, r.written[d.Digest]); err != nil {
					return err
				}
			}
			l.commit()
		}
	}
	return nil
}

// standInBegin begins a bundle that is not written. It is the same each time.
func (j Job) standInBegin() (journal.Begin, error) {
	key := j.key
	if key == nil {
		standIn := j
		var err error
		if j.Plain {
			standIn.Recipients = nil
		} else if standIn.Recipients, err = keys.StandIns(j.Recipients); err != nil {
			return journal.Begin{}, err
		}
		if err := standIn.MakeKey(); err != nil {
			return journal.Begin{}, err
		}
		key = standIn.key
	}
	return journal.Begin{
		Bundle: "rehearsal2345677", Created: time.Unix(1<<30, 0).UTC(),
		SegmentSize: j.SegmentSize, Lanes: j.Lanes, Stream: j.Stream, Partial: j.Partial, Baseline: j.Baseline, Plain: j.Plain, Key: key.recipient, KeyFiles: key.files, Supplements: j.Supplement.begin(),
	}, nil
}

// deal gives each lane its blobs, the largest first: a large one goes where the
// least is, small ones go round.
func deal(blobs []oci.Node, lanes int) [][]oci.Descriptor {
	sorted := slices.Clone(blobs)
	slices.SortStableFunc(sorted, func(a, b oci.Node) int { return cmp.Compare(b.Descriptor.Size, a.Descriptor.Size) })
	dealt, load, large := make([][]oci.Descriptor, lanes), make([]int64, lanes), 0
	for i, n := range sorted {
		d := n.Descriptor
		l := i % lanes
		if d.Size > SmallBlob {
			large++
			l = slices.Index(load, slices.Min(load))
		} else if large > lanes {
			l = (i - large) % lanes
		}
		dealt[l], load[l] = append(dealt[l], d), load[l]+d.Size
	}
	return dealt
}

// forecaster is a bundle that is only counted.
type forecaster struct {
	begin       journal.Begin
	parity      ParityRatio
	room        []int64         // of each drive, where that is known
	copied      map[int][]int64 // bytes of the small files of which other drives have copies, by drive
	signers     int             // how many sign it
	version     string
	content     func(oci.Descriptor) ([]byte, bool)
	fast, dense *zstd.Encoder
	head        int64 // bytes of a segment's age header, 0 where nothing is encrypted
	noise       *noise
	buf, out    []byte // of the frame that is being filled, in any lane

	begun   bool              // it is a bundle's that was begun
	kept    []journal.Segment // what is written of it already
	done    map[int]journal.DriveDone
	written map[digest.Digest]int64 // of blobs that were cut in the middle
	segs    []journal.Segment
	closed  *closedLane // the closing lane, if it was counted before; else it is noted
	guessed int64       // bytes that will be compressed, nobody knows how far
	large   bool        // a blob above KnownBlob is among them
}

// measure makes the encoders and one age header, if there is to be one.
func (r *forecaster) measure() (err error) {
	if r.fast, err = frame.NewFast(); err != nil {
		return err
	}
	if r.dense, err = frame.NewDense(); err != nil {
		return err
	}
	head := &countingWriter{w: io.Discard}
	_, err = envelopeOf(r.begin).wrap(head)
	r.head = head.n
	return err
}

// closing counts the closing lane: manifests, and the end of the archive.
func (r *forecaster) closing(inv *oci.Inventory, g *oci.Graph) error {
	before, guessed, large := len(r.segs), r.guessed, r.large
	r.large = false
	l := r.lane(r.begin.Closing()).after(r.kept)
	// A graph has them in the order in which they were read; this one is the same each time.
	manifests := slices.SortedStableFunc(slices.Values(g.Manifests), func(a, b oci.Node) int {
		if len(a.Images) == 0 || len(b.Images) == 0 { // what documents reach comes last, as it stands
			return cmp.Compare(len(b.Images), len(a.Images))
		}
		return cmp.Compare(a.Descriptor.Digest, b.Descriptor.Digest)
	})
	for _, n := range manifests {
		if err := l.blob(n.Descriptor, 0); err != nil {
			return err
		}
	}
	files, err := ending(inv)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := l.entry(f.name, int64(len(f.body)), nil, known(f.body), true); err != nil {
			return err
		}
	}
	l.take(make([]byte, 2*tarBlock))
	l.commit()
	r.closed = &closedLane{slices.Clone(r.segs[before:]), r.guessed - guessed, r.large}
	r.large = r.large || large
	return nil
}

// sum adds the small files.
func (r *forecaster) sum(inv *oci.Inventory) (Forecast, error) {
	if err := r.checkSegments(); err != nil {
		return Forecast{}, err
	}
	slices.SortFunc(r.segs, func(a, b journal.Segment) int {
		return cmp.Or(cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Number, b.Number))
	})
	f := Forecast{Segments: len(r.segs), parts: make([]part, r.begin.Count())}
	used := map[int]bool{}
	for _, s := range r.segs {
		p := &f.parts[r.begin.DriveOf(s.Lane)-1]
		p.files = append(p.files, s.Size)
		p.segments++
		if !used[s.Lane] {
			p.lanes++
		}
		used[s.Lane] = true
	}
	if err := r.small(inv, f.parts); err != nil {
		return f, err
	}
	if err := r.addParity(f.parts); err != nil {
		return f, err
	}
	for i := range f.parts {
		p := &f.parts[i]
		slices.Sort(p.files) // a map has no order
		for _, size := range p.files {
			p.bytes += size
		}
		f.Bytes += p.bytes
	}
	if f.Upper = r.large || r.guessed > f.Bytes/guessShare; f.Upper {
		f.Bytes = 0
		for i := range f.parts {
			p := &f.parts[i]
			p.bytes += max(p.bytes/upperMargin, upperMin)
			f.Bytes += p.bytes
		}
	}
	return f, nil
}

// checkSegments refuses segments of a size that makes them more than a bundle, or a lane, may have.
func (r *forecaster) checkSegments() error {
	n, last := len(r.kept)+len(r.segs), 0
	for _, s := range r.segs {
		last = max(last, s.Number)
	}
	if n <= seal.MaxFiles && last <= seal.MaxSegments {
		return nil
	}
	why := fmt.Sprintf("the bundle would have %d segments, and %d are the most", n, seal.MaxFiles)
	if n <= seal.MaxFiles {
		why = fmt.Sprintf("a lane would have %d segments, and %d are the most", last, seal.MaxSegments)
	}
	return &RefusedError{Dir: "segments of " + CompactSize(r.begin.SegmentSize), Reason: why, hint: "take larger segments (--segment-size), or carry the images in several bundles"}
}

// small adds the small files of each drive that is not finished.
func (r *forecaster) small(inv *oci.Inventory, parts []part) error {
	all := append(slices.Clone(r.kept), r.segs...)
	slices.SortStableFunc(all, func(a, b journal.Segment) int {
		return cmp.Or(cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Number, b.Number))
	})
	r.copied = map[int][]int64{}
	s := sealing{begin: r.begin, number: foreseen(r.begin), signers: slices.Repeat([]*Signer{sign.StandIn()}, r.signers), version: r.version}
	for k := range parts[:len(parts)-1] {
		small, err := s.driveFiles(context.Background(), k+1, all)
		if err != nil {
			return err
		}
		if done, ok := r.done[k+1]; ok {
			s.early = append(s.early, sumOf(done))
			r.addSmall(&part{}, k+1, small) // it has them, and the others get copies where parity goes across
			continue
		}
		s.early = append(s.early, seal.DriveSum{Drive: k + 1, SHA256: seal.Sum(small.withSecond[seal.DriveName]), Signatures: listFiles(small.signatures)})
		r.addSmall(&parts[k], k+1, small)
	}
	idx, err := s.index(inv, all)
	if err != nil {
		return err
	}
	small, err := s.files(context.Background(), idx, all, r.begin.Created)
	if err == nil {
		r.addSmall(&parts[len(parts)-1], len(parts), small)
	}
	return err
}

func (r *forecaster) addSmall(p *part, number int, small sealedFiles) {
	for name, body := range small.withSecond {
		if seal.KeyNumber(name) == 0 && name != seal.ExtrasName {
			r.copied[number] = append(r.copied[number], int64(len(body)))
		}
		p.files = append(p.files, int64(len(body)))
		if !r.begun || seal.KeyNumber(name) == 0 { // the key files are there from the beginning
			p.files = append(p.files, int64(len(body)))
		}
	}
	p.files = append(p.files, int64(len(small.derived.readme)), int64(len(small.derived.sums)))
}

// noise gives bytes that do not compress. Its period is longer than a frame, in
// which they would else be found again.
type noise struct {
	made *rand.ChaCha8
	body []byte // as much as was needed so far
	at   int
}

func newNoise() *noise { return &noise{made: rand.NewChaCha8([32]byte{})} }

// next gives n bytes, at most readChunk.
func (n *noise) next(size int64) []byte {
	if n.at+int(size) > frame.MaxContent+readChunk {
		n.at = 0
	}
	n.at += int(size)
	if more := n.at - len(n.body); more > 0 {
		n.body = append(n.body, make([]byte, more)...)
		_, _ = n.made.Read(n.body[n.at-more:]) // never fails
	}
	return n.body[n.at-int(size) : n.at]
}

func known(body []byte) func(off, n int64) []byte {
	return func(off, n int64) []byte { return body[off : off+n] }
}

// standIn is the SHA-256 of a segment that is not written.
func standIn(s seal.Segment) string { return seal.Sum([]byte(s.String())) }
