package bundle

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/satchel-airgap/satchel/oci"
)

const (
	perBlob    = 2*tarBlock + 512 // header, padding, index lines in both copies
	perSegment = 4 << 10          // age header of a post-quantum key, seek table, line in the seal
	perDrive   = 4 << 20          // seals, keys, copies
)

// Estimate gives an upper bound of the bytes that a bundle of the graph, in
// segments of the given size, takes on the drive, however often packing it is
// interrupted. [Job.Forecast] tells more exactly what one takes.
func Estimate(g *oci.Graph, segmentSize int64) int64 {
	n := int64(0)
	for _, nodes := range [][]oci.Node{g.Blobs, g.Manifests} {
		for _, node := range nodes {
			n += bound(node.Descriptor.Size)
		}
	}
	return driveBound(n, segmentSize)
}

// bound is the most that a blob takes in segments.
func bound(size int64) int64 {
	return size + size/1024 + perBlob // 1/1024: frame, block and age overhead, rounded up
}

// driveBound is the most that a drive has to hold for n bytes of segments.
func driveBound(n, segmentSize int64) int64 {
	return n + (n/segmentSize+1)*perSegment + perDrive
}

// TooLargeError says that a bundle cannot be spread over drives: one blob fits on
// none, as a blob never goes on over two, or there would be too many drives.
type TooLargeError struct {
	Blob     oci.Descriptor // the largest; empty for too many drives
	Capacity int64          // bytes of the largest drive
}

func (e *TooLargeError) Error() string {
	if e.Blob.Digest == "" {
		return fmt.Sprintf("drives of %s are too small: it would take more than the %d that a bundle may have", FormatSize(e.Capacity), MaxLanes)
	}
	return fmt.Sprintf("blob %s has %s, and a drive of %s cannot hold it with what goes beside it", e.Blob.Digest, FormatSize(e.Blob.Size), FormatSize(e.Capacity))
}

// Hint says what to do now.
func (e *TooLargeError) Hint() string { return "take larger drives, or leave out what needs it" }

// Permanent is true: the blob stays as large as it is.
func (e *TooLargeError) Permanent() bool { return true }

// Drives says how many drives a bundle of the graph needs that hold so many
// bytes each, by the bound of [Estimate]: what it calls one drive is enough for
// packing. Manifests go on one drive together. The error is a *[TooLargeError].
func Drives(g *oci.Graph, segmentSize, capacity int64) (int, error) {
	needs := make([]int64, 1, len(g.Blobs)+1)
	for _, n := range g.Manifests {
		needs[0] += bound(n.Descriptor.Size)
	}
	var largest oci.Descriptor
	for _, n := range g.Blobs {
		needs = append(needs, bound(n.Descriptor.Size))
		if n.Descriptor.Size >= largest.Size {
			largest = n.Descriptor
		}
	}
	slices.SortFunc(needs, func(a, b int64) int { return cmp.Compare(b, a) })
	if driveBound(needs[0], segmentSize) > capacity {
		return 0, &TooLargeError{largest, capacity}
	}
	var drives []int64 // bytes on each; the largest goes first, onto the first drive that has room
	for _, need := range needs {
		i := slices.IndexFunc(drives, func(used int64) bool { return driveBound(used+need, segmentSize) <= capacity })
		if i < 0 && len(drives) == MaxLanes {
			return 0, &TooLargeError{Capacity: capacity}
		}
		if i < 0 {
			i, drives = len(drives), append(drives, 0)
		}
		drives[i] += need
	}
	return len(drives), nil
}
