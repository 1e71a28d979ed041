package bundle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Drive is one drive of a bundle of several.
type Drive struct {
	DriveLabel
	Dir  string // where it is now; "" if it is not here
	Last bool   // it has the manifests
}

// Drives lists the drives of the bundle, by number; nil for a bundle of one.
func (r *Reader) Drives() (list []Drive) {
	n := len(r.seals.bundle.Drives) + r.damagedDrives()
	if n == 1 {
		return nil
	}
	for i := range n {
		d := Drive{DriveLabel: r.label(i + 1), Last: i+1 == len(r.seals.bundle.Drives)}
		if at, ok := r.on.of(i+1, ""); ok {
			d.Dir = at.dir.Path()
		}
		list = append(list, d)
	}
	return list
}

// Across reports whether parity goes across the drives of the bundle.
func (r *Reader) Across() bool { return r.seals.hasOthers() }

// DriveOf is the drive that has d, the zero value if the bundle does not carry it.
func (r *Reader) DriveOf(d oci.Descriptor) DriveLabel {
	b, ok := r.index.Blobs[d.Digest]
	if !ok {
		return DriveLabel{}
	}
	return r.label(r.index.Segments[b.At[0].Segment].Drive)
}

// Here reports whether d can be read now: its drive is here, or a copy of its segments.
func (r *Reader) Here(d oci.Descriptor) bool {
	for _, p := range r.index.Blobs[d.Digest].At {
		seg := r.index.Segments[p.Segment]
		if _, ok := r.on.of(seg.Drive, seg.Name); !ok {
			return false
		}
	}
	return true
}

// Lost detaches the drives that are not where they were, after a read has failed, and gives
// them; those that are there are attached anew.
func (r *Reader) Lost(ctx context.Context) (lost []DriveLabel, err error) {
	for _, d := range r.Drives() {
		if d.Dir == "" {
			continue
		}
		if _, err := r.Attach(ctx, d.Dir); err == nil && r.gives(d.DriveLabel) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return lost, err
		}
		_ = r.Detach(d.DriveLabel) // it leads nowhere
		lost = append(lost, d.DriveLabel)
	}
	return lost, nil
}

// gives reports whether a drive gives bytes: of one that was pulled the kernel may remember directories and
// small files.
func (r *Reader) gives(d DriveLabel) bool {
	number := r.numberOf(d)
	at, ok := r.on.of(number, "")
	if !ok {
		return false
	}
	name := seal.DriveName
	for _, s := range r.index.Segments {
		if s.Drive == number && !s.Kept {
			name = s.Name
		}
	}
	return at.dir.Gives(name)
}

// ForeignDriveError says that a directory has no drive of the bundle that is read.
type ForeignDriveError struct {
	Dir    string
	Bundle string   // the one that is read
	Has    []string // what it has instead, such as "bundle abc"; none: no bundle
}

func (e *ForeignDriveError) Error() string {
	if len(e.Has) == 0 {
		return fmt.Sprintf("%s has no drive of bundle %s: it holds no bundle", e.Dir, e.Bundle)
	}
	return fmt.Sprintf("%s has no drive of bundle %s: it has %s", e.Dir, e.Bundle, text.Some(e.Has, 5))
}

// Hint says what to do now.
func (e *ForeignDriveError) Hint() string {
	return "look at the label of the drive, and at where it is mounted"
}

// Permanent is false: another drive may be inserted.
func (e *ForeignDriveError) Permanent() bool { return false }

// Attach takes in the drives of the bundle that are in dir or below it, also one that was here
// before: what was open of it leads nowhere once it was away. Seals, names and lengths are
// compared as [Open] does; of the last drive the seal must be the same one. It gives those that
// were taken in. Errors: *[ForeignDriveError], *[FingerprintError], *[DamageError], *[CopyError],
// *[UnfinishedError], *[DriveError].
func (r *Reader) Attach(ctx context.Context, dir string) (taken []DriveLabel, err error) {
	s, err := searchBelow(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NoBundleError{Dir: dir, Absent: true}
	}
	if err != nil {
		return nil, err
	}
	other := &ForeignDriveError{Dir: dir, Bundle: r.ID()}
	for _, p := range s.found {
		if err := ctx.Err(); err != nil {
			return taken, err
		}
		if p.id != r.seals.bundle.Bundle && !r.isDamaged(p) {
			other.Has = append(other.Has, p.named())
			continue
		}
		d, err := r.openAgain(p)
		if err != nil {
			return taken, err
		}
		name := r.label(d.number())
		if slices.Contains(taken, name) {
			if err := d.dir.Close(); err != nil {
				return taken, err
			}
			continue
		}
		old := r.on.put(d)
		r.cache.leave(d.number())
		if old != nil {
			_ = old.dir.Close() // it was only read
		}
		taken = append(taken, name)
	}
	if len(taken) == 0 {
		return nil, other
	}
	return taken, nil
}

// openAgain opens a drive that comes when the bundle is being read.
func (r *Reader) openAgain(p location) (d *driveDir, err error) {
	if r.isDamaged(p) {
		return r.openDamagedAgain(p)
	}
	if p.isEarlier() {
		d, err = openDrive(p, &r.seals.bundle)
	} else {
		var s *seals
		if s, err = readSeals(p, Wanted{Expect: r.seals.finger}); err == nil {
			d = s.driveDir
		}
	}
	if err != nil {
		return nil, err
	}
	if err = d.usable(); err == nil && !d.agrees(r.index) {
		err = d.damage("drive.json", "and the index disagree about the segments", nil)
	}
	if err != nil {
		return nil, errors.Join(err, d.dir.Close())
	}
	return d, nil
}

// Detach lets go of a drive, so that it can be unmounted. What is read from it later is an
// *[AwayError], until it is attached again. Nothing may be reading from it.
func (r *Reader) Detach(drive DriveLabel) error {
	number := r.numberOf(drive)
	d := r.on.take(number)
	r.cache.leave(number)
	if d == nil {
		return nil
	}
	return d.dir.Close()
}

// away says that a drive is not here whose content is asked for.
func (r *Reader) away(number int) error {
	return &AwayError{Drives: []DriveLabel{r.label(number)}, Across: r.Across()}
}
