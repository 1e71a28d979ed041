package bundle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/satchel-airgap/satchel/bundle/internal/index"
	"github.com/satchel-airgap/satchel/bundle/internal/keys"
	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// A supplement and the damaged bundle are read together: the index of the supplement says what
// is whole of the damaged one, and binds each of those segments by its SHA-256. The drives of the
// damaged one are numbered after those of the supplement.

// locatePair finds the drive directories of the bundle that is read, and, if that is a supplement and they are
// there, those of the damaged bundle; nil otherwise.
func locatePair(dirs []string) (at located, beside *located, err error) {
	all, err := locateAll(dirs)
	if err != nil {
		return at, nil, err
	}
	damaged := ""
	for _, p := range all {
		if id := p.supplements(); id != "" && slices.ContainsFunc(all, func(o location) bool { return o.id == id }) {
			damaged = id
		}
	}
	if damaged == "" {
		at, err = together(all)
		return at, nil, err
	}
	var own, other []location
	for _, p := range all {
		if p.id == damaged {
			other = append(other, p)
		} else {
			own = append(own, p)
		}
	}
	if at, err = together(own); err != nil {
		var two *RefusedError
		if errors.As(err, &two) {
			two.hint = "of several supplements of one bundle, name the one that was made last: it has all that was lost then"
		}
		return at, nil, err
	}
	with, err := together(other)
	return at, &with, err
}

// supplements is the ID of the damaged bundle that the seal names, "" if there is none, or no seal.
func (p location) supplements() string {
	if !p.sealed {
		return ""
	}
	body, err := p.readSeal()
	if err != nil {
		return "" // opening it says what is wrong
	}
	b, err := seal.ParseBundle(unixLines(body))
	if err != nil {
		return ""
	}
	return supplements(b)
}

// otherFingerprintError says that the fingerprint is that of the damaged bundle, not of its supplement.
type otherFingerprintError struct{ *FingerprintError }

func (e *otherFingerprintError) Error() string {
	return fmt.Sprintf("%s is the fingerprint of the damaged bundle, and the supplement beside it says what is read", e.Want)
}

// Hint says what to do now.
func (e *otherFingerprintError) Hint() string {
	return "if you have the fingerprint of the supplement from who made it, name that: it binds the other one too; otherwise do not use the supplement"
}

// As says that it is a fingerprint that differs.
func (e *otherFingerprintError) As(target any) bool {
	wrong, ok := target.(**FingerprintError)
	if ok {
		*wrong = e.FingerprintError
	}
	return ok
}

// expectedOther explains a fingerprint that is not that of the supplement, but of the bundle that it names.
func expectedOther(err error, at located, want Wanted) error {
	wrong, ok := errors.AsType[*FingerprintError](err)
	if !ok || at.last == nil {
		return err
	}
	body, rerr := at.last.readSeal()
	if rerr != nil {
		return err
	}
	b, rerr := seal.ParseBundle(unixLines(body))
	if rerr != nil || b.Supplements == nil || b.Supplements.Fingerprint != string(want.Expect) {
		return err
	}
	return &otherFingerprintError{wrong}
}

// supplementsSame reports whether the seal and the index name the same damaged bundle.
func (s *seals) supplementsSame(idx *index.Index) bool {
	of := s.bundle.Supplements
	if of == nil || idx.Of == nil {
		return of == nil && idx.Of == nil
	}
	return of.Bundle == idx.Of.Bundle && of.Fingerprint == idx.Of.Fingerprint && inOrder(idx.Segments[idx.Own():], idx.Of.Drives)
}

// numberKept numbers the drives of the damaged bundle after those of its supplement.
func numberKept(idx *index.Index, own int) {
	for i := idx.Own(); i < len(idx.Segments); i++ {
		idx.Segments[i].Drive += own
	}
}

// damaged is the damaged bundle beside its supplement.
type damaged struct {
	key    keys.Key
	trust  *Trust
	sealed time.Time   // as its seal says; zero if that is not here
	drives []*driveDir // that were here when it was opened
}

func (o *damaged) dirs() []*driveDir {
	if o == nil {
		return nil
	}
	return o.drives
}

func (o *damaged) close() (err error) {
	for _, d := range o.dirs() {
		err = errors.Join(err, d.dir.Close())
	}
	return err
}

// created is when it was sealed, or at least begun.
func (o *damaged) created(begun time.Time) time.Time {
	if o == nil || o.sealed.IsZero() {
		return begun
	}
	return o.sealed
}

