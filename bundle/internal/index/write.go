package index

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
)

// Writer writes an index, line by line: what it supplements, all segments, all blobs, the
// baseline, all images, all gaps,
// all documents.
type Writer struct {
	z     *zstd.Encoder
	end   end
	text  int
	tally tally
}

// NewWriter starts an index on dst.
func NewWriter(dst io.Writer, h Header) (*Writer, error) {
	z, err := zstd.NewWriter(dst, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithWindowSize(maxWindow))
	if err != nil {
		return nil, err
	}
	h.Version = version
	w := &Writer{z: z}
	return w, w.line(line{Index: &h})
}

func (w *Writer) line(l line) error {
	b, err := json.Marshal(l)
	if err == nil && len(b) >= maxLine {
		err = fmt.Errorf("a line of %d bytes is too long", len(b))
	}
	if w.text += len(b) + 1; err == nil && w.text > MaxText {
		err = fmt.Errorf("it has more than %d bytes of text; carry the images in several bundles", MaxText)
	}
	if err == nil {
		err = w.count(&l, b)
	}
	if err == nil {
		_, err = w.z.Write(append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write index: %w", err)
	}
	return nil
}

// count refuses what no reader takes.
func (w *Writer) count(l *line, b []byte) error {
	elements, err := seal.CountElements(b)
	if err == nil {
		err = w.tally.add(l, elements)
	}
	if err != nil {
		return fmt.Errorf("%w; carry the images in several bundles", err)
	}
	return nil
}

// Supplements says which damaged bundle it supplements. The header lists [seal.Supplement] then.
func (w *Writer) Supplements(of Supplemented) error { return w.line(line{Of: &of}) }

// Kept adds a segment of that bundle, after all of its own; pieces count on.
func (w *Writer) Kept(s Segment) error {
	w.end.Kept++
	return w.line(line{Kept: &s})
}

// Segment adds a segment; pieces name it by the order of these calls, from 0.
func (w *Writer) Segment(s Segment) error {
	w.end.Segments++
	return w.line(line{Segment: &s})
}

// Blob adds a blob.
func (w *Writer) Blob(b Blob) error {
	w.end.Blobs++
	return w.line(line{Blob: &b})
}

// Baseline adds what the bundle does not carry. The header lists [seal.Baseline] then.
func (w *Writer) Baseline(b *Baseline) error {
	w.end.Baseline = b.Len()
	return w.line(line{Baseline: b})
}

// Image adds an image of the inventory.
func (w *Writer) Image(i oci.Image) error {
	w.end.Images++
	return w.line(line{Image: &i})
}

// Gap adds what the bundle goes without.
func (w *Writer) Gap(g oci.Gap) error {
	w.end.Gaps++
	return w.line(line{Gap: &g})
}

// Document adds what the bundle carries in addition to images.
func (w *Writer) Document(d oci.Document) error {
	w.end.Documents++
	return w.line(line{Document: &d})
}

// Close ends the index. It does not close dst.
func (w *Writer) Close() error {
	if err := w.line(line{End: &w.end}); err != nil {
		return err
	}
	return w.z.Close()
}
