package bundle

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// Original is a drive directory that is copied: one drive's part of a sealed bundle, with every
// file that belongs to it and what that file must be.
type Original struct {
	Dir         string
	Bundle      string // its ID
	Drive       int    // which drive of the bundle it is, from 1
	Of          int    // how many drives the bundle has
	Label       string // of the drive, "" where the bundle has one drive
	Created     time.Time
	Stream      Stream // that the bundle belongs to, the zero value if to none
	Sequence    int
	Fingerprint Fingerprint // of the bundle; "" where this directory does not have the seal
	Plain       bool        // it is not encrypted
	Faults      []Fault     // what is wrong with its small files, and with names and sizes

	dir    *media.Dir
	files  []seal.File       // in the order in which a copy writes them
	bodies map[string][]byte // of the seals that are here
	small  map[string][]byte // what must stand in the files that are not right, as far as that is known
	lost   map[string]Fault  // files of which it is not
}

// OpenOriginals reads the seals of the drive directories of one bundle that dirs mean, compares
// the small files and the sizes of all others with them, and the drives with each other. It
// reads no segment. What is wrong with files is in Faults; the error, as [Verify] has them, is
// for what leaves nothing to copy: seals that are lost with their second copies, an unfinished
// bundle, another one. Which bundle it is, and who has signed it, is known only if the last
// drive is among them: without it, want must be the zero value, else the error is an *[AwayError].
func OpenOriginals(ctx context.Context, dirs []string, want Wanted) (list []*Original, err error) {
	drives, err := openDrives(dirs, want)
	if err != nil {
		return nil, err
	}
	for _, s := range drives {
		o, oerr := s.original(ctx)
		if err = also(err, oerr); oerr == nil {
			list = append(list, o)
		}
	}
	if err != nil {
		for _, s := range drives {
			err = also(err, s.dir.Close())
		}
		return nil, err
	}
	return list, nil
}

// openDrives opens the drive directories of one bundle, by number.
func openDrives(dirs []string, want Wanted) (list []*driveDir, err error) {
	at, err := locate(dirs)
	if err != nil {
		return nil, err
	}
	if at.last != nil {
		s, err := lastToCopy(*at.last, want)
		if err != nil {
			return nil, err
		}
		if err := s.openEarlier(at.earlier); err != nil {
			return nil, err
		}
		return s.drives(), nil
	}
	if want != (Wanted{}) {
		return nil, at.noLast("its seal shows whether it is the bundle that is expected")
	}
	for _, p := range at.earlier {
		d, err := openDrive(p, nil)
		if err != nil {
			for _, o := range list {
				err = also(err, o.dir.Close())
			}
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

// FoundDrive is a drive directory that was found.
type FoundDrive struct {
	Dir    string
	Bundle string // its ID
	Drive  int    // from 1
}

// DriveDirs lists the drive directories of one bundle in dir and below it, whole as far as that
// can be seen from drive.json: of the one with that ID, or of the only one that is there. It
// gives none for a directory that has none, and a *[RefusedError] if there are several bundles.
func DriveDirs(dir, id string) (list []FoundDrive, err error) {
	s, err := searchBelow(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, p := range s.found {
		if p.id == "" || p.copying || !p.complete || id != "" && p.id != id {
			continue
		}
		d := FoundDrive{p.dir, p.id, max(p.drive, 1)}
		if len(list) > 0 && (list[0].Bundle != d.Bundle || slices.ContainsFunc(list, func(o FoundDrive) bool { return o.Drive == d.Drive })) {
			return nil, &RefusedError{Dir: dir, Reason: "it holds more than one bundle, or one more than once", hint: "name the directory of the one that is meant"}
		}
		list = append(list, d)
	}
	return list, nil
}

func (s *driveDir) original(ctx context.Context) (*Original, error) {
	d := &Original{
		Dir: s.dir.Path(), Bundle: s.drive.Bundle, Drive: s.drive.Drive, Of: max(s.drive.Of, 1), Label: s.drive.Label,
		Created: s.bundle.Created, Stream: streamOf(s.bundle), Sequence: s.bundle.Sequence, Fingerprint: s.finger, Plain: s.plain(),
		dir: s.dir, bodies: map[string][]byte{}, small: map[string][]byte{}, lost: map[string]Fault{},
	}
	if err := d.lookForFaults(ctx, s); err != nil {
		return nil, err
	}
	var err error
	if d.files, err = s.toCopy(); err != nil {
		return nil, err
	}
	for _, sig := range s.signatures {
		if !sig.listed {
			d.files = append(d.files, seal.FileOf(sig.file, sig.body))
		}
	}
	for _, name := range []string{seal.DriveName, seal.BundleName} {
		if body, ok := s.bodies[name]; ok {
			d.bodies[name] = body
		}
	}
	slices.SortFunc(d.files, func(a, b seal.File) int {
		return cmp.Or(cmp.Compare(turn(a.Name), turn(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	return d, nil
}

// toCopy lists the files that the directory must have. Where a small file is lost with its second
// copy, what follows from it is not among them.
func (s *driveDir) toCopy() ([]seal.File, error) {
	small, err := s.smallFiles()
	if err == nil && s.extras.Bundle != "" {
		derived, err := small.derive()
		if err == nil || len(s.faults) == 0 {
			return derived.all, err
		}
	}
	if len(s.faults) == 0 {
		return nil, err
	}
	list := s.files()
	for name, body := range s.bodies {
		list = append(list, seal.FileOf(name, body))
	}
	for _, f := range list {
		if hasSecond(f.Name) {
			list = append(list, copyOf(f))
		}
	}
	return list, nil
}

// Close releases the directory.
func (d *Original) Close() error { return d.dir.Close() }

// Size gives the number of files, and the bytes in them.
func (d *Original) Size() (files int, bytes int64) {
	for _, f := range d.files {
		bytes += f.Size
	}
	return len(d.files), bytes
}

// The turns of a copy: all of one are durable before the next begins. Those of the last one
// get their names when everything else was read back.
const (
	turnContent = iota
	turnCopies  // second copies, of which rekey writes each before its original too
	turnSmall   // what extras.json names
	turnDerived // as rekey writes them: extras.json decides which key files there are
	turnExtras
	turnSeals
)

// turn says when a copy writes a file.
func turn(name string) int {
	switch base := strings.TrimPrefix(name, seal.CopyDir+"/"); {
	case base == seal.DriveName || base == seal.BundleName:
		return turnSeals
	case name == seal.ExtrasName:
		return turnExtras
	case base == seal.ExtrasName || base == seal.ReadmeName || base == seal.SumsName:
		return turnDerived
	case base != name:
		return turnCopies
	case seal.KeyNumber(name) > 0 || seal.IsSignature(name) || name == seal.ParityName:
		return turnSmall
	}
	if _, of, ok := seal.ParseOther(name); ok && !isIndex(of) { // an index is as large as it likes
		return turnSmall
	}
	return turnContent
}
