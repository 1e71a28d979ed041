package bundle

import (
	"errors"
	"slices"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// checkRoom refuses a directory that has not enough room for what needed says, with clusters of a size.
func checkRoom(dir string, needed func(cluster int64) int64) error {
	room, err := SpaceOf(dir)
	if err != nil || room.Unknown {
		return err
	}
	if need := needed(room.Cluster); need > room.Free {
		return &SpaceError{Dir: dir, Need: need, Free: room.Free, Cluster: room.Cluster, MustHold: true}
	}
	return nil
}

// sizeOf is that of a file, 0 if it is missing or nothing can be said of it.
func sizeOf(dir *media.Dir, name string) int64 {
	size, err := dir.Stat(name)
	if err != nil {
		return 0
	}
	return size
}

// lacking is how many bytes the target still takes: files that an earlier run has left under their temporary names are
// written again in their place.
func (r *Repair) lacking(dst *driveDir, cluster int64) (n int64) {
	names := 0
	take := func(name string, size int64) {
		if m := r.Remedy(name); m.Lost != "" || m.Open() || sizeOf(dst.dir, name) == size {
			return
		}
		names++
		n += max(0, roundUp(size, cluster)-roundUp(sizeOf(dst.dir, name+media.TempSuffix), cluster))
	}
	for _, f := range r.d.files() {
		if _, small := r.d.small[f.Name]; !small {
			take(f.Name, f.Size)
		}
	}
	for name, body := range r.d.small {
		take(name, int64(len(body)))
	}
	if _, err := dst.dir.Stat(seal.DriveName); err == nil || names == 0 {
		return n // the directories are there
	}
	return n + 2*roundUp(int64(names)*perName, cluster)
}

// smallGrowth is the most that repairing small files in place takes: what is missing of them, and the largest one that
// is replaced, beside which the new one stands until it has its name.
func (r *Repair) smallGrowth(cluster int64) int64 {
	var grows, beside int64
	for name, body := range r.d.small {
		if m := r.Remedy(name); m.From == "" {
			continue
		}
		old, size := roundUp(sizeOf(r.d.dir, name), cluster), roundUp(int64(len(body)), cluster)
		grows, beside = grows+max(0, size-old), max(beside, min(size, old))
	}
	return grows + beside
}

// growth is the most that a repair in place takes: what is missing of files, and of one group the
// damaged ones, beside which those that are rebuilt stand until they have their names.
func (r *Repair) growth(cluster int64) int64 {
	own := map[string]bool{}
	for _, f := range r.d.files() {
		own[f.Name] = true
	}
	var grows, beside int64
	for _, s := range r.d.groups.surveys {
		replaced := int64(0)
		for _, f := range slices.Concat(s.Damaged(), s.DamagedParity()) {
			if !own[f.Name] || r.Remedy(f.Name).From == "" {
				continue
			}
			size, err := r.d.dir.Stat(f.Name)
			if err != nil {
				size = 0 // it is missing, or counts as if it was
			}
			old := roundUp(size, cluster)
			grows += max(0, roundUp(f.Size, cluster)-old)
			replaced += min(roundUp(f.Size, cluster), old)
		}
		beside = max(beside, replaced)
	}
	return grows + beside
}

// wait notes that the files of groups are not rebuilt, because the drive lacks room.
func (r *Repair) wait(full error) error {
	if e, ok := errors.AsType[*SpaceError](full); ok {
		e.Partly = true
	}
	for i, m := range r.Remedies {
		if _, small := r.d.small[m.File]; !small && m.From != "" {
			r.Remedies[i].Waits = true
		}
	}
	return full
}
