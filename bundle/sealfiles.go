package bundle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/satchel-airgap/satchel/bundle/internal/index"
	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/keys"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
)

// sealing is what a bundle is sealed by.
type sealing struct {
	begin   journal.Begin
	number  journal.Number
	signers []*Signer
	version string          // of satchel
	early   []seal.DriveSum // the drives that come before the last one
}

// needs are the features that the bundle uses.
func (s sealing) needs() seal.Needs {
	var used []string
	if len(s.signers) > 0 {
		used = append(used, seal.Signatures)
	}
	if s.begin.Baseline.Len() > 0 {
		used = append(used, seal.Baseline)
	}
	if s.begin.Plain {
		used = append(used, seal.Plain)
	}
	if s.begin.Count() > 1 {
		used = append(used, seal.Drives)
	}
	if s.begin.Supplements != nil {
		used = append(used, seal.Supplement)
	}
	return seal.Uses(s.version, used...)
}

// writeIndex writes the index and gives what the seal says of it.
func (w *Writer) writeIndex(inv *oci.Inventory, segs []journal.Segment) ([]byte, error) {
	if len(segs) > seal.MaxFiles {
		return nil, fmt.Errorf("the bundle has %d segments, more than the %d that the format allows; use larger segments", len(segs), seal.MaxFiles)
	}
	body, err := w.sealing().index(inv, segs)
	if err != nil {
		return nil, err
	}
	return body, w.last().named(w.last().dir.WriteFile(seal.IndexOf(w.begin.Plain), body))
}

func (w *Writer) sealing() sealing {
	s := sealing{begin: w.begin, number: w.number, signers: w.signers, version: w.version}
	for _, t := range w.drives {
		if t.done != nil {
			s.early = append(s.early, sumOf(*t.done))
		}
	}
	return s
}

// sumOf is what the seal says of a drive that is finished.
func sumOf(d journal.DriveDone) seal.DriveSum {
	sum := seal.DriveSum{Drive: d.Drive, SHA256: d.SHA256}
	for _, f := range d.Signatures {
		sum.Signatures = append(sum.Signatures, seal.File(f))
	}
	return sum
}

// drive is drive.json of a drive that is being written.
func (s sealing) drive(number int) seal.Drive {
	d := seal.Drive{Bundle: s.begin.Bundle, Drive: number}
	if n := s.begin.Count(); n > 1 {
		d.Label, d.Of, d.Readme = seal.Label(d.Bundle, number), n, s.readme()
	}
	return d
}

// readme is the wording of README.txt.
func (s sealing) readme() int {
	if s.begin.Count() > 1 {
		return seal.ReadmeDrives
	}
	return seal.ReadmeText
}

// complete is drive.json of a drive that is finished and has these segments among all.
func (s sealing) complete(number int, segs []journal.Segment) seal.Drive {
	d := s.drive(number)
	d.Complete = true
	for _, seg := range segs {
		if s.begin.DriveOf(seg.Lane) == number {
			d.Files = append(d.Files, seal.File{Name: segmentName(seg, s.begin.Plain), Size: seg.Size, SHA256: seg.SHA256})
		}
	}
	return d
}