// openDamaged opens the drives of the damaged bundle that are beside its supplement s: each must
// have what the index says is whole. Where its seal is there, fingerprint and signatures are looked at too.
func openDamaged(ctx context.Context, beside *located, s *seals, idx *index.Index, want Wanted, ids []Identity) (o *damaged, err error) {
	if beside == nil {
		return nil, nil
	}
	o = &damaged{trust: want.Trust}
	defer func() {
		if err != nil {
			o, err = nil, errors.Join(err, o.close())
		}
	}()
	if err := o.openDrives(beside, len(s.bundle.Drives), idx); err != nil {
		return o, err
	}
	if s.plain() || idx.Own() == len(idx.Segments) {
		return o, nil
	}
	for _, d := range o.drives {
		if o.key, err = d.unlockOriginalOrSecond(ctx, ids); err == nil {
			return o, nil
		}
	}
	return o, fmt.Errorf("open bundle %s, beside its supplement: %w", idx.Of.Bundle, err)
}

func (o *damaged) openDrives(beside *located, own int, idx *index.Index) error {
	all := slices.Clone(beside.earlier)
	if beside.last != nil {
		all = append(all, *beside.last)
	}
	for _, p := range beside.lost {
		if slices.ContainsFunc(idx.Segments[idx.Own():], func(s index.Segment) bool { return s.Drive == own+p.drive }) {
			all = append(all, p)
		}
	}
	for _, p := range all {
		d, err := openBeside(p, own, idx, o.trust)
		if err != nil {
			return err
		}
		o.drives = append(o.drives, d)
		if d.isLast() {
			o.sealed = d.bundle.Created
		}
	}
	return nil
}

// openBeside opens a drive directory of the damaged bundle: of each small file the original or its
// second copy.
func openBeside(p location, own int, idx *index.Index, trust *Trust) (d *driveDir, err error) {
	if p.short != "" {
		return nil, shortNames(p)
	}
	if p.copying {
		return nil, &UnfinishedError{Dir: p.dir, Copy: true}
	}
	dir, err := media.OpenDir(p.dir)
	if err != nil {
		return nil, err
	}
	s := &seals{driveDir: &driveDir{dir: dir, bodies: map[string][]byte{}, base: own}}
	if p.renamed {
		err = dir.Translate(seal.CopyDir, seal.Canonical)
	}
	want := Wanted{}
	if p.sealed || p.copied {
		want = Wanted{Expect: Fingerprint(idx.Of.Fingerprint), Trust: trust}
	}
	if err == nil {
		if err = s.chooseSeals(p, want, nil); sealLost(err) && s.takeDrive(idx.Of.Bundle) {
			err = nil // the supplement binds what is read of it
		}
	}
	if err == nil {
		err = s.hasKept(idx)
	}
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return s.driveDir, nil
}

// sealLost reports whether an error may be that of a drive whose seal and its second copy are lost.
func sealLost(err error) bool {
	return errors.As(err, new(*DamageError)) || errors.As(err, new(*UnfinishedError))
}

// takeDrive takes drive.json and extras.json alone, where the seal is lost.
func (s *seals) takeDrive(id string) bool {
	s.bundle, s.finger, s.sum, s.extras, s.drive = seal.Bundle{}, "", seal.DriveSum{}, seal.Extras{}, seal.Drive{}
	for _, body := range s.originalAndSecond(seal.DriveName) {
		if d, err := seal.ParseDrive(body); err == nil && d.Complete && d.Bundle == id && s.drive.Bundle == "" {
			s.drive, s.bodies[seal.DriveName] = d, body
		}
	}
	for _, body := range s.originalAndSecond(seal.ExtrasName) {
		if e, err := seal.ParseExtras(body); err == nil && e.Bundle == id && s.extras.Bundle == "" {
			s.extras = e
		}
	}
	return s.drive.Bundle != ""
}

// notSupplied says what can be done about a segment that the supplement counts on.
const notSupplied = "the supplement does not have what was in it: repair the bundle, or have another supplement made of all that is lost now"

// hasKept reports as damage what the drive lacks of what the supplement counts on.
func (s *driveDir) hasKept(idx *index.Index) error {
	sealed := map[string]seal.File{}
	for _, f := range s.drive.Files {
		sealed[f.Name] = f
	}
	var faults []Fault
	for _, seg := range idx.Segments[idx.Own():] {
		if seg.Drive != s.number() {
			continue
		}
		if sealed[seg.Name] != (seal.File{Name: seg.Name, Size: seg.Size, SHA256: seg.SHA256}) {
			return s.damage(seal.DriveName, "and the supplement disagree about "+seg.Name, nil)
		}
		size, err := s.dir.Stat(seg.Name)
		switch {
		case missing(err):
			faults = append(faults, Fault{seg.Name, "is missing, and " + notSupplied})
		case err != nil:
			return s.unreadable(seg.Name, err)
		case size != seg.Size:
			faults = append(faults, Fault{seg.Name, "has another length than it had, and " + notSupplied})
		}
	}
	if faults == nil {
		return nil
	}
	return &DamageError{Dir: s.dir.Path(), Faults: faults}
}

