package bundle

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle/internal/frame"
	"github.com/satchel-airgap/satchel/bundle/internal/index"
	"github.com/satchel-airgap/satchel/bundle/internal/keys"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
)

// Reader gives the content of a sealed bundle. It is an [oci.Source] of any
// offset and may be used concurrently. It writes nothing to the drive. Of several drives it
// needs the last one to begin with; the others may come and go, see [Reader.Attach].
type Reader struct {
	seals *seals
	on    mounted
	key   keys.Key
	index *index.Index
	dec   *frame.Decoder
	cache *segments
	other *damaged // the damaged bundle that it supplements; nil if it is no supplement, or alone
}

// Open opens the bundle in dirs, or the only one below them (see [List]), with one of the
// given keys. Of several drives the last one must be among them; see [Reader.Attach]. Before it looks at content it compares the seals, the names and
// the lengths of all files, and before those who has signed it. Errors: *[NoBundleError],
// *[UnfinishedError], *[FingerprintError], *[TrustError], *[NeedsError], *[PlainError], *[DamageError], *[CopyError], [ErrNoKey], [ErrWrongKey], *[DriveError], *[AwayError].
func Open(ctx context.Context, dirs []string, want Wanted, ids []Identity) (r *Reader, err error) {
	at, beside, err := locatePair(dirs)
	if err != nil {
		return nil, err
	}
	s, err := openLocated(at, want)
	if err != nil {
		return nil, expectedOther(err, at, want)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.plain() && !want.Plain {
		return nil, &PlainError{Dir: s.dir.Path()}
	}
	if err := s.usable(); err != nil {
		return nil, err
	}
	key, err := s.unlock(ctx, ids)
	if err != nil {
		return nil, err
	}
	idx, err := s.readIndex(key)
	if err != nil {
		return nil, err
	}
	other, err := openDamaged(ctx, beside, s, idx, want, ids)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, errors.Join(err, other.close())
	}
	dec, err := frame.NewDecoder()
	if err != nil {
		return nil, errors.Join(err, other.close())
	}
	return newReader(s, key, idx, dec, other), nil
}

func newReader(s *seals, key keys.Key, idx *index.Index, dec *frame.Decoder, other *damaged) *Reader {
	r := &Reader{seals: s, key: key, index: idx, dec: dec, other: other}
	for _, d := range append(s.drives(), other.dirs()...) {
		r.on.put(d)
	}
	r.cache = newSegments(r)
	return r
}

// unlock opens a key file that one of the keys fits. One that has changed is
// named only if no other opens. A bundle that is not encrypted has no key.
func (s *seals) unlock(ctx context.Context, ids []Identity) (keys.Key, error) {
	if s.plain() {
		return keys.Key{}, nil
	}
	if len(ids) == 0 {
		return keys.Key{}, ErrNoKey
	}
	var files []keys.File
	var changed error
	for _, f := range s.extras.Files {
		if seal.KeyNumber(f.Name) == 0 {
			continue
		}
		body, err := s.readFile(f.Name, keys.MaxFile)
		if err != nil {
			return keys.Key{}, err
		}
		if seal.Sum(body) != f.SHA256 {
			changed = s.damage(f.Name, "has changed: its SHA-256 differs from the recorded one", nil)
			continue
		}
		files = append(files, keys.File{Name: f.Name, Body: body})
	}
	key, err := keys.Unlock(ctx, files, ids)
	var bad *keys.FileError
	switch {
	case errors.As(err, &bad):
		return key, s.damage(bad.Name, bad.Why, nil)
	case errors.Is(err, ErrWrongKey) && changed != nil:
		return key, changed
	}
	return key, err
}

