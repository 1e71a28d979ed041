package bundle

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestSmallDrives spreads a set over drives on which parity, lanes and clusters take much of the
// room, and says so where they take too much.
func TestSmallDrives(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	g := &oci.Graph{}
	for i, n := range []int64{6 * mib, 5 * mib, 4 * mib, 3 * mib, 2 * mib, mib} {
		g.Blobs = append(g.Blobs, oci.Node{Descriptor: oci.Descriptor{MediaType: ocitest.LayerGzip, Digest: oci.Digest(fmt.Append(nil, i)), Size: n}})
	}
	nothing := func(oci.Descriptor) ([]byte, bool) { return nil, false }
	var large *TooLargeError
	for _, c := range []struct {
		parity  ParityRatio
		size    int64
		at, say string // most drives, or what is said
	}{
		{size: 12 * mib, at: "3"},
		{size: 92 * mib / 10, at: "5"},
		{size: 7 * mib, say: "cannot hold it"},
		{parity: ParityRatio{Parity: 2, Data: 10}, size: 13 * mib, at: "4"},
		{parity: ParityRatio{Parity: 4, Data: 4}, size: 24 * mib, at: "3"},
		{parity: ParityRatio{Parity: 9, Data: 10}, size: 30 * mib, at: "3"},
	} {
		job := Job{SegmentSize: MinSegmentSize, Lanes: 2, Parity: c.parity}
		s, err := job.SpreadOver(&oci.Inventory{}, g, nothing, Room{More: Capacity{c.size, DefaultCluster}})
		switch {
		case c.say != "":
			if !errors.As(err, &large) || !strings.Contains(err.Error(), c.say) {
				t.Errorf("drives of %d: %v", c.size, err)
			}
		case err != nil || fmt.Sprint(len(s.Drives)) > c.at:
			t.Errorf("parity %v on drives of %d: %+v, %v", c.parity, c.size, s, err)
		}
	}
	job := Job{SegmentSize: MinSegmentSize, Lanes: 2, Parity: ParityRatio{Parity: 4, Data: 4}}
	for size := int64(10 * mib); size < 20*mib; size += mib {
		_, err := job.SpreadOver(&oci.Inventory{}, g, nothing, Room{More: Capacity{size, DefaultCluster}})
		if err != nil && strings.Contains(err.Error(), "more than the") {
			t.Errorf("drives of %d: %v", size, err)
		}
	}
}

// TestSmallBlobs puts small blobs on the last drive, the smallest first, as far as they fit and no further drive is
// needed for that.
func TestSmallBlobs(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for name, c := range map[string]struct {
		large, small []int64
		drives       int
		last         int // of the small ones, how many at least are on the last drive
	}{
		"configs":           {[]int64{6 * mib, 6 * mib, 3 * mib}, []int64{1000, 2000, 3000, 90_000}, 3, 4},
		"nothing but small": {nil, []int64{900_000, 900_000, 900_000, 900_000, 900_000, 900_000, 900_000, 900_000, 900_000, 900_000, 900_000, 900_000}, 2, 1},
	} {
		g, small := &oci.Graph{}, map[string]bool{}
		for i, n := range append(c.large, c.small...) {
			d := oci.Descriptor{MediaType: ocitest.LayerGzip, Digest: oci.Digest(fmt.Append(nil, i)), Size: n}
			g.Blobs = append(g.Blobs, oci.Node{Descriptor: d})
			small[d.Digest.String()] = i >= len(c.large)
		}
		job := Job{SegmentSize: MinSegmentSize, Lanes: 2}
		s, err := job.SpreadOver(&oci.Inventory{}, g, func(oci.Descriptor) ([]byte, bool) { return nil, false }, Room{More: Capacity{10 * mib, DefaultCluster}})
		if err != nil || len(s.Drives) != c.drives {
			t.Errorf("%s: %+v, %v", name, s, err)
			continue
		}
		last := 0
		for _, d := range s.Drives[c.drives-1].Blobs {
			if small[d.String()] {
				last++
			}
		}
		if last < c.last {
			t.Errorf("%s: %d of %d small blobs are on the last drive", name, last, len(c.small))
		}
	}
}

// TestTooLittle: what is said to be lacking is enough, and much less is not.
func TestTooLittle(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	g := &oci.Graph{}
	for i := range 12 {
		g.Blobs = append(g.Blobs, oci.Node{Descriptor: oci.Descriptor{MediaType: ocitest.LayerGzip, Digest: oci.Digest(fmt.Append(nil, i)), Size: int64(1+i%4) * mib}})
	}
	for _, c := range []struct {
		free    []int64
		parity  ParityRatio
		mounted int
	}{
		{free: []int64{9 * mib, 9 * mib}},
		{free: []int64{6 * mib, 20 * mib}},
		{free: []int64{14 * mib, 14 * mib, 14 * mib}, parity: ParityRatio{Parity: 10, Data: 20}, mounted: 3},
	} {
		job := Job{SegmentSize: MinSegmentSize, Lanes: 2, Parity: c.parity, Mounted: c.mounted}
		over := func(more int64, further int, size int64) error {
			var room Room
			for _, free := range c.free {
				room.Drives = append(room.Drives, Capacity{free + more, 4096})
			}
			for range further {
				room.Drives = append(room.Drives, Capacity{size, 4096})
			}
			job.Mounted = max(c.mounted, min(c.mounted, 1)*len(room.Drives))
			_, err := job.SpreadOver(&oci.Inventory{}, g, func(oci.Descriptor) ([]byte, bool) { return nil, false }, room)
			return err
		}
		e, ok := errors.AsType[*SpaceError](over(0, 0, 0))
		if ok {
			var room Room
			for _, free := range c.free {
				room.Drives = append(room.Drives, Capacity{free, 4096})
			}
			if err := job.Lack(t.Context(), &oci.Inventory{}, g, func(oci.Descriptor) ([]byte, bool) { return nil, false }, room, e); err != nil {
				t.Error(err)
			}
		}
		if !ok || e.Larger == 0 || e.Drives <= len(c.free) {
			t.Errorf("%v: %+v", c, e)
			continue
		}
		if err := over(e.Larger, 0, 0); err != nil {
			t.Errorf("%v: with %d more on each: %v", c, e.Larger, err)
		}
		if err := over(e.Larger*3/4, 0, 0); err == nil {
			t.Errorf("%v: with less than %d more on each", c, e.Larger)
		}
		if err := over(0, e.Drives-len(c.free), e.Largest); err != nil {
			t.Errorf("%v: on %d drives: %v", c, e.Drives, err)
		}
		if err := over(0, e.Drives-len(c.free)-1, e.Largest); err == nil {
			t.Errorf("%v: on less than %d drives", c, e.Drives)
		}
		t.Log(e)
	}
}
