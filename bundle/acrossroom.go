package bundle

import (
	"errors"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// acrossRoom is the bytes that each drive has for segments and parity files together, as they were counted when the bundle was
// begun: drives on one file system share its room, and none gets more than most, where that is not 0. It is nil where a file system
// does not say, and nothing else does.
func acrossRoom(dirs []*media.Dir, most int64) (room []int64, err error) {
	total, count := map[string]int64{}, map[string]int64{}
	points, limits := make([]string, len(dirs)), make([]int64, len(dirs))
	unknown := false
	for k, d := range dirs {
		free, err := SpaceOf(d.Path())
		if err != nil {
			return nil, err
		}
		shared, small, err := heldOn(d)
		if err != nil {
			return nil, err
		}
		points[k], limits[k] = MountOf(d.Path()).Point(), max(1, most-small)
		if count[points[k]] == 0 {
			total[points[k]] = free.Free
		}
		total[points[k]] += shared
		count[points[k]]++
		unknown = unknown || free.Unknown
	}
	for k, point := range points {
		n := total[point] / count[point]
		switch {
		case most > 0 && (unknown || n > limits[k]):
			n = limits[k]
		case unknown:
			return nil, nil
		}
		room = append(room, n)
	}
	return room, nil
}

// heldOn is the bytes of the segments and parity files of a drive, and those of its other files.
func heldOn(d *media.Dir) (shared, small int64, err error) {
	files, _, err := d.List(".")
	copies, _, cerr := d.List(seal.CopyDir)
	for _, f := range files {
		if _, segment := seal.ParseSegment(f.Name); segment || seal.IsParityFile(f.Name) {
			shared += f.Size
		} else {
			small += f.Size
		}
	}
	for _, f := range copies {
		small += f.Size
	}
	return shared, small, errors.Join(err, cerr)
}
