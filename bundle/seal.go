package bundle

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/bundle/internal/index"
	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/keys"
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
// bundle.json last. Every manifest of inv's images, and all they reach, must
// have been put. After an error the bundle is unfinished and can be resumed.
func (w *Writer) Seal(ctx context.Context, inv *oci.Inventory) (Fingerprint, error) {
	if err := w.endLanes(inv); err != nil {
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
	fp, err := w.writeSeals(idx, segs)
	if err != nil {
		return "", err
	}
	sealed := journal.Sealed{Fingerprint: string(fp)}
	if len(inv.Images) != len(w.begin.Inventory.Images) { // images can be left out since, and none joins
		sealed.Images = inv.Images
	}
	return fp, w.jnl.Append(journal.Record{Sealed: &sealed})
}

// endLanes makes everything durable and refuses to seal what is not whole.
func (w *Writer) endLanes(inv *oci.Inventory) error {
	w.mu.Lock()
	err := w.err
	for d := range w.held {
		err = errors.Join(err, fmt.Errorf("blob %s is not finished", d))
	}
	for _, img := range inv.Images {
		if _, ok := w.done[img.Root.Digest]; !ok {
			err = errors.Join(err, fmt.Errorf("image %s: its manifest was not put", img.Source))
		}
	}
	for _, doc := range inv.Documents {
		if _, ok := w.done[doc.Root.Digest]; !ok {
			err = errors.Join(err, fmt.Errorf("document %s: its manifest was not put", doc.Name))
		}
	}
	w.mu.Unlock()
	if err != nil {
		return err
	}
	for _, l := range w.all[:w.begin.Lanes] {
		if err := l.commit(nil); err != nil {
			return err
		}
	}
	return nil
}

// endArchive writes index.json, oci-layout and the end of the tar stream.
func (w *Writer) endArchive(inv *oci.Inventory) error {
	l := w.all[w.begin.Lanes]
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

func segmentName(s journal.Segment) string {
	return seal.Segment{Lane: s.Lane, Number: s.Number}.String()
}

// writeIndex writes index.age and gives what the seal says of it.
func (w *Writer) writeIndex(inv *oci.Inventory, segs []journal.Segment) ([]byte, error) {
	body, err := indexFile(w.begin, inv, segs)
	if err != nil {
		return nil, err
	}
	return body, w.dir.WriteFile(seal.IndexName, body)
}

// indexFile makes index.age.
func indexFile(begin journal.Begin, inv *oci.Inventory, segs []journal.Segment) ([]byte, error) {
	var file bytes.Buffer
	enc, err := keys.Encrypt(&file, begin.Key)
	if err != nil {
		return nil, fmt.Errorf("encrypt index: %w", err)
	}
	idx, err := index.NewWriter(enc, index.Header{Bundle: begin.Bundle, Created: begin.Created})
	if err != nil {
		return nil, err
	}
	for _, s := range segs {
		if err := idx.Segment(index.Segment{Name: segmentName(s), Drive: 1, Size: s.Size, SHA256: s.SHA256, Tar: s.Tar}); err != nil {
			return nil, err
		}
	}
	for _, b := range blobs(segs) {
		if err := idx.Blob(b); err != nil {
			return nil, err
		}
	}
	if err := writeInventory(idx, inv); err != nil {
		return nil, err
	}
	if err := errors.Join(idx.Close(), enc.Close()); err != nil {
		return nil, fmt.Errorf("write index: %w", err)
	}
	return file.Bytes(), nil
}

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

// writeSeals writes all that binds the bundle, bundle.json last.
func (w *Writer) writeSeals(idx []byte, segs []journal.Segment) (Fingerprint, error) {
	finger, copies, f, err := sealFiles(w.begin, w.number, idx, segs, time.Now())
	if err != nil {
		return "", err
	}
	return finger, w.writeSmall(copies, f)
}

// sealFiles makes the files that are there twice, by name, and those that follow.
func sealFiles(begin journal.Begin, number journal.Number, idx []byte, segs []journal.Segment, now time.Time) (Fingerprint, map[string][]byte, derivedFiles, error) {
	drive := seal.Drive{Bundle: begin.Bundle, Drive: 1, Complete: true}
	for _, s := range segs {
		drive.Files = append(drive.Files, seal.File{Name: segmentName(s), Size: s.Size, SHA256: s.SHA256})
	}
	driveBody, err := drive.Marshal()
	if err != nil {
		return "", nil, derivedFiles{}, err
	}
	whole := seal.Bundle{
		Bundle: begin.Bundle, Created: now, Sequence: 1,
		Drives: []seal.DriveSum{{Drive: 1, SHA256: seal.Sum(driveBody)}}, Index: seal.FileOf(seal.IndexName, idx), Readme: seal.ReadmeText,
	}
	if stream, n := numberOf(number); n > 0 {
		whole.Stream, whole.Sequence = &stream, n
	}
	bundleBody, err := whole.Marshal()
	if err != nil {
		return "", nil, derivedFiles{}, err
	}
	all := smallFiles{
		bundle: begin.Bundle, text: seal.ReadmeText, finger: Fingerprint(seal.Sum(bundleBody)), segments: drive.Files, keys: begin.KeyFiles,
		sealed: []seal.File{seal.FileOf(seal.IndexName, idx), seal.FileOf(seal.DriveName, driveBody), seal.FileOf(seal.BundleName, bundleBody)},
	}
	if all.postQuantum, err = keys.IsPostQuantum(bytes.NewReader(idx)); err != nil {
		return "", nil, derivedFiles{}, fmt.Errorf("read the header of the index: %w", err)
	}
	f, err := all.derive()
	copies := maps.Clone(begin.KeyFiles)
	copies[seal.IndexName], copies[seal.DriveName], copies[seal.BundleName], copies[seal.ExtrasName] = idx, driveBody, bundleBody, f.extras
	return all.finger, copies, f, err
}

func (w *Writer) writeSmall(copies map[string][]byte, f derivedFiles) error {
	if err := w.dir.Mkdir(seal.CopyDir); err != nil {
		return err
	}
	files := []namedBody{{seal.DriveName, copies[seal.DriveName]}, {seal.ExtrasName, copies[seal.ExtrasName]}, {seal.ReadmeName, f.readme}, {seal.SumsName, f.sums}}
	for name, body := range copies {
		if name != seal.BundleName {
			files = append(files, namedBody{seal.CopyDir + "/" + name, body})
		}
	}
	// The copy of the seal comes when all that it binds is durable: it is as good as the seal.
	files = append(files, namedBody{seal.CopyDir + "/" + seal.BundleName, copies[seal.BundleName]}, namedBody{seal.BundleName, copies[seal.BundleName]})
	for _, f := range files {
		if err := w.dir.WriteFile(f.name, f.body); err != nil {
			return err
		}
	}
	return nil
}
