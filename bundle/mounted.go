package bundle

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
)

// mounted is where the drives of a bundle are now. They come and go while others are read.
type mounted struct {
	mu     sync.Mutex
	drives []*driveDir // by number
	kept   *keptSegments
}

// place is a directory that has a segment.
type place struct {
	dir        *media.Dir
	unreadable func(file string, err error) error
}

// put takes a drive in. It gives the one with that number that was there, nil if none was.
func (p *mounted) put(d *driveDir) (old *driveDir) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old = p.remove(d.number())
	p.drives = append(p.drives, d)
	slices.SortFunc(p.drives, func(a, b *driveDir) int { return cmp.Compare(a.number(), b.number()) })
	return old
}

// take takes a drive out; nil if it is not there.
func (p *mounted) take(number int) *driveDir {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.remove(number)
}

func (p *mounted) remove(number int) *driveDir {
	i := slices.IndexFunc(p.drives, func(d *driveDir) bool { return d.number() == number })
	if i < 0 {
		return nil
	}
	d := p.drives[i]
	p.drives = slices.Delete(p.drives, i, i+1)
	return d
}

// of gives the place of a segment; not ok if its drive is not here.
func (p *mounted) of(drive int, name string) (at place, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kept != nil && p.kept.has[keptSegment{drive, name}] {
		return place{dir: p.kept.dir, unreadable: func(file string, err error) error {
			return fmt.Errorf("read the copy of %s in %s: %w", file, p.kept.dir.Path(), err)
		}}, true
	}
	for _, d := range p.drives {
		if d.number() == drive {
			return place{d.dir, d.unreadable}, true
		}
	}
	return at, false
}

// dirs are the directories of the drives that are here.
func (p *mounted) dirs() (list []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.drives {
		list = append(list, d.dir.Path())
	}
	return list
}

func (p *mounted) close() (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.drives {
		err = errors.Join(err, d.dir.Close())
	}
	if p.kept != nil {
		err = errors.Join(err, p.kept.close())
		p.kept = nil
	}
	return err
}
