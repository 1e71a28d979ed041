package bundle

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/oci"
)

const (
	perBlob    = 2*tarBlock + 512 // header, padding, index lines in both copies
	perSegment = 4 << 10          // age header of a post-quantum key, seek table, line in the seal

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

func roundUp(n, unit int64) int64 { return (n + unit - 1) / unit * unit }

// TooLargeError says that a bundle cannot be spread over drives: one blob fits on
// none, as a blob never spans two, or there would be too many drives.
type TooLargeError struct {
	Blob     oci.Descriptor // the largest; empty for too many drives
	Capacity int64          // bytes of the largest drive
	Besides  int64          // bytes that a drive needs besides blobs, if it is that which leaves too little; else 0
	Cluster  int64          // of the drive, with Besides
	Parity   ParityRatio    // that the bundle was to get, unless a blob does not fit without it either
}

func (e *TooLargeError) Error() string {
	if e.Besides > 0 {
		s := fmt.Sprintf("drives of %s are too small: with clusters of %s, the files besides the blobs take about %s of each, more on the last one", FormatSize(e.Capacity), CompactSize(e.Cluster), FormatSize(e.Besides))
		if e.Parity.Parity > 0 {
			s += fmt.Sprintf(", and the parity files of %s much more again", e.Parity)
		}
		return s
	}
	if e.Blob.Digest == "" {
		return fmt.Sprintf("drives of %s are too small: it would take more than the %d that a bundle may have", FormatSize(e.Capacity), MaxLanes)
	}
	with := "the other files"
	if e.Parity.Parity > 0 {
		with = fmt.Sprintf("the parity files of %s and the other files", e.Parity)
	}
	return fmt.Sprintf("blob %s has %s, and a drive of %s cannot hold it with %s", e.Blob.Digest, FormatSize(e.Blob.Size), FormatSize(e.Capacity), with)
}

// Hint says what to do now.
func (e *TooLargeError) Hint() string {
	if e.Besides > 0 {
		if e.Parity.Parity > 0 {
			return "take larger drives, less parity (--parity M/N: each group gets M files as large as its largest segment), smaller segments (--segment-size), or fewer lanes (--lanes)"
		}
		return "take larger drives, or fewer lanes (--lanes)"
	}
	if e.Parity.Parity > 0 {
		return "take larger drives, or less parity (--parity M/N: a smaller M, or a larger N)"
	}
	return "take larger drives, or leave out what needs it"
}

// Permanent is true: the blob stays as large as it is.
func (e *TooLargeError) Permanent() bool { return true }
