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
	version string // of satchel
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
	return seal.Uses(s.version, used...)
}

// writeIndex writes the index and gives what the seal says of it.
func (w *Writer) writeIndex(inv *oci.Inventory, segs []journal.Segment) ([]byte, error) {
	body, err := w.sealing().index(inv, segs)
	if err != nil {
		return nil, err
	}
	return body, w.dir.WriteFile(seal.IndexOf(w.begin.Plain), body)
}

func (w *Writer) sealing() sealing {
	return sealing{begin: w.begin, number: w.number, signers: w.signers, version: w.version}
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
	for _, seg := range segs {
		if err := idx.Segment(index.Segment{Name: segmentName(seg, s.begin.Plain), Drive: 1, Size: seg.Size, SHA256: seg.SHA256, Tar: seg.Tar}); err != nil {
			return nil, err
		}
	}
	for _, b := range blobs(segs) {
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
func (w *Writer) writeSeals(ctx context.Context, idx []byte, segs []journal.Segment) (Fingerprint, error) {
	f, err := w.sealing().files(ctx, idx, segs, time.Now())
	if err != nil {
		return "", err
	}
	return f.finger, w.writeSmall(f)
}

// sealedFiles are the small files of a bundle that is being sealed.
type sealedFiles struct {
	finger     Fingerprint
	twice      map[string][]byte // what copies are made of: all but README.txt and SHA256SUMS
	signatures map[string][]byte // those among them that are signatures
	derived    derivedFiles
}

// files makes and signs the seals, and makes what follows from them.
func (s sealing) files(ctx context.Context, idx []byte, segs []journal.Segment, now time.Time) (f sealedFiles, err error) {
	drive := seal.Drive{Bundle: s.begin.Bundle, Drive: 1, Complete: true}
	for _, seg := range segs {
		drive.Files = append(drive.Files, seal.File{Name: segmentName(seg, s.begin.Plain), Size: seg.Size, SHA256: seg.SHA256})
	}
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
		plain: s.begin.Plain, bundle: s.begin.Bundle, text: seal.ReadmeText, finger: Fingerprint(seal.Sum(bundleBody)), segments: drive.Files, keys: s.begin.KeyFiles,
		signatures: bundleSigs, packedBy: s.needs().PackedBy, sparse: s.begin.Baseline.Len() > 0,
		sealed: append(listFiles(driveSigs), seal.FileOf(indexName, idx), seal.FileOf(seal.DriveName, driveBody), seal.FileOf(seal.BundleName, bundleBody)),
	}
	if !all.plain {
		if all.postQuantum, err = keys.IsPostQuantum(bytes.NewReader(idx)); err != nil {
			return f, fmt.Errorf("read the header of the index: %w", err)
		}
	}
	f = sealedFiles{finger: all.finger, twice: map[string][]byte{}, signatures: maps.Clone(driveSigs)}
	maps.Copy(f.twice, s.begin.KeyFiles)
	f.derived, err = all.derive()
	maps.Copy(f.signatures, bundleSigs)
	maps.Copy(f.twice, f.signatures)
	f.twice[indexName], f.twice[seal.DriveName], f.twice[seal.BundleName], f.twice[seal.ExtrasName] = idx, driveBody, bundleBody, f.derived.extras
	return f, err
}

// whole is bundle.json.
func (s sealing) whole(idx, drive []byte, driveSigs map[string][]byte, now time.Time) seal.Bundle {
	b := seal.Bundle{
		Bundle: s.begin.Bundle, Created: now, Sequence: 1, Partial: s.begin.Partial, Index: seal.FileOf(seal.IndexOf(s.begin.Plain), idx), Readme: seal.ReadmeText,
		Drives: []seal.DriveSum{{Drive: 1, SHA256: seal.Sum(drive), Signatures: listFiles(driveSigs)}}, Needs: s.needs(),
	}
	if stream, n := numberOf(s.number); n > 0 {
		b.Stream, b.Sequence = &stream, n
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

func (w *Writer) writeSmall(f sealedFiles) error {
	if err := w.dir.Mkdir(seal.CopyDir); err != nil {
		return err
	}
	files := []namedBody{{seal.DriveName, f.twice[seal.DriveName]}, {seal.ExtrasName, f.twice[seal.ExtrasName]}, {seal.ReadmeName, f.derived.readme}, {seal.SumsName, f.derived.sums}}
	for name, body := range f.twice {
		if name != seal.BundleName {
			files = append(files, namedBody{seal.CopyDir + "/" + name, body})
		}
	}
	for name, body := range f.signatures {
		files = append(files, namedBody{name, body})
	}
	// The copy of the seal comes when all that it binds is durable: it is as good as the seal.
	files = append(files, namedBody{seal.CopyDir + "/" + seal.BundleName, f.twice[seal.BundleName]}, namedBody{seal.BundleName, f.twice[seal.BundleName]})
	for _, f := range files {
		if err := w.dir.WriteFile(f.name, f.body); err != nil {
			return err
		}
	}
	return nil
}
