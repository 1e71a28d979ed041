package bundle

import (
	"cmp"
	"context"
	"errors"
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

	dir    *media.Dir
	files  []seal.File       // in the order in which a copy writes them
	bodies map[string][]byte // of the seals that are here
}

// OpenOriginal reads the seals of the drive directory that dir means, and compares the small
// files and the sizes of all others with them. It reads no segment. Errors are those of
// [Verify]: what is not whole is not copied.
func OpenOriginal(ctx context.Context, dir string, want Wanted) (*Original, error) {
	s, err := openSeals([]string{dir}, want)
	if err != nil {
		return nil, err
	}
	d, err := s.original(ctx)
	if err != nil {
		return nil, errors.Join(err, s.dir.Close())
	}
	return d, nil
}

func (s *driveDir) original(ctx context.Context) (*Original, error) {
	v := verification{driveDir: s}
	v.checkSmall(ctx)
	if err := cmp.Or(ctx.Err(), v.away, v.outcome()); err != nil {
		return nil, err
	}
	small, err := s.smallFiles()
	if err != nil {
		return nil, err
	}
	derived, err := small.derive()
	if err != nil {
		return nil, err
	}
	d := &Original{
		Dir: s.dir.Path(), Bundle: s.bundle.Bundle, Drive: s.drive.Drive, Of: len(s.bundle.Drives), Label: s.drive.Label,
		Created: s.bundle.Created, Stream: streamOf(s.bundle), Sequence: s.bundle.Sequence, Fingerprint: s.finger, Plain: s.plain(),
		dir: s.dir, files: derived.all, bodies: map[string][]byte{},
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
	return turnContent
}
