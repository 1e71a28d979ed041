package bundle

import (
	"fmt"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// openDir opens a drive directory, of which readSeals reads the seals, and compares what it holds
// with them.
func openDir(p location, readSeals func(*driveDir) error) (s *driveDir, err error) {
	d, err := media.OpenDir(p.dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s, err = nil, also(err, d.Close())
		}
	}()
	if p.renamed {
		if err := d.Translate(seal.CopyDir, seal.Canonical); err != nil {
			return nil, err
		}
	}
	s = &driveDir{dir: d, bodies: map[string][]byte{}}
	if err := readSeals(s); err != nil {
		return nil, err
	}
	if err := s.readExtras(); err != nil {
		return nil, err
	}
	if !p.renamed {
		if err := s.translate(); err != nil {
			return nil, err
		}
	}
	s.renamed = d.Translated()
	return s, s.compareListing()
}

// openDrive reads the seals of a drive that is not the last one, and holds them against those of
// the bundle; of is nil if they are not here. What is wrong with files is collected in faults; the
// error is for what leaves nothing to check.
func openDrive(p location, of *seal.Bundle) (*driveDir, error) {
	if p.short != "" {
		return nil, shortNames(p)
	}
	return openDir(p, func(d *driveDir) error {
		if of != nil && (p.drive >= len(of.Drives) || p.of != len(of.Drives)) {
			return d.damage(seal.DriveName, fmt.Sprintf("says that it is drive %d of %d, and bundle.json names %d", p.drive, p.of, len(of.Drives)), nil)
		}
		if of != nil {
			d.sum = of.Drives[p.drive-1]
		}
		if err := d.readEarlier(p); err != nil {
			return err
		}
		if of != nil && len(d.drive.Files) > 0 && d.drive.Plain() != of.Has(seal.Plain) {
			return d.damage(seal.DriveName, "and bundle.json disagree whether the bundle is encrypted", nil)
		}
		return nil
	})
}

// readEarlier reads the drive seal, or its second copy where the original is at fault.
func (s *driveDir) readEarlier(p location) error {
	what, err := s.parseDrive(seal.DriveName, p)
	if err != nil || what == "" {
		return err
	}
	s.fault(seal.DriveName, what)
	second, err := s.parseDrive(seal.CopyDir+"/"+seal.DriveName, p)
	if err == nil && second != "" {
		return s.damage(seal.DriveName, what, nil)
	}
	return err
}

// parseDrive takes a drive seal over if it is right, and else says what is wrong.
func (s *driveDir) parseDrive(name string, p location) (what string, err error) {
	body, err := s.readSeal(name)
	if what, ok := whatIsWrong(err); ok {
		return what, nil
	}
	if err != nil {
		return "", err
	}
	drive, err := seal.ParseDrive(body)
	switch {
	case s.sum.SHA256 != "" && seal.Sum(body) != s.sum.SHA256:
		//lint:ignore nilerr the fault is reported as a text
		return "is not the one that bundle.json binds", nil
	case err != nil:
		//lint:ignore nilerr the fault is reported as a text
		return "cannot be read: " + err.Error(), nil
	case drive.Bundle != p.id || drive.Drive != p.drive || drive.Of != p.of || !drive.Complete:
		return "belongs to another drive or is not complete", nil
	}
	s.drive, s.bodies[seal.DriveName] = drive, body
	return "", nil
}