// unlockOriginalOrSecond opens a key file that extras.json names, or its second copy, with one of the keys.
func (s *driveDir) unlockOriginalOrSecond(ctx context.Context, ids []Identity) (keys.Key, error) {
	var files []keys.File
	for _, f := range s.extras.Files {
		if seal.KeyNumber(f.Name) == 0 {
			continue
		}
		if body, _, err := s.originalOrSecond(f); err == nil {
			files = append(files, keys.File{Name: f.Name, Body: body})
		}
	}
	if files == nil {
		return keys.Key{}, s.damage(seal.KeyName(1), "and its second copy are lost: nothing opens what is whole of it", nil)
	}
	return keys.Unlock(ctx, files, ids)
}

// reopen opens the damaged bundle anew beside its supplement s.
func (o *damaged) reopen(beside *located, s *seals, idx *index.Index) (*damaged, error) {
	if o == nil {
		return nil, nil
	}
	again := &damaged{key: o.key, trust: o.trust, sealed: o.sealed}
	if beside == nil {
		return again, nil // none of its drives is here
	}
	if err := again.openDrives(beside, len(s.bundle.Drives), idx); err != nil {
		return nil, errors.Join(err, again.close())
	}
	return again, nil
}

// restored is the damaged bundle if all that it had can be read: from it and its supplement, or from the
// supplement alone where everything was lost; else nil.
func (r *Reader) restored() *index.Supplemented {
	if r.index.Of == nil || r.other == nil && r.index.Own() < len(r.index.Segments) {
		return nil
	}
	return r.index.Of
}

// Supplemented says which bundle is a supplement of which damaged one.
type Supplemented struct {
	Bundle      string      // the ID of the supplement
	Fingerprint Fingerprint // of the supplement
	Of          string      // the ID of the damaged bundle
	OfSeal      Fingerprint // of the damaged one
	Beside      bool        // it is read together with that one
}

// Supplement says what the bundle supplements; not ok for one that is no supplement.
func (r *Reader) Supplement() (s Supplemented, ok bool) {
	of := r.index.Of
	if of == nil {
		return s, false
	}
	return Supplemented{r.seals.bundle.Bundle, r.seals.finger, of.Bundle, Fingerprint(of.Fingerprint), r.other != nil}, true
}

// AloneError says that a supplement is there without the damaged bundle.
type AloneError struct {
	Dir string
	Supplemented
}

func (e *AloneError) Error() string {
	return fmt.Sprintf("%s has bundle %s, a supplement of bundle %s: it has what that one has lost, and not the rest", e.Dir, e.Bundle, e.Of)
}

// Hint says what to do now.
func (e *AloneError) Hint() string {
	return "name the directory of bundle " + e.Of + " too, damaged as it is; of one on several drives those that are there"
}

// Permanent is true: a supplement stays one.
func (e *AloneError) Permanent() bool { return true }

// Lacks is how many images of the damaged bundle its supplement goes without, because their source had them no
// more when it was made; 0 for a bundle that is no supplement.
func (r *Reader) Lacks() int {
	if r.index.Of == nil {
		return 0
	}
	return max(0, r.index.Of.Images-len(r.index.Inventory.Images))
}

// Alone is an *[AloneError] for a supplement that is read without the damaged bundle and needs it; nil for all
// else.
func (r *Reader) Alone() error {
	if r.index.Of == nil || r.restored() != nil {
		return nil
	}
	s, _ := r.Supplement()
	return &AloneError{r.Dir(), s}
}

// damagedDrives is how many drives the damaged bundle has, 0 if it is not beside.
func (r *Reader) damagedDrives() int {
	if r.other == nil {
		return 0
	}
	return r.index.Of.Drives
}

// label names a drive by its number among all that are read.
func (r *Reader) label(number int) DriveLabel {
	own := len(r.seals.bundle.Drives)
	if number > own && r.index.Of != nil {
		return DriveLabel{r.index.Of.Bundle, number - own, r.index.Of.Drives}
	}
	return DriveLabel{r.seals.bundle.Bundle, number, own}
}

// numberOf is the number of a drive among all that are read.
func (r *Reader) numberOf(d DriveLabel) int {
	if d.Bundle != r.seals.bundle.Bundle && r.index.Of != nil {
		return d.Number + len(r.seals.bundle.Drives)
	}
	return d.Number
}

// isDamaged reports whether a directory is of the damaged bundle.
func (r *Reader) isDamaged(p location) bool { return r.other != nil && p.id == r.index.Of.Bundle }

// openDamagedAgain opens a drive of the damaged bundle that comes later.
func (r *Reader) openDamagedAgain(p location) (*driveDir, error) {
	return openBeside(p, len(r.seals.bundle.Drives), r.index, r.other.trust)
}

// keyOf is the key of the bundle that a segment is of.
func (r *Reader) keyOf(seg index.Segment) keys.Key {
	if seg.Kept {
		return r.other.key
	}
	return r.key
}
