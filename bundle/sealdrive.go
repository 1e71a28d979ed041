package bundle

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/keys"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// driveFiles makes and signs what a drive gets that comes before the last one.
func (s sealing) driveFiles(ctx context.Context, number int, segs []journal.Segment) (f sealedFiles, err error) {
	drive := s.complete(number, segs)
	body, err := drive.Marshal()
	if err != nil {
		return f, err
	}
	sigs, err := signSeal(ctx, seal.DriveName, body, s.signers)
	if err != nil {
		return f, err
	}
	all := smallFiles{
		plain: s.begin.Plain, bundle: s.begin.Bundle, text: s.readme(), drive: number, of: drive.Of, driveSum: seal.Sum(body), segments: drive.Files, keys: s.begin.KeyFiles,
		signatures: sigs, packedBy: s.needs().PackedBy, sealed: []seal.File{seal.FileOf(seal.DriveName, body)},
	}
	if !all.plain {
		if all.postQuantum, err = isPostQuantum(s.begin.Key); err != nil {
			return f, err
		}
	}
	f = sealedFiles{withSecond: map[string][]byte{}, signatures: sigs}
	maps.Copy(f.withSecond, s.begin.KeyFiles)
	f.derived, err = all.derive()
	maps.Copy(f.withSecond, sigs)
	f.withSecond[seal.DriveName], f.withSecond[seal.ExtrasName] = body, f.derived.extras
	return f, err
}

// isPostQuantum reports whether a bundle key is, by what is encrypted to it.
func isPostQuantum(key string) (bool, error) {
	var head bytes.Buffer
	w, err := keys.Encrypt(&head, key)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return false, fmt.Errorf("encrypt to the bundle key: %w", err)
	}
	return keys.IsPostQuantum(&head)
}

// SealDrive finishes a drive that is not the last one: all that goes on it must have been put.
// Its seals bind what it has, so that it is whole alone; drive.json is written last. After an
// error the drive is unfinished, and the bundle can be resumed.
func (w *Writer) SealDrive(ctx context.Context, number int) error {
	t := w.drives[number-1]
	if t == w.last() {
		return fmt.Errorf("drive %d is the last one: Seal finishes it", number)
	}
	if err := w.checkEnded(t); err != nil {
		return err
	}
	if err := t.commit(); err != nil {
		return err
	}
	if len(w.of(t)) == 0 { // whoever looks at it alone could not tell what kind of bundle it is of
		return &RefusedError{Dir: t.path(), Reason: fmt.Sprintf("nothing is left for drive %s: all that was to go on it was left out", t.label), Unfinished: true,
			hint: "delete the unfinished bundle and start again: what is left goes on fewer drives"}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := w.sealing().driveFiles(ctx, number, w.sorted())
	if err != nil {
		return err
	}
	t.files = &f
	return t.writeSmall(f, seal.DriveName)
}

// checkEnded refuses to seal a drive that has an unfinished blob.
func (w *Writer) checkEnded(t *target) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	for d, l := range w.held {
		if l.on == t {
			return fmt.Errorf("blob %s is not finished", d)
		}
	}
	return nil
}

// DriveSize is the bytes that [Writer.ReadDrive] reads.
func (w *Writer) DriveSize(number int) (n int64) {
	for _, f := range w.drives[number-1].bound(w) {
		n += f.Size
	}
	return n
}

// bound lists the files of a drive that was sealed by [Writer.SealDrive].
func (t *target) bound(w *Writer) (list []seal.File) {
	for _, s := range w.of(t) {
		list = append(list, seal.File{Name: segmentName(s, w.begin.Plain), Size: s.Size, SHA256: s.SHA256})
	}
	if t.files == nil {
		return list
	}
	for name, body := range t.files.withSecond {
		list = append(list, seal.FileOf(name, body), copyOf(seal.FileOf(name, body)))
	}
	return append(list, seal.FileOf(seal.ReadmeName, t.files.derived.readme), seal.FileOf(seal.SumsName, t.files.derived.sums))
}

// ReadDrive reads every byte of a drive that [Writer.SealDrive] has finished back, from the
// drive and not from the page cache. The error is a *[DamageError] if one is not as it was
// written, and a *[DriveError] if it cannot be read. progress gets the bytes just read; it may be nil.
func (w *Writer) ReadDrive(ctx context.Context, number int, progress func(int64)) error {
	t := w.drives[number-1]
	for _, want := range t.bound(w) {
		got, err := hashFile(ctx, t.dir, want.Name, true, progress)
		if err != nil {
			return t.named(err)
		}
		if got != want {
			return t.named(&DamageError{Dir: t.path(), Faults: []Fault{{want.Name, "is not as it was written"}}})
		}
	}
	return nil
}

// ReleaseDrive notes that a drive is finished, and lets it go: nothing is written to it any
// more, and it may be taken away.
func (w *Writer) ReleaseDrive(number int) error {
	t := w.drives[number-1]
	dir := t.path()
	if err := Release(dir); err != nil {
		return t.named(err)
	}
	done := journal.DriveDone{Drive: number, SHA256: seal.Sum(t.files.withSecond[seal.DriveName]), Parity: w.parity.Parity > 0 && !w.begin.Across}
	for _, f := range listFiles(t.files.signatures) {
		done.Signatures = append(done.Signatures, journal.File(f))
	}
	if err := w.jnl.Append(journal.Record{DriveDone: &done}); err != nil {
		return err
	}
	w.mu.Lock()
	t.done = &done
	w.mu.Unlock()
	t.files = nil
	return t.close(true)
}

// sealedDrives checks that every drive but the last one is finished.
func (w *Writer) sealedDrives() error {
	i := slices.IndexFunc(w.drives[:len(w.drives)-1], func(t *target) bool { return t.done == nil })
	if i >= 0 {
		return fmt.Errorf("drive %s is not finished", w.drives[i].label)
	}
	return nil
}
