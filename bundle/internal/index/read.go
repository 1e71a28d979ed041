package index

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
)

// Read reads a whole index. An error wraps [ErrFormat] when the text breaks the
// format; it is a *[seal.NeedsError] when the index needs what this version lacks,
// else the reader's own.
func Read(src io.Reader) (*Index, error) {
	in := &errorReader{r: src}
	z, err := zstd.NewReader(in, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	defer z.Close()
	sc := bufio.NewScanner(io.LimitReader(z, MaxText+1))
	sc.Buffer(make([]byte, 64<<10), maxLine)
	r := reader{index: &Index{Blobs: map[digest.Digest]Blob{}}, images: map[string]bool{}, segments: map[bool]int{}}
	n, text := 0, 0
	for sc.Scan() {
		n++
		if text += len(sc.Bytes()) + 1; text > MaxText {
			return nil, fmt.Errorf("%w: it has more than %d bytes of text", ErrFormat, MaxText)
		}
		err := r.line(sc.Bytes())
		var needs *seal.NeedsError
		if errors.As(err, &needs) {
			return nil, needs
		}
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrFormat, n, err)
		}
	}
	if in.err != nil {
		return nil, fmt.Errorf("read index: %w", in.err)
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("%w: after line %d: %w", ErrFormat, n, err)
	}
	if err := r.finish(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return r.index, nil
}

// errorReader remembers the reader's own error, which is no fault of the format.
type errorReader struct {
	r   io.Reader
	err error
}

