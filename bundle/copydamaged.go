package bundle

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"slices"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// lastToCopy opens the last drive. Where its seals are damaged, their second copies stand in.
func lastToCopy(p location, want Wanted) (*seals, error) {
	s, err := readSeals(p, want)
	_, other := errors.AsType[*FingerprintError](err) // a damaged bundle.json has another one too
	if _, ok := errors.AsType[*DamageError](err); !ok && !other || p.short != "" {
		return s, err
	}
	s, serr := secondSeals(p, want)
	if _, ok := errors.AsType[*DamageError](serr); ok || other && serr != nil {
		return nil, err // which says it as verify does
	}
	return s, serr
}

// secondSeals takes each seal, or else its second copy, as they agree with each other.
func secondSeals(p location, want Wanted) (s *seals, err error) {
	d, err := media.OpenDir(p.dir)
	if err != nil {
		return nil, err
	}
	if p.renamed {
		err = d.Translate(seal.CopyDir, seal.Canonical)
	}
	s = &seals{driveDir: &driveDir{dir: d, bodies: map[string][]byte{}}}
	if err == nil {
		err = s.chooseSeals(p, want, nil)
	}
	if err == nil && seal.Sum(s.bodies[seal.DriveName]) != s.sum.SHA256 {
		err = s.damage(seal.DriveName, "is not the one that bundle.json binds", nil)
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return s, nil
}

// lookForFaults compares the small files and the sizes of all others with the seals. The error
// is that of a directory which is not copied: one that is being changed, or is as nobody writes it.
func (d *Original) lookForFaults(ctx context.Context, s *driveDir) error {
	v := verification{driveDir: s}
	for _, f := range s.files() {
		if hasSecond(f.Name) && !v.blamed(f.Name) && !slices.Contains(s.crlf, f.Name) && !s.holds(ctx, f) {
			s.fault(f.Name, "has changed")
		}
	}
	v.checkSmall(ctx)
	if err := cmp.Or(ctx.Err(), v.away); err != nil {
		return err
	}
	for _, name := range s.crlf {
		s.fault(name, "has other line ends than it had")
	}
	err := v.outcome()
	if len(s.faults) == 0 {
		return err
	}
	right := newDiagnosis(s, s.faults)
	right.readSmall()
	odd := false // a file is as the seals say, and yet not as it must be
	for _, f := range s.faults {
		body, ok := right.small[f.File]
		switch {
		case ok && s.has(f.File, body):
			odd = true
		case ok:
			d.small[f.File] = body
		case right.binds(f.File):
			d.lost[f.File] = f
		}
	}
	if odd && hasAll(slices.Collect(maps.Values(d.lost))) { // a copy would get a seal
		return err
	}
	d.Faults = s.faults
	return nil
}

// has reports whether a small file is this one.
func (s *driveDir) has(name string, body []byte) bool {
	found, err := s.dir.ReadFile(name, maxIndex)
	return err == nil && bytes.Equal(found, body)
}

// hasSecond reports whether a file that is bound has a second copy.
func hasSecond(name string) bool {
	_, segment := seal.ParseSegment(name)
	return !segment && !seal.IsParityFile(name)
}

// Mends reports whether a file is not right in the directory, and a copy gets it as it must be: a
// small one, from its second copy or from what it follows from.
func (d *Original) Mends(name string) bool {
	_, ok := d.small[name]
	return ok
}

// Lost reports whether a file is not right in the directory, and nothing else has it.
func (d *Original) Lost(name string) bool {
	_, ok := d.lost[name]
	return ok
}

// OnlyParity reports whether nothing but parity files is at fault, without which a bundle can be read.
func (e *DamageError) OnlyParity() bool { return hasAll(e.Faults) }

// hasAll reports whether a copy has all that the seals bind, and the key files and signatures, for
// all these faults: only parity files may be missing, without which a bundle can be read.
func hasAll(faults []Fault) bool {
	return !slices.ContainsFunc(faults, func(f Fault) bool { return !seal.IsParityFile(f.File) })
}

// notCopied lists what the copy does not have because the original does not have it either. An
// earlier run may have copied it from elsewhere.
func (w *copyWriter) notCopied(ctx context.Context) (faults []Fault, err error) {
	faults = slices.Clone(w.faults)
	left := maps.Clone(w.from.lost)
	for _, f := range w.from.files {
		fault, lost := left[f.Name]
		if !lost {
			continue
		}
		delete(left, f.Name)
		if ok, err := w.has(ctx, f.Name, f); err != nil {
			return nil, err
		} else if !ok {
			faults = append(faults, fault)
		}
	}
	faults = slices.AppendSeq(faults, maps.Values(left)) // what follows from others that are lost
	slices.SortFunc(faults, func(a, b Fault) int { return cmp.Compare(a.File, b.File) })
	return faults, nil
}

// copied is a file that is copied.
type copied interface {
	io.Reader
	io.ReaderAt
	io.Closer
}

// right is a small file as it must be.
type right struct{ *bytes.Reader }

// Close does nothing.
func (right) Close() error { return nil }

// open opens a file of the directory, or what stands in for it.
func (d *Original) open(name string) (copied, error) {
	if body, ok := d.small[name]; ok {
		return right{bytes.NewReader(body)}, nil
	}
	return d.dir.Open(name)
}

// read reads a small file of the directory, or what stands in for it.
func (d *Original) read(f seal.File) ([]byte, error) {
	if body, ok := d.small[f.Name]; ok {
		return body, nil
	}
	body, err := d.dir.ReadFile(f.Name, seal.MaxSize)
	if err == nil && seal.FileOf(f.Name, body) != f {
		err = damageOf(d.Dir, []Fault{{f.Name, "changed while it was read"}})
	}
	return body, err
}
