package index

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
)

const (
	version = 1
	maxLine = 16 << 20

	// MaxText is the most bytes of text that an index may have.
	MaxText   = 96 << 20
	maxWindow = 4 << 20
	maxBytes  = 1 << 50 // of anything
)

// What an index may have in all. A release with all operator catalogs has 30,000 images and 130,000
// blobs; a reader holds all of it in memory.
const (
	maxBlobs     = 1 << 18
	maxPieces    = 1 << 19 // of blobs
	maxImages    = 1 << 16
	maxGaps      = 1 << 16
	maxDocuments = 1 << 10
	maxElements  = 1 << 19 // of lists of images, gaps and documents
	maxTar       = 1 << 53 // bytes in all segments: no sum of sizes overflows
)

// tally is what an index has so far.
type tally struct {
	blobs, pieces, images, gaps, documents, elements int
	tar                                              int64
}

// add counts a line whose lists have so many elements.
func (t *tally) add(l *line, elements int) error {
	switch {
	case l.Segment != nil:
		t.tar = min(t.tar, maxTar) + min(max(l.Segment.Tar, 0), maxTar)
	case l.Kept != nil:
		t.tar = min(t.tar, maxTar) + min(max(l.Kept.Tar, 0), maxTar)
	case l.Blob != nil:
		t.blobs++
		t.pieces += len(l.Blob.At)
	case l.Image != nil:
		t.images++
		t.elements += elements
	case l.Gap != nil:
		t.gaps++
		t.elements += elements
	case l.Document != nil:
		t.documents++
		t.elements += elements
	}
	return t.check()
}

func (t *tally) check() error {
	for _, of := range []struct {
		n, most int64
		what    string
	}{
		{int64(t.blobs), maxBlobs, "blobs and manifests"}, {int64(t.pieces), maxPieces, "pieces of blobs"}, {int64(t.images), maxImages, "images"},
		{int64(t.gaps), maxGaps, "gaps"}, {int64(t.documents), maxDocuments, "documents"}, {int64(t.elements), maxElements, "tags, reasons and other elements of lists"},
		{t.tar, maxTar, "bytes in its segments"},
	} {
		if of.n > of.most {
			return fmt.Errorf("it has more than %d %s", of.most, of.what)
		}
	}
	return nil
}

// ErrFormat says that an index breaks the format.
var ErrFormat = errors.New("not a valid index")

// Header opens an index.
type Header struct {
	Version int       `json:"version"`
	Bundle  string    `json:"bundle"`
	Created time.Time `json:"created"`
	seal.Needs
}

// Segment is one segment of the bundle.
type Segment struct {
	Name   string `json:"name"`
	Drive  int    `json:"drive"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	Tar    int64  `json:"tar"` // bytes of the tar stream in it
	Kept   bool   `json:"-"`   // it is one of the damaged bundle that this one supplements
}

// Piece is a run of a blob's bytes inside a segment.
type Piece struct {
	Segment int   // index into Index.Segments
	Offset  int64 // in the segment's tar bytes
	Length  int64
}

// MarshalJSON writes [segment, offset, length].
func (p Piece) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "[%d,%d,%d]", p.Segment, p.Offset, p.Length), nil
}

// Blob is where a blob or manifest lies.
type Blob struct {
	Digest digest.Digest `json:"digest"`
	Size   int64         `json:"size"`
	At     []Piece       `json:"at"`
}

type end struct {
	Segments  int `json:"segments"`
	Blobs     int `json:"blobs"`
	Images    int `json:"images"`
	Gaps      int `json:"gaps,omitempty"`
	Documents int `json:"documents,omitempty"`
	Baseline  int `json:"baseline,omitempty"` // digests
	Kept      int `json:"kept,omitempty"`     // segments of a damaged bundle
}

// line is one line of the text; exactly one field is set.
type line struct {
	Index    *Header       `json:"index,omitempty"`
	Of       *Supplemented `json:"supplements,omitempty"`
	Segment  *Segment      `json:"segment,omitempty"`
	Kept     *Segment      `json:"kept,omitempty"`
	Blob     *Blob         `json:"blob,omitempty"`
	Baseline *Baseline     `json:"baseline,omitempty"`
	Image    *oci.Image    `json:"image,omitempty"`
	Gap      *oci.Gap      `json:"gap,omitempty"`
	Document *oci.Document `json:"document,omitempty"`
	End      *end          `json:"end,omitempty"`
}

// parseLine reads one line. Its one key is a kind that this version knows: another
// kind is a feature, which the header lists among its needs. Keys inside it that
// this version does not know are ignored.
func parseLine(b []byte, t *tally) (l line, err error) {
	elements, err := seal.CountElements(b)
	if err != nil {
		return l, err
	}
	kind, body, err := onlyKey(b)
	if err == nil {
		err = checkKeys(b)
	}
	if err != nil {
		return l, err
	}
	switch kind {
	case "index":
		err = json.Unmarshal(body, &l.Index)
	case "supplements":
		err = json.Unmarshal(body, &l.Of)
	case "kept":
		err = json.Unmarshal(body, &l.Kept)
	case "segment":
		err = json.Unmarshal(body, &l.Segment)
	case "blob":
		err = json.Unmarshal(body, &l.Blob)
	case "baseline":
		err = json.Unmarshal(body, &l.Baseline)
	case "image":
		err = json.Unmarshal(body, &l.Image)
	case "gap":
		err = json.Unmarshal(body, &l.Gap)
	case "document":
		err = json.Unmarshal(body, &l.Document)
	case "end":
		err = json.Unmarshal(body, &l.End)
	default:
		err = fmt.Errorf("unknown kind %.64q", kind)
	}
	return l, errors.Join(err, t.add(&l, elements))
}

// onlyKey gives the one key of an object, and its value. It stops at a second key,
// the same one too.
func onlyKey(b []byte) (key string, value json.RawMessage, err error) {
	if !json.Valid(b) {
		return "", nil, errors.New("it is not JSON")
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	open, err := dec.Token()
	if err != nil || open != json.Delim('{') || !dec.More() {
		return "", nil, errors.Join(errors.New("it is not an object with a key"), err)
	}
	name, err := dec.Token()
	if err == nil {
		err = dec.Decode(&value)
	}
	if err == nil && dec.More() {
		err = errors.New("it has more keys than one")
	}
	if err != nil {
		return "", nil, err
	}
	return name.(string), value, nil // keys are strings
}

// Index is a whole index in memory.
type Index struct {
	Header    Header
	Of        *Supplemented // nil for a bundle that is no supplement
	Segments  []Segment     // those of the damaged bundle come after its own
	Blobs     map[digest.Digest]Blob
	Baseline  *Baseline // nil for a bundle that carries all that it needs
	Inventory oci.Inventory
}
