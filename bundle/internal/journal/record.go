package journal

import (
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle/internal/index"
	"github.com/satchel-airgap/satchel/oci"
)

// Begin is the first record: what makes a later run the same job.
type Begin struct {
	Version     int               `json:"version"`
	Bundle      string            `json:"bundle"`
	Created     time.Time         `json:"created"`
	Config      digest.Digest     `json:"config"` // of the configuration
	Recipients  []string          `json:"recipients"`
	SegmentSize int64             `json:"segmentSize"`
	Lanes       int               `json:"lanes"`
	Stream      string            `json:"stream,omitempty"` // its name; empty in journals of version 1
	Partial     bool              `json:"partial,omitempty"`
	Plain       bool              `json:"plain,omitempty"` // it is not encrypted: no key and no key files
	Key         string            `json:"key"`             // the bundle key's recipient
	KeyFiles    map[string][]byte `json:"keyFiles"`        // ciphertext, by name
	Inventory   oci.Inventory     `json:"inventory"`
	Gaps        []byte            `json:"gaps,omitempty"` // what was left out from the start, in the caller's words
	Baseline    *index.Baseline   `json:"baseline,omitempty"`
	Drives      []DrivePlan       `json:"drives,omitempty"`    // what goes on each; none for a bundle of one
	Across      bool              `json:"across,omitempty"`    // parity goes across the drives, at the end
	DriveSize   int64             `json:"driveSize,omitempty"` // the most bytes that each drive gets; 0 where none was named, and in journals of earlier versions
	Staging     bool              `json:"staging,omitempty"`   // each drive has a directory in the one that was named
	Parity      Ratio             `json:"parity,omitzero"`     // that was named; zero for none, and in journals of earlier versions
	File        digest.Digest     `json:"file,omitempty"`      // of the configuration alone, where Config is of more than that
	Supplements *Supplements      `json:"supplements,omitempty"`
}

// Ratio is how many parity files there are for how many segments.
type Ratio struct {
	Parity int `json:"parity"`
	Data   int `json:"data"`
}

// Supplements is the damaged bundle that a supplement belongs to, and what is whole of it.
type Supplements struct {
	index.Supplemented
	Kept  []index.Segment `json:"kept,omitempty"`
	Blobs []index.Blob    `json:"blobs,omitempty"` // in Kept, of which they count from 0
}

// DrivePlan is what goes on one drive of several. Manifests go on the last one.
type DrivePlan struct {
	Blobs []digest.Digest `json:"blobs,omitempty"`
	Need  int64           `json:"need"` // bytes of free space that it takes
}

// Count is how many drives the bundle is on.
func (b Begin) Count() int { return max(1, len(b.Drives)) }

// Closing is the number of the closing lane. Each drive has Lanes before it.
func (b Begin) Closing() int { return b.Count() * b.Lanes }

// Places gives the number of the drive that each blob goes on; none in a bundle of one.
func (b Begin) Places() map[digest.Digest]int {
	on := map[digest.Digest]int{}
	for i, d := range b.Drives {
		for _, blob := range d.Blobs {
			on[blob] = i + 1
		}
	}
	return on
}

// DriveOf is the number of the drive that a lane is on.
func (b Begin) DriveOf(lane int) int { return min(lane/max(b.Lanes, 1)+1, b.Count()) }

// Session says where the drive was at a start.
type Session struct {
	Dir   string `json:"dir"`
	Mount string `json:"mount"` // media.Session
	// Point is where the file system was mounted, and FS what names it (media.Mount); empty
	// where that was not known, and in journals of earlier versions.
	Point string `json:"point,omitempty"`
	FS    string `json:"fs,omitempty"`
	Drive int    `json:"drive,omitempty"` // its number in a bundle on several
}

// DriveDone says that a drive of several, but for the last one, is sealed and was read back: it
// may be away from then on.
type DriveDone struct {
	Drive      int    `json:"drive"`
	SHA256     string `json:"sha256"` // of drive.json
	Signatures []File `json:"signatures,omitempty"`
	Parity     bool   `json:"parity,omitempty"` // it got parity of its own
}

// File is a small file that was written, by its SHA-256.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Process says who has the journal.
type Process struct {
	PID     int       `json:"pid"`
	Since   time.Time `json:"since"`
	Command string    `json:"command,omitempty"` // in the caller's words
	Dir     string    `json:"dir,omitempty"`     // of the bundle; empty in journals of earlier versions
}

// GivenUp says that the bundle is being deleted on the drive, so that another can begin.
type GivenUp struct{}

// Released says that the run which sealed the bundle, or a later one, came to its end
// without reading it back, because verification was switched off.
type Released struct{}

// Number says which bundle of its stream this is. It stands before the seal is written.
type Number struct {
	Ledger   string `json:"ledger"`
	Name     string `json:"name"`
	Sequence int    `json:"sequence"`
}

// Piece is a run of a blob's bytes in a segment.
type Piece struct {
	Digest digest.Digest `json:"d"`
	Size   int64         `json:"n"` // of the whole blob
	Offset int64         `json:"o"` // in the segment's tar bytes
	Length int64         `json:"l"`
}

