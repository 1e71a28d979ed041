package places

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prepare"
)

// Drives are the numbers of drives that are not there yet.
type Drives struct {
	Size    int64 // the most bytes that each gets; 0 for the drives in the directories alone
	Cluster int64 // bytes of a cluster; 0 for the usual size
	Staging bool  // they get directories on a staging disk, also in the root of a drive: nothing can be written to what goes away
}

// Places are where the drives of a bundle go.
type Places struct {
	Dirs    []string // in the order in which they are filled; none where nobody knows them
	Staging bool     // each drive gets a directory in the one that there is
	Mounted int      // how many drives are there until the bundle is finished, see [bundle.Job]

	drives Drives
}

// Find finds out what directories are. One is a slot if it is the root of a mount, or a drive of a bundle was begun
// in it; else it is on a staging disk. Without any, drives go one after another.
func Find(dirs []string, d Drives) (p Places, err error) {
	p = Places{Dirs: slices.Clone(dirs), Mounted: len(dirs), drives: d}
	if d.Size == 0 || len(dirs) > 1 {
		return p, nil
	}
	if p.Staging = d.Staging; len(dirs) == 1 {
		p.Staging, err = isStaging(dirs[0], d)
	}
	if p.Mounted = 0; p.Staging {
		p.Mounted = bundle.MaxDrives
	}
	return p, err
}

// isStaging reports whether drives get directories in dir. A bundle that was begun with a drive in dir itself
// goes on so: it is never one and the other.
func isStaging(dir string, d Drives) (bool, error) {
	root, err := bundle.IsRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil // pack will make it
	}
	if err != nil || root && !d.Staging {
		return false, err
	}
	number, err := bundle.DriveIn(dir)
	return number == 0 || err != nil, nil // an error comes up again where dir is used
}

// Together are the places if all drives are there until the bundle is finished.
func (p Places) Together() Places {
	p.Mounted = bundle.MaxDrives
	return p
}

// Dir is where a drive's directory is on a staging disk.
func (p Places) Dir(drive int) string {
	return filepath.Join(p.Dirs[0], fmt.Sprintf("drive-%02d", drive))
}

// Room is what the drives hold. more gives what will be free in a place besides; nil for nothing.
// Errors: *[SizeError].
func (p Places) Room(more func(dir string, cluster int64) (int64, error)) (r bundle.Room, err error) {
	size := p.drives.Size
	if p.Staging || len(p.Dirs) == 0 { // nobody knows what the drives will have
		r.More = bundle.Capacity{Free: size, Cluster: cmp.Or(p.drives.Cluster, bundle.DefaultCluster)}
		return r, nil
	}
	shared := map[string]int{} // drives on one device share its room
	for _, dir := range p.Dirs {
		shared[bundle.MountOf(there(dir)).Point()]++
	}
	for _, dir := range p.Dirs {
		space, err := bundle.SpaceOf(there(dir))
		if err != nil {
			return r, err
		}
		free := space.Free
		if more != nil {
			n, err := more(dir, space.Cluster)
			if err != nil {
				return r, err
			}
			free += n
		}
		free /= int64(shared[bundle.MountOf(there(dir)).Point()])
		switch {
		case space.Unknown && size == 0:
			return r, &SizeError{Dir: dir}
		case space.Unknown:
			free = size
		case size > 0:
			free = min(free, size)
		}
		r.Drives = append(r.Drives, bundle.Capacity{Free: free, Cluster: space.Cluster})
		if size > 0 {
			r.More = bundle.Capacity{Free: size, Cluster: cmp.Or(p.drives.Cluster, space.Cluster)}
		}
	}
	return r, nil
}

// there is the directory, or the one above it that is there already.
func there(dir string) string {
	for {
		parent := filepath.Dir(dir)
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) || parent == dir {
			return dir
		}
		dir = parent
	}
}

// SizeError says that nobody knows how much a drive holds.
type SizeError struct{ Dir string }

func (e *SizeError) Error() string {
	return fmt.Sprintf("the file system of %s does not report how much space it has", e.Dir)
}

// Hint says what to do now.
func (e *SizeError) Hint() string { return "say with --drive-size how much each drive holds" }

// Permanent is true: the file system stays as it is.
func (e *SizeError) Permanent() bool { return true }

// Spread decides what of a bundle goes on which drive. Where in the order of their names there is no way, the places are
// taken from the largest to the smallest, and are in that order then. Errors: those of [bundle.Job.SpreadOver].
func (p *Places) Spread(ctx context.Context, job bundle.Job, all prepare.Bundled, room bundle.Room) (*bundle.Spread, error) {
	job.Mounted = p.Mounted
	s, err := job.SpreadOver(all.Inventory, all.Graph, all.Body, room)
	space, ok := errors.AsType[*bundle.SpaceError](err)
	if !ok {
		return s, err
	}
	// A small one among them may have room for no blob.
	dirs, sorted := p.largestFirst(room)
	if s, other := job.SpreadOver(all.Inventory, all.Graph, all.Body, sorted); other == nil {
		p.Dirs = dirs
		return s, nil
	}
	if err := job.Lack(ctx, all.Inventory, all.Graph, all.Body, sorted, space); err != nil {
		return nil, err
	}
	return nil, space
}

// largestFirst sorts places and drives.
func (p *Places) largestFirst(room bundle.Room) (dirs []string, sorted bundle.Room) {
	order := make([]int, len(p.Dirs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(room.Drives[b].Free, room.Drives[a].Free) })
	for _, i := range order {
		dirs, sorted.Drives = append(dirs, p.Dirs[i]), append(sorted.Drives, room.Drives[i])
	}
	return dirs, sorted
}

// CheckStaging makes sure that a staging disk holds all drives: a *[bundle.SpaceError].
func (p Places) CheckStaging(s *bundle.Spread) error {
	if !p.Staging || len(p.Dirs) == 0 {
		return nil
	}
	dir := p.Dirs[0]
	space, err := bundle.SpaceOf(there(dir))
	if err != nil || space.Unknown {
		return err
	}
	if need := s.Forecast.OnDrive(space.Cluster); space.Free < need {
		return &bundle.SpaceError{Dir: dir, Need: need, Free: space.Free, Cluster: space.Cluster}
	}
	return nil
}