// readIndex reads the index and holds it against the seals.
func (s *seals) readIndex(key keys.Key) (*index.Index, error) {
	name := s.bundle.Index.Name
	body, err := s.readFile(name, maxIndex)
	if err != nil {
		return nil, err
	}
	if seal.Sum(body) != s.bundle.Index.SHA256 {
		return nil, s.damage(name, "has changed: its SHA-256 differs from the recorded one", nil)
	}
	plain, size, err := s.decrypt(key, bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return nil, s.damage(name, "cannot be decrypted with the bundle key", err)
	}
	idx, err := index.Read(io.NewSectionReader(plain, 0, size))
	if needs := asNeeds(s.dir.Path(), err); needs != nil {
		return nil, needs
	}
	if err != nil {
		return nil, s.damage(name, "cannot be read", err)
	}
	if idx.Header.Bundle != s.bundle.Bundle || idx.Header.Has(seal.Plain) != s.plain() || !inOrder(idx.Segments[:idx.Own()], len(s.bundle.Drives)) || !s.supplementsSame(idx) {
		return nil, s.damage(name, "and bundle.json disagree about the bundle or its drives", nil)
	}
	if !slices.Equal(idx.Header.Needs.Needs, s.bundle.Needs.Needs) {
		return nil, s.damage(name, "and bundle.json disagree about what a reader needs", nil)
	}
	for _, b := range idx.Blobs {
		if first, last := b.At[0], b.At[len(b.At)-1]; idx.Segments[first.Segment].Drive != idx.Segments[last.Segment].Drive {
			return nil, s.damage(name, "has a blob that lies on two drives", nil)
		}
	}
	for _, d := range s.drives() {
		if !d.agrees(idx) {
			return nil, s.damage(name, "and drive.json disagree about the segments", nil)
		}
	}
	numberKept(idx, len(s.bundle.Drives))
	return idx, nil
}

// decrypt opens a file of the bundle for random access.
func (s *seals) decrypt(key keys.Key, src io.ReaderAt, size int64) (io.ReaderAt, int64, error) {
	if s.plain() {
		return src, size, nil
	}
	return key.Decrypt(src, size)
}

// inOrder reports whether the segments lie on drives that the bundle has, those of one drive
// next to each other.
func inOrder(segs []index.Segment, drives int) bool {
	last := 1
	for _, s := range segs {
		if s.Drive < last || s.Drive > drives {
			return false
		}
		last = s.Drive
	}
	return true
}

// agrees reports whether the drive has just the segments that the index says.
func (s *driveDir) agrees(idx *index.Index) bool {
	n := 0
	for _, seg := range idx.Segments {
		if seg.Kept || seg.Drive != s.drive.Drive {
			continue
		}
		if n >= len(s.drive.Files) || s.drive.Files[n] != (seal.File{Name: seg.Name, Size: seg.Size, SHA256: seg.SHA256}) {
			return false
		}
		n++
	}
	return n == len(s.drive.Files)
}

// maxIndex is the largest index.age: text that does not compress at all.
const maxIndex = index.MaxText + index.MaxText/64

// Close frees the reader. No reader that it gave may be used afterwards.
func (r *Reader) Close() error {
	r.cache.close()
	r.dec.Close()
	return r.on.close()
}

// Inventory is the pinned list of what the bundle carries.
func (r *Reader) Inventory() *oci.Inventory { return &r.index.Inventory }

// ID is the bundle's ID. Of a supplement beside the damaged bundle it is the ID of that one: the
// two are read as what it was.
func (r *Reader) ID() string {
	if of := r.restored(); of != nil {
		return of.Bundle
	}
	return r.seals.bundle.Bundle
}

// Dir is the directory of the bundle's last drive.
func (r *Reader) Dir() string { return r.seals.dir.Path() }

// Created is when the bundle was packed.
func (r *Reader) Created() time.Time {
	if of := r.restored(); of != nil {
		return r.other.created(of.Created)
	}
	return r.seals.bundle.Created
}

// Plain reports whether the bundle is not encrypted.
func (r *Reader) Plain() bool { return r.seals.plain() }

// Fingerprint is that of the seal; of a supplement beside the damaged bundle it is the supplement's: that
// says what is read.
func (r *Reader) Fingerprint() Fingerprint { return r.seals.finger }

// Packed is the fingerprint that the bundle had when it was packed: that of the damaged one where
// a supplement makes it whole, as the supplement names it.
func (r *Reader) Packed() Fingerprint {
	if of := r.restored(); of != nil {
		return Fingerprint(of.Fingerprint)
	}
	return r.seals.finger
}

// Stat gives the number of segments, their bytes, and the number of blobs and
// manifests in them.
func (r *Reader) Stat() (segments int, size int64, blobs int) {
	list, blobs := r.index.Segments, 0
	if r.restored() == nil {
		list = list[:r.index.Own()]
	}
	for _, s := range list {
		size += s.Size
	}
	for _, b := range r.index.Blobs {
		if b.At[0].Segment < len(list) {
			blobs++
		}
	}
	return len(list), size, blobs
}