// Unfinished is the state of a blob that a segment ends in the middle of.
type Unfinished struct {
	Digest digest.Digest `json:"d"`
	Size   int64         `json:"n"`
	State  []byte        `json:"state"` // oci.Verifier
}

// Segment is a segment that is durable on the drive.
type Segment struct {
	Lane       int         `json:"lane"`
	Number     int         `json:"number"`
	Size       int64       `json:"size"`
	SHA256     string      `json:"sha256"`
	Tar        int64       `json:"tar"` // bytes of the tar stream in it
	Pieces     []Piece     `json:"pieces,omitempty"`
	Unfinished *Unfinished `json:"unfinished,omitempty"` // of the last piece; the segment is provisional
	End        bool        `json:"end,omitempty"`        // it holds the end of the tar stream
}

// Drop takes segments of a lane back.
type Drop struct {
	Lane    int   `json:"lane"`
	Numbers []int `json:"numbers"`
}

// Gaps says what the bundle goes without, in the caller's words. It stands before
// the seals are written, so that no crash loses it.
type Gaps struct {
	List []byte `json:"list,omitempty"`
}

// Sealed says that the bundle is finished.
type Sealed struct {
	Fingerprint string    `json:"fingerprint"`
	Created     time.Time `json:"created,omitzero"` // when it was sealed; zero in journals before version 4
	// Images is what the bundle carries, if that is not what it began with.
	Images []oci.Image `json:"images,omitempty"`
}

// Verified says that every byte of the finished bundle was read back from the drive.
type Verified struct {
	Fingerprint string `json:"fingerprint"`
}

// Record is one line; exactly one field is set.
type Record struct {
	Version  int       `json:"version,omitempty"` // what follows is of this version
	Begin    *Begin    `json:"begin,omitempty"`
	Session  *Session  `json:"session,omitempty"`
	Segment  *Segment  `json:"segment,omitempty"`
	Drop     *Drop     `json:"drop,omitempty"`
	Gaps     *Gaps     `json:"gaps,omitempty"`
	Sealed   *Sealed   `json:"sealed,omitempty"`
	Verified *Verified `json:"verified,omitempty"`
	Process  *Process  `json:"process,omitempty"`
	GivenUp  *GivenUp  `json:"givenUp,omitempty"`
	Released *Released `json:"released,omitempty"`
	Number   *Number   `json:"number,omitempty"`

	DriveDone *DriveDone `json:"driveDone,omitempty"`
}

// kinds counts the fields that are set.
func (r Record) kinds() (n int) {
	for _, set := range []bool{r.Version != 0, r.Number != nil, r.Begin != nil, r.Session != nil, r.Segment != nil, r.Drop != nil, r.Gaps != nil, r.Sealed != nil, r.Verified != nil,
		r.Process != nil, r.GivenUp != nil, r.Released != nil, r.DriveDone != nil} {
		if set {
			n++
		}
	}
	return n
}

// State is what the records add up to.
type State struct {
	Begin    Begin
	Session  Session           // the last one
	Sessions map[int]Session   // the last one of each drive of several
	Done     map[int]DriveDone // drives that are finished
	Segments map[int][]Segment // by lane, numbers rising, dropped ones gone
	Next     map[int]int       // by lane, the number after the highest ever used
	Gaps     []byte            // the last ones
	Sealed   *Sealed
	Verified *Verified
	Process  *Process // the last one
	GivenUp  bool     // it began to be deleted, and was not resumed since
	Released *Released
	Number   Number // its sequence is 0 as long as the bundle has none
	Version  int    // of the last records
}

// Written reports whether the journal knows of a segment on the drive.
func (s *State) Written() bool {
	for _, segs := range s.Segments {
		if len(segs) > 0 {
			return true
		}
	}
	return false
}

func (s *State) apply(r Record) {
	switch {
	case r.Version != 0:
		s.Version = r.Version
	case r.Number != nil:
		s.Number = *r.Number
	case r.Begin != nil:
		s.Begin, s.Gaps, s.Version = *r.Begin, r.Begin.Gaps, r.Begin.Version
	case r.Session != nil:
		s.Session, s.GivenUp = *r.Session, false
		s.Sessions[r.Session.Drive] = *r.Session
	case r.DriveDone != nil:
		s.Done[r.DriveDone.Drive] = *r.DriveDone
	case r.Segment != nil:
		s.Segments[r.Segment.Lane] = append(s.Segments[r.Segment.Lane], *r.Segment)
		s.Next[r.Segment.Lane] = max(s.Next[r.Segment.Lane], r.Segment.Number+1)
	case r.Drop != nil:
		gone := map[int]bool{}
		for _, n := range r.Drop.Numbers {
			gone[n] = true
		}
		kept := s.Segments[r.Drop.Lane][:0]
		for _, seg := range s.Segments[r.Drop.Lane] {
			if !gone[seg.Number] {
				kept = append(kept, seg)
			}
		}
		s.Segments[r.Drop.Lane] = kept
	case r.Gaps != nil:
		s.Gaps = r.Gaps.List
	case r.Sealed != nil:
		s.Sealed = r.Sealed
	case r.Verified != nil:
		s.Verified = r.Verified
	case r.Process != nil:
		s.Process = r.Process
	case r.GivenUp != nil:
		s.GivenUp = true
	case r.Released != nil:
		s.Released = r.Released
	}
}