func (r *errorReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// The sections of an index, in order.
const (
	atStart = iota
	inSegments
	inKept
	inBlobs
	inBaseline
	inImages
	inGaps
	inDocuments
	atEnd
)

type reader struct {
	index    *Index
	section  int
	tally    tally
	end      end
	images   map[string]bool // by source, origin and path
	segments map[bool]int    // how many are of this bundle, and, under true, kept of the damaged one
}

func (r *reader) line(b []byte) error {
	l, err := parseLine(b, &r.tally)
	if err != nil {
		return err
	}
	switch {
	case l.Index != nil && r.section == atStart:
		r.section = inSegments
		return r.header(*l.Index)
	case l.Of != nil && r.section == inSegments && len(r.index.Segments) == 0 && r.index.Of == nil && r.index.Header.Has(seal.Supplement):
		r.index.Of = l.Of
		return l.Of.check(r.index.Header)
	case l.Segment != nil && r.section == inSegments:
		return r.segment(*l.Segment)
	case l.Kept != nil && (r.section == inSegments || r.section == inKept) && r.index.Of != nil:
		r.section, l.Kept.Kept = inKept, true
		return r.segment(*l.Kept)
	case l.Blob != nil && r.section >= inSegments && r.section <= inBlobs:
		r.section = inBlobs
		return r.blob(*l.Blob)
	case l.Baseline != nil && r.section >= inSegments && r.section < inBaseline && slices.Contains(r.index.Header.Needs.Needs, seal.Baseline):
		r.section, r.index.Baseline = inBaseline, l.Baseline
		return nil
	case l.Image != nil && r.section >= inSegments && r.section <= inImages:
		r.section = inImages
		key := l.Image.Source.String() + " " + string(l.Image.Origin) + " " + l.Image.Path
		if r.images[key] {
			return fmt.Errorf("image %s stands twice", l.Image.Source)
		}
		r.images[key] = true
		r.index.Inventory.Images = append(r.index.Inventory.Images, *l.Image)
		return nil
	case l.Gap != nil && r.section >= inSegments && r.section <= inGaps:
		r.section = inGaps
		r.index.Inventory.Gaps = append(r.index.Inventory.Gaps, *l.Gap)
		return nil
	case l.Document != nil && r.section >= inSegments && r.section <= inDocuments:
		r.section = inDocuments
		r.index.Inventory.Documents = append(r.index.Inventory.Documents, *l.Document)
		return nil
	case l.End != nil && r.section >= inSegments && r.section < atEnd:
		r.section = atEnd
		r.end = *l.End
		return nil
	}
	return fmt.Errorf("not what belongs here")
}

func (r *reader) header(h Header) error {
	if h.Version != version {
		return fmt.Errorf("version %d; this satchel reads %d", h.Version, version)
	}
	if err := h.Check(); err != nil {
		return err
	}
	if !seal.IsID(h.Bundle) {
		return fmt.Errorf("bundle ID %.64q", h.Bundle)
	}
	r.index.Header = h
	return nil
}

func (r *reader) segment(s Segment) error {
	if at, ok := seal.ParseSegment(s.Name); !ok || at.Plain != r.index.Header.Has(seal.Plain) {
		return fmt.Errorf("segment name %.64q", s.Name)
	}
	if n := len(r.index.Segments); n > 0 && r.index.Segments[n-1].Kept == s.Kept && r.index.Segments[n-1].Name >= s.Name {
		return fmt.Errorf("segment %s is out of order", s.Name)
	}
	if !seal.IsSum(s.SHA256) {
		return fmt.Errorf("SHA-256 of segment %s", s.Name)
	}
	if s.Size < 0 || s.Size > maxBytes || s.Tar < 0 || s.Tar > maxBytes || s.Drive < 1 || s.Kept && s.Drive > r.index.Of.Drives {
		return fmt.Errorf("numbers of segment %s", s.Name)
	}
	if r.segments[s.Kept]++; r.segments[s.Kept] > seal.MaxFiles {
		return fmt.Errorf("more than %d segments", seal.MaxFiles)
	}
	r.index.Segments = append(r.index.Segments, s)
	return nil
}

func (r *reader) blob(b Blob) error {
	if err := oci.CheckDigest(b.Digest); err != nil {
		return err
	}
	if _, ok := r.index.Blobs[b.Digest]; ok {
		return fmt.Errorf("%s stands twice", b.Digest)
	}
	if b.Size < 0 || b.Size > maxBytes {
		return fmt.Errorf("%s has %d bytes", b.Digest, b.Size)
	}
	var sum int64
	for i, p := range b.At {
		if p.Segment < 0 || p.Segment >= len(r.index.Segments) {
			return fmt.Errorf("%s lies in a segment that is not there", b.Digest)
		}
		tar := r.index.Segments[p.Segment].Tar
		if p.Offset < 0 || p.Length < 0 || p.Offset > tar || p.Length > tar-p.Offset {
			return fmt.Errorf("%s lies outside its segment", b.Digest)
		}
		if i > 0 && (p.Segment <= b.At[i-1].Segment || r.index.Segments[p.Segment].Kept != r.index.Segments[b.At[0].Segment].Kept) || p.Length == 0 && b.Size > 0 {
			return fmt.Errorf("pieces of %s", b.Digest)
		}
		sum += p.Length
	}
	if sum != b.Size || len(b.At) == 0 || b.Size == 0 && len(b.At) > 1 {
		return fmt.Errorf("the pieces of %s have %d bytes, it has %d", b.Digest, sum, b.Size)
	}
	r.index.Blobs[b.Digest] = b
	return nil
}

func (r *reader) finish() error {
	inv := &r.index.Inventory
	kept := len(r.index.Segments) - r.index.Own()
	got := end{r.index.Own(), len(r.index.Blobs), len(inv.Images), len(inv.Gaps), len(inv.Documents), r.index.Baseline.Len(), kept}
	if r.section != atEnd || got != r.end {
		return fmt.Errorf("it ends early")
	}
	if (r.index.Of != nil) != r.index.Header.Has(seal.Supplement) {
		return fmt.Errorf("it does not say which bundle it supplements")
	}
	if err := inv.Validate(); err != nil {
		return err
	}
	for d := range r.index.Blobs {
		if _, _, both := r.index.Baseline.Find(d); both {
			return fmt.Errorf("%s is in it and in the baseline", d)
		}
	}
	for _, img := range inv.Images {
		b, ok := r.index.Blobs[img.Root.Digest]
		if _, _, left := r.index.Baseline.Find(img.Root.Digest); !left && (!ok || b.Size != img.Root.Size) {
			return fmt.Errorf("the manifest of %s is not in it", img.Source)
		}
	}
	for _, doc := range inv.Documents {
		if b, ok := r.index.Blobs[doc.Root.Digest]; !ok || b.Size != doc.Root.Size {
			return fmt.Errorf("the manifest of document %s is not in it", doc.Name)
		}
	}
	return r.overlaps()
}

func (r *reader) overlaps() error {
	var all []Piece
	for _, b := range r.index.Blobs {
		all = append(all, b.At...)
	}
	slices.SortFunc(all, func(a, b Piece) int {
		return cmp.Or(cmp.Compare(a.Segment, b.Segment), cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Length, b.Length))
	})
	for i := 1; i < len(all); i++ {
		if a, b := all[i-1], all[i]; a.Segment == b.Segment && a.Offset+a.Length > b.Offset {
			return fmt.Errorf("two blobs overlap in %s", r.index.Segments[a.Segment].Name)
		}
	}
	return nil
}

// UnmarshalJSON reads [segment, offset, length].
func (p *Piece) UnmarshalJSON(b []byte) error {
	var v []int64
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	if len(v) != 3 || v[0] < 0 || v[0] > 1<<31-1 {
		return fmt.Errorf("piece %s", b)
	}
	*p = Piece{int(v[0]), v[1], v[2]}
	return nil
}