// Has reports whether the bundle carries d.
func (r *Reader) Has(d oci.Descriptor) bool {
	_, ok := r.index.Blobs[d.Digest]
	return ok
}

// Order gives the descriptors in the order in which their content lies on the
// drives: drive, lane, offset. What the bundle does not carry comes last.
func (r *Reader) Order(ds []oci.Descriptor) iter.Seq[oci.Descriptor] {
	ds = slices.Clone(ds)
	at := func(d digest.Digest) index.Piece {
		if b, ok := r.index.Blobs[d]; ok {
			return b.At[0]
		}
		return index.Piece{Segment: len(r.index.Segments)}
	}
	slices.SortStableFunc(ds, func(a, b oci.Descriptor) int {
		x, y := at(a.Digest), at(b.Digest)
		return cmp.Or(cmp.Compare(x.Segment, y.Segment), cmp.Compare(x.Offset, y.Offset))
	})
	return slices.Values(ds)
}

// Open gives the bytes of d from off on. They are not verified against d; see
// [oci.Verified]. The error wraps fs.ErrNotExist if the bundle does not carry
// d, and is a *[DamageError] if its segments are not what they were.
func (r *Reader) Open(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
	b, ok := r.index.Blobs[d.Digest]
	if !ok {
		return nil, fmt.Errorf("%s is not in the bundle%.0w", d.Digest, fs.ErrNotExist)
	}
	if b.Size != d.Size || off < 0 || off > b.Size {
		return nil, fmt.Errorf("open %s at byte %d: the bundle has %d bytes of it, %d are expected", d.Digest, off, b.Size, d.Size)
	}
	return &blobReader{ctx: ctx, r: r, pieces: b.At, skip: off}, nil
}

// blobReader reads a blob's pieces, frame by frame.
type blobReader struct {
	//lint:ignore containedctx io.Reader takes no context
	ctx     context.Context
	r       *Reader
	pieces  []index.Piece // what is left, the first one in part
	skip    int64         // bytes of the first piece that are done
	seg     *openSegment
	frame   []byte // decoded bytes not given yet
	content []byte // buffers of this reader
	scratch []byte
}

func (b *blobReader) Read(p []byte) (int, error) {
	for len(b.frame) == 0 {
		if err := b.ctx.Err(); err != nil {
			return 0, err
		}
		if err := b.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, b.frame)
	b.frame = b.frame[n:]
	return n, nil
}

// Decoded is how many bytes the next reads give without reading the drive.
func (b *blobReader) Decoded() int { return len(b.frame) }

// next decodes the frame that holds the next byte of the blob.
func (b *blobReader) next() error {
	for len(b.pieces) > 0 && b.skip >= b.pieces[0].Length {
		b.skip -= b.pieces[0].Length
		b.pieces = b.pieces[1:]
		b.release()
	}
	if len(b.pieces) == 0 {
		return io.EOF
	}
	piece := b.pieces[0]
	if b.seg == nil {
		seg, err := b.r.cache.get(b.ctx, piece.Segment)
		if err != nil {
			return err
		}
		b.seg = seg
	}
	at := piece.Offset + b.skip
	f, content, err := b.read(at, piece)
	if err != nil {
		b.r.cache.drop(b.seg)
		return b.seg.from.unreadable(b.r.index.Segments[piece.Segment].Name, err)
	}
	end := min(f.Content+f.ContentLength, piece.Offset+piece.Length)
	b.frame = content[at-f.Content : end-f.Content]
	b.skip += end - at
	return nil
}

// read decodes the frame at a tar offset: into the segment's shared buffer if
// other blobs have a part in the frame, else into the reader's own.
func (b *blobReader) read(at int64, piece index.Piece) (frame.Frame, []byte, error) {
	f, err := b.seg.table.At(at)
	if err != nil {
		return f, nil, err
	}
	if f.Content < piece.Offset-tarBlock || f.Content+f.ContentLength > piece.Offset+piece.Length+tarBlock {
		content, err := b.seg.shared(b.r.dec, f)
		return f, content, err
	}
	b.content, b.scratch, err = b.r.dec.Decode(b.seg.plain, f, b.content, b.scratch)
	return f, b.content, err
}

func (b *blobReader) release() {
	if b.seg != nil {
		b.r.cache.put(b.seg)
		b.seg = nil
	}
}

// Close gives the segment back.
func (b *blobReader) Close() error {
	b.release()
	b.pieces, b.frame = nil, nil
	return nil
}
