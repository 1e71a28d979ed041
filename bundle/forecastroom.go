package bundle

import (
	"errors"
	"maps"
	"slices"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/oci"
)

// perName is what a directory has of each name, in bytes; exFAT and FAT32 take 96.
const perName = 128

// OnDrive gives the bytes that the files take on a drive with clusters of that size. It is
// the number by which [Forecast.CheckRoom] and [Job.SpreadOver] decide, and has room for one
// more segment in each lane: lanes take blobs as they come, and an interruption ends a
// segment early.
func (f Forecast) OnDrive(cluster int64) (n int64) {
	for _, p := range f.parts {
		n += p.onDrive(cluster)
	}
	return n
}

func (p part) onDrive(cluster int64) int64 {
	sum, n := int64(0), int64(0)
	for _, size := range p.files {
		sum += size
		n += roundUp(size, cluster)
	}
	n += roundUp(p.bytes-sum, cluster)                               // what is added to an upper bound
	n += 2 * roundUp(int64(len(p.files))*perName, cluster)           // two directories
	return n + int64(p.lanes)*roundUp(perSegment, cluster) + cluster // a small file that is being replaced
}

// Files is how many files there will be, directories included.
func (f Forecast) Files() (n int64) {
	for _, p := range f.parts {
		n += int64(len(p.files)) + 3
	}
	return n
}

// CheckRoom reports a *[SpaceError] if the drive with dir has not enough room, where that
// is known. more is the bytes that will be free besides.
func (f Forecast) CheckRoom(dir string, room Space, more int64) error {
	if room.Unknown {
		return nil
	}
	e := &SpaceError{Dir: dir, Need: f.OnDrive(room.Cluster), Free: room.Free + more, Cluster: room.Cluster}
	if e.Free < e.Need {
		return e
	}
	if room.Files >= 0 && room.Files < f.Files() {
		e.NeedFiles, e.FreeFiles = f.Files(), room.Files
		return e
	}
	return nil
}

// Here gives the directories of the drives that are in one of the places, by number; of those that are finished, too.
func (w *Writer) Here(places []string) (map[int]string, error) {
	here := map[int]string{}
	for _, place := range places {
		found, err := find(place)
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			if p.id == w.begin.Bundle && p.complete && p.drive > 0 && p.drive <= len(w.drives) && w.drives[p.drive-1].done != nil {
				here[p.drive] = p.dir
			}
		}
	}
	for _, t := range w.drives {
		if t.dir != nil {
			here[t.number] = t.path()
		}
	}
	return here, nil
}

// room is what each drive has for segments and parity files, where parity goes across them and all are here; ok is false where
// nobody can say it. On a staging disk, where some may not have begun, all have the same.
func (w *Writer) room(here map[int]string) (room []int64, ok bool, err error) {
	if w.begin.Staging {
		return nil, true, nil
	}
	var dirs []*media.Dir
	defer func() {
		for _, d := range dirs {
			err = errors.Join(err, d.Close())
		}
	}()
	for _, t := range w.drives {
		path, is := here[t.number]
		if !is {
			return nil, false, nil
		}
		d, err := media.OpenDir(path)
		if err != nil {
			return nil, false, err
		}
		dirs = append(dirs, d)
	}
	room, err = acrossRoom(dirs, w.begin.DriveSize)
	return room, err == nil, err
}

// Forecast calculates what is still to be written of the bundle, as [Job.Forecast] does
// for all of one. Nothing may be put meanwhile. Parity across drives is counted as long as all of them are here, see [Writer.Here].
func (w *Writer) Forecast(inv *oci.Inventory, g *oci.Graph, content func(oci.Descriptor) ([]byte, bool), here map[int]string) (Forecast, error) {
	ratio, room := w.parity, []int64(nil)
	if w.Across() {
		var ok bool
		var err error
		if room, ok, err = w.room(here); err != nil {
			return Forecast{}, err
		} else if !ok {
			ratio = ParityRatio{}
		}
	}
	written, err := w.Unfinished()
	if err != nil {
		return Forecast{}, err
	}
	w.mu.Lock()
	kept, done := w.sorted(), maps.Clone(w.done)
	w.mu.Unlock()
	missing := func(nodes []oci.Node) []oci.Node {
		return slices.DeleteFunc(slices.Clone(nodes), func(n oci.Node) bool {
			_, ok := done[n.Descriptor.Digest]
			return ok
		})
	}
	left := *g
	left.Blobs, left.Manifests = missing(g.Blobs), missing(g.Manifests)
	r := &forecaster{begin: w.begin, parity: ratio, room: room, signers: len(w.signers), version: w.version, content: content, noise: newNoise(), begun: true, kept: kept, written: written, done: w.finished()}
	return r.run(inv, &left)
}

// finished gives the drives that are.
func (w *Writer) finished() map[int]journal.DriveDone {
	done := map[int]journal.DriveDone{}
	for _, t := range w.drives {
		if t.done != nil {
			done[t.number] = *t.done
		}
	}
	return done
}