// index makes index.age, or index.zst.
func (s sealing) index(inv *oci.Inventory, segs []journal.Segment) ([]byte, error) {
	var file bytes.Buffer
	enc, err := envelopeOf(s.begin).wrap(&file)
	if err != nil {
		return nil, fmt.Errorf("encrypt index: %w", err)
	}
	idx, err := index.NewWriter(enc, index.Header{Bundle: s.begin.Bundle, Created: s.begin.Created, Needs: s.needs()})
	if err != nil {
		return nil, err
	}
	if err := s.writeDamaged(idx); err != nil {
		return nil, err
	}
	for _, seg := range segs {
		if err := idx.Segment(index.Segment{Name: segmentName(seg, s.begin.Plain), Drive: s.begin.DriveOf(seg.Lane), Size: seg.Size, SHA256: seg.SHA256, Tar: seg.Tar}); err != nil {
			return nil, err
		}
	}
	list := blobs(segs)
	kept, err := s.writeKept(idx, len(segs), list)
	if err != nil {
		return nil, err
	}
	for _, b := range append(list, kept...) {
		if err := idx.Blob(b); err != nil {
			return nil, err
		}
	}
	if s.begin.Baseline.Len() > 0 {
		if err := idx.Baseline(s.begin.Baseline); err != nil {
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

// writeSeals writes all that binds the bundle, bundle.json last.
func (w *Writer) writeSeals(ctx context.Context, idx []byte, segs []journal.Segment) (journal.Sealed, error) {
	now := time.Now().UTC().Truncate(time.Second)
	f, err := w.sealing().files(ctx, idx, segs, now)
	if err != nil {
		return journal.Sealed{}, err
	}
	return journal.Sealed{Fingerprint: string(f.finger), Created: now}, w.last().writeSmall(f, seal.BundleName)
}

// sealedFiles are the small files of a bundle that is being sealed.
type sealedFiles struct {
	finger     Fingerprint
	withSecond map[string][]byte // that get a second copy: all but README.txt and SHA256SUMS
	signatures map[string][]byte // those among them that are signatures
	derived    derivedFiles
}

// files makes and signs the seals, and makes what follows from them.
func (s sealing) files(ctx context.Context, idx []byte, segs []journal.Segment, now time.Time) (f sealedFiles, err error) {
	drive := s.complete(s.begin.Count(), segs)
	driveBody, err := drive.Marshal()
	if err != nil {
		return f, err
	}
	driveSigs, err := signSeal(ctx, seal.DriveName, driveBody, s.signers)
	if err != nil {
		return f, err
	}
	bundleBody, err := s.whole(idx, driveBody, driveSigs, now).Marshal()
	if err != nil {
		return f, err
	}
	bundleSigs, err := signSeal(ctx, seal.BundleName, bundleBody, s.signers)
	if err != nil {
		return f, err
	}
	indexName := seal.IndexOf(s.begin.Plain)
	all := smallFiles{
		plain: s.begin.Plain, bundle: s.begin.Bundle, text: s.readme(), drive: drive.Drive, of: drive.Of, finger: Fingerprint(seal.Sum(bundleBody)), segments: drive.Files, keys: s.begin.KeyFiles,
		signatures: bundleSigs, packedBy: s.needs().PackedBy, sparse: s.begin.Baseline.Len() > 0, damaged: s.damaged(),
		sealed: append(listFiles(driveSigs), seal.FileOf(indexName, idx), seal.FileOf(seal.DriveName, driveBody), seal.FileOf(seal.BundleName, bundleBody)),
	}
	if !all.plain {
		if all.postQuantum, err = keys.IsPostQuantum(bytes.NewReader(idx)); err != nil {
			return f, fmt.Errorf("read the header of the index: %w", err)
		}
	}
	f = sealedFiles{finger: all.finger, withSecond: map[string][]byte{}, signatures: maps.Clone(driveSigs)}
	maps.Copy(f.withSecond, s.begin.KeyFiles)
	f.derived, err = all.derive()
	maps.Copy(f.signatures, bundleSigs)
	maps.Copy(f.withSecond, f.signatures)
	f.withSecond[indexName], f.withSecond[seal.DriveName], f.withSecond[seal.BundleName], f.withSecond[seal.ExtrasName] = idx, driveBody, bundleBody, f.derived.extras
	return f, err
}

// whole is bundle.json.
func (s sealing) whole(idx, drive []byte, driveSigs map[string][]byte, now time.Time) seal.Bundle {
	b := seal.Bundle{
		Bundle: s.begin.Bundle, Created: now, Sequence: 1, Partial: s.begin.Partial, Index: seal.FileOf(seal.IndexOf(s.begin.Plain), idx), Readme: s.readme(),
		Drives: append(slices.Clone(s.early), seal.DriveSum{Drive: s.begin.Count(), SHA256: seal.Sum(drive), Signatures: listFiles(driveSigs)}), Needs: s.needs(),
	}
	if stream, n := numberOf(s.number); n > 0 {
		b.Stream, b.Sequence = &stream, n
	}
	if of := s.begin.Supplements; of != nil {
		b.Supplements = &seal.Supplements{Bundle: of.Bundle, Fingerprint: of.Fingerprint}
	}
	return b
}

// signSeal gives the signature files of a seal, one of each signer.
func signSeal(ctx context.Context, name string, body []byte, signers []*Signer) (map[string][]byte, error) {
	files := map[string][]byte{}
	for i, s := range signers {
		sig, err := s.Sign(ctx, namespaceOf(name), body)
		if err != nil {
			return nil, err
		}
		files[seal.SignatureName(name, i+1)] = sig
	}
	return files, nil
}

// listFiles binds files, in name order; none is nil.
func listFiles(files map[string][]byte) (list []seal.File) {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		list = append(list, seal.FileOf(name, files[name]))
	}
	return list
}

// writeSmall writes the small files of a drive: last is what says that it is finished.
func (t *target) writeSmall(f sealedFiles, last string) error {
	if err := t.dir.Mkdir(seal.CopyDir); err != nil {
		return err
	}
	var files []namedBody
	if last != seal.DriveName {
		files = append(files, namedBody{seal.DriveName, f.withSecond[seal.DriveName]})
	}
	files = append(files, namedBody{seal.ExtrasName, f.withSecond[seal.ExtrasName]}, namedBody{seal.ReadmeName, f.derived.readme}, namedBody{seal.SumsName, f.derived.sums})
	for name, body := range f.withSecond {
		if name != last {
			files = append(files, namedBody{seal.CopyDir + "/" + name, body})
		}
	}
	for name, body := range f.signatures {
		files = append(files, namedBody{name, body})
	}
	// The copy of the seal comes when all that it binds is durable: it is as good as the seal.
	files = append(files, namedBody{seal.CopyDir + "/" + last, f.withSecond[last]}, namedBody{last, f.withSecond[last]})
	for _, f := range files {
		if err := t.dir.WriteFile(f.name, f.body); err != nil {
			return t.named(err)
		}
	}
	return nil
}
