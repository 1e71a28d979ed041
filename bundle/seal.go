package bundle

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/bundle/internal/index"
	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
)

// Fingerprint is the SHA-256 of bundle.json, 64 hexadecimal digits.
type Fingerprint string

// Grouped writes the fingerprint in groups of eight digits, to be read aloud
// and compared with paper. [ParseFingerprint] reads it back.
func (f Fingerprint) Grouped() string {
	var b bytes.Buffer
	for i := 0; i < len(f); i += 8 {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(string(f[i:min(i+8, len(f))]))
	}
	return b.String()
}

// Seal finishes the bundle: the end of the tar stream, the index, and the seals,
// bundle.json last. Of several drives it finishes the last one, after the others ([Writer.SealDrive]). Every manifest of inv's images, and all they reach, must
// have been put. After an error the bundle is unfinished and can be resumed.
func (w *Writer) Seal(ctx context.Context, inv *oci.Inventory) (Fingerprint, error) {
	if err := errors.Join(w.sealedDrives(), w.endLanes(inv)); err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if err := w.endArchive(inv); err != nil {
		return "", err
	}
	segs := w.sorted()
	idx, err := w.writeIndex(inv, segs)
	if err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	sealed, err := w.writeSeals(ctx, idx, segs)
	if err != nil {
		return "", err
	}
	if len(inv.Images) != len(w.begin.Inventory.Images) { // images can be left out since, and none joins
		sealed.Images = inv.Images
	}
	return Fingerprint(sealed.Fingerprint), w.jnl.Append(journal.Record{Sealed: &sealed})
}

// endLanes makes everything durable and refuses to seal what is not whole.
func (w *Writer) endLanes(inv *oci.Inventory) error {
	w.mu.Lock()
	err := w.err
	for d := range w.held {
		err = errors.Join(err, fmt.Errorf("blob %s is not finished", d))
	}
	for d := range w.done {
		if w.inBaseline(d) {
			err = errors.Join(err, twice(d))
		}
	}
	for _, img := range inv.Images {
		if _, ok := w.done[img.Root.Digest]; !ok && !w.inBaseline(img.Root.Digest) {
			err = errors.Join(err, fmt.Errorf("image %s: its manifest was not put", img.Source))
		}
	}
	for _, doc := range inv.Documents {
		if _, ok := w.done[doc.Root.Digest]; !ok && !w.isKept(doc.Root.Digest) {
			err = errors.Join(err, fmt.Errorf("document %s: its manifest was not put", doc.Name))
		}
	}
	w.mu.Unlock()
	if err != nil {
		return err
	}
	return w.last().commit()
}

// endArchive writes index.json, oci-layout and the end of the tar stream.
func (w *Writer) endArchive(inv *oci.Inventory) error {
	l := w.last().lanes[w.begin.Lanes]
	files, err := ending(inv)
	if err != nil {
		return err
	}
	l.ending = true
	for _, f := range files {
		if err := l.file(f.name, f.body); err != nil {
			return err
		}
	}
	if err := l.plain(make([]byte, 2*tarBlock)); err != nil {
		return err
	}
	return l.commit(nil)
}

// namedBody is a small file.
type namedBody struct {
	name string
	body []byte
}

// ending gives the files that end the image layout.
func ending(inv *oci.Inventory) ([]namedBody, error) {
	layout, err := json.Marshal(ispec.ImageLayout{Version: ispec.ImageLayoutVersion})
	if err != nil {
		return nil, err
	}
	list, err := layoutIndex(inv)
	return []namedBody{{ispec.ImageIndexFile, list}, {ispec.ImageLayoutFile, layout}}, err
}

// file writes a small file of the layout that is not a blob.
func (l *lane) file(name string, body []byte) error {
	if err := l.begin(name, int64(len(body))); err != nil {
		return err
	}
	if err := l.plain(body); err != nil {
		return err
	}
	return l.pad(int64(len(body)))
}

// plain writes bytes of the tar stream that belong to no blob. They may continue
// in further segments, all of which end the archive.
func (l *lane) plain(body []byte) error {
	for len(body) > 0 {
		n := min(len(body), readChunk)
		if l.seg != nil && !l.seg.fits(int64(n)+tarBlock) {
			if err := l.commit(nil); err != nil {
				return err
			}
		}
		if err := l.open(); err != nil {
			return err
		}
		if _, err := l.seg.frames.Write(body[:n]); err != nil {
			return l.fail(err)
		}
		l.seg.frames.Dense()
		body = body[n:]
	}
	return nil
}

// layoutIndex is index.json: every image by its source reference, every document
// by its name.
func layoutIndex(inv *oci.Inventory) ([]byte, error) {
	list := ispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ispec.MediaTypeImageIndex, Manifests: []oci.Descriptor{}}
	add := func(root oci.Descriptor, name string) {
		list.Manifests = append(list.Manifests, oci.Descriptor{
			MediaType: root.MediaType, Digest: root.Digest, Size: root.Size,
			Annotations: map[string]string{ispec.AnnotationRefName: name},
		})
	}
	for _, img := range inv.Images {
		add(img.Root, img.Source.String())
	}
	for _, doc := range inv.Documents {
		add(doc.Root, doc.Name)
	}
	return json.Marshal(list)
}

// sorted gives all segments in name order.
func (w *Writer) sorted() []journal.Segment {
	var all []journal.Segment
	for _, segs := range w.segments {
		all = append(all, segs...)
	}
	slices.SortFunc(all, func(a, b journal.Segment) int {
		return cmp.Or(cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Number, b.Number))
	})
	return all
}

func placeOf(s journal.Segment, plain bool) seal.Segment {
	return seal.Segment{Lane: s.Lane, Number: s.Number, Plain: plain}
}

func segmentName(s journal.Segment, plain bool) string { return placeOf(s, plain).String() }

func writeInventory(idx *index.Writer, inv *oci.Inventory) error {
	for _, img := range inv.Images {
		if err := idx.Image(img); err != nil {
			return err
		}
	}
	for _, g := range inv.Gaps {
		if err := idx.Gap(g); err != nil {
			return err
		}
	}
	for _, doc := range inv.Documents {
		if err := idx.Document(doc); err != nil {
			return err
		}
	}
	return nil
}

// blobs collects the pieces of each blob, in tar order.
func blobs(segs []journal.Segment) []index.Blob {
	var list []index.Blob
	at := map[digest.Digest]int{}
	for i, s := range segs {
		for _, p := range s.Pieces {
			n, ok := at[p.Digest]
			if !ok {
				n = len(list)
				at[p.Digest] = n
				list = append(list, index.Blob{Digest: p.Digest, Size: p.Size})
			}
			if p.Length > 0 || p.Size == 0 {
				list[n].At = append(list[n].At, index.Piece{Segment: i, Offset: p.Offset, Length: p.Length})
			}
		}
	}
	return list
}
