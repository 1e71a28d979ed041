package bundle

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/oci"
)

const (
	perBlob    = 2*tarBlock + 512 // header, padding, index lines in both copies
	perSegment = 4 << 10          // age header of a post-quantum key, seek table, line in the seal
	perDrive   = 4 << 20          // seals, keys, copies

	// DefaultCluster is the size of a cluster, in bytes, that is counted with where the drive
	// is not known: what exFAT has on drives above 32 GB.
	DefaultCluster = 128 << 10
)

// Space is the room of a drive.
type Space struct {
	Free    int64 // bytes
	Cluster int64 // bytes that the smallest file takes
	Files   int64 // how many more files it takes; -1 where it does not say
	Unknown bool  // the file system does not say; the rest is nothing then
}

// SpaceOf asks the file system of dir for its room.
func SpaceOf(dir string) (Space, error) {
	room, err := media.RoomOf(dir)
	if errors.Is(err, media.ErrUnknownSpace) {
		return Space{Unknown: true, Cluster: DefaultCluster, Files: -1}, nil
	}
	return Space{Free: room.Free, Cluster: room.Cluster, Files: room.Files}, err
}

// CheckFileLimit reports a *[DriveError] if this process may not write files as large as
// the segments of a bundle that needs so many bytes.
func (j Job) CheckFileLimit(dir string, need int64) error {
	limit, largest := media.FileLimit(), min(j.SegmentSize, need)
	if limit < 0 || limit >= largest {
		return nil
	}
	return &media.Error{Op: fmt.Sprintf("write files of %s to", FormatSize(largest)), Path: dir,
		Err: fmt.Errorf("this process may write %s at most: %w", FormatSize(limit), syscall.EFBIG)}
}

// bound is the most that a blob takes in segments.
func bound(size int64) int64 {
	return size + size/1024 + perBlob // 1/1024: frame, block and age overhead, rounded up
}

// load is what one drive carries.
type load struct{ bytes, blobs int64 }

func (l load) plus(m load) load { return load{l.bytes + m.bytes, l.blobs + m.blobs} }

// driveBound is the most that a drive has to hold. The last cluster of a file may be all
// but empty; perSegment and perDrive have room for those of 4 KiB.
func (j Job) driveBound(l load, cluster int64) int64 {
	full := l.bytes / j.SegmentSize
	n := l.bytes + (full+1)*perSegment + perDrive
	if cluster <= perSegment {
		return n
	}
	// A blob that does not fit ends a segment; an interruption ends one in each lane.
	segments := full + min(full, l.blobs) + 2*int64(j.Lanes+1)
	// Four small files and the key files have copies; besides: README.txt, SHA256SUMS, one
	// that is being replaced, two directories.
	small := 2*int64(4+1+len(j.Recipients)) + 5
	return n + (segments+small)*cluster
}

func roundUp(n, unit int64) int64 { return (n + unit - 1) / unit * unit }

// TooLargeError says that a bundle cannot be spread over drives: one blob fits on
// none, as a blob never spans two, or there would be too many drives.
type TooLargeError struct {
	Blob     oci.Descriptor // the largest; empty for too many drives
	Capacity int64          // bytes of the largest drive
}

func (e *TooLargeError) Error() string {
	if e.Blob.Digest == "" {
		return fmt.Sprintf("drives of %s are too small: it would take more than the %d that a bundle may have", FormatSize(e.Capacity), MaxLanes)
	}
	return fmt.Sprintf("blob %s has %s, and a drive of %s cannot hold it with the other files", e.Blob.Digest, FormatSize(e.Blob.Size), FormatSize(e.Capacity))
}

// Hint says what to do now.
func (e *TooLargeError) Hint() string { return "take larger drives, or leave out what needs it" }

// Permanent is true: the blob stays as large as it is.
func (e *TooLargeError) Permanent() bool { return true }

// Drives says how many drives a bundle of the graph needs that hold so many bytes each,
// in clusters of that size. One is enough where f, its forecast, says so, as
// [Forecast.CheckRoom] does; more are counted by an upper bound. Manifests stand on one
// drive together. The error is a *[TooLargeError].
func (j Job) Drives(f Forecast, g *oci.Graph, capacity, cluster int64) (int, error) {
	if f.OnDrive(cluster) <= capacity {
		return 1, nil
	}
	needs := make([]load, 1, len(g.Blobs)+1)
	for _, n := range g.Manifests {
		needs[0] = needs[0].plus(load{bound(n.Descriptor.Size), 1})
	}
	var largest oci.Descriptor
	for _, n := range g.Blobs {
		needs = append(needs, load{bound(n.Descriptor.Size), 1})
		if n.Descriptor.Size >= largest.Size {
			largest = n.Descriptor
		}
	}
	slices.SortFunc(needs, func(a, b load) int { return cmp.Compare(b.bytes, a.bytes) })
	if j.driveBound(needs[0], cluster) > capacity {
		return 0, &TooLargeError{largest, capacity}
	}
	var drives []load // the largest goes first, onto the first drive that has room
	for _, need := range needs {
		i := slices.IndexFunc(drives, func(used load) bool { return j.driveBound(used.plus(need), cluster) <= capacity })
		if i < 0 && len(drives) == MaxLanes {
			return 0, &TooLargeError{Capacity: capacity}
		}
		if i < 0 {
			i, drives = len(drives), append(drives, load{})
		}
		drives[i] = drives[i].plus(need)
	}
	return max(len(drives), 2), nil
}
