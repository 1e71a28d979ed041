package main

import (
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/plan"
)

// TestPrintLayouts: where it matters where drives go, plan says both ways.
func TestPrintLayouts(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	written := plan.Written{Bytes: 40 * mib, Segments: 41, OnDrive: 41 * mib, Cluster: 128 << 10, Parity: []string{"any 2 of 16 segments", "any 2 of 12 segments"}, WholeDrive: "all drives mounted at the same time"}
	slot := &plan.Spread{Where: plan.WhereSlot, Lanes: 4, Drives: []plan.Share{{Drive: 1, Blobs: 3, Bytes: 22 * mib, Segments: 21}, {Drive: 2, Blobs: 1, Bytes: 18 * mib, Segments: 20}}}
	together := &plan.Together{Written: plan.Written{Bytes: 50 * mib, UpperBound: true, Segments: 51, OnDrive: 52 * mib, Cluster: 128 << 10, Parity: []string{"one whole drive of 3"}},
		Spread: plan.Spread{Where: plan.WhereStaging, Lanes: 4, Across: true, Drives: []plan.Share{{Drive: 1, Blobs: 2, Bytes: 25 * mib, Segments: 26}, {Drive: 2, Blobs: 1, Bytes: 20 * mib, Segments: 20}, {Drive: 3, Blobs: 1, Bytes: 5 * mib, Segments: 1}}}}
	const second = `
all drives at the same time: on a staging disk, or with a DIR for each:
on the drive at most 50.0 MiB, 51 segments
             52.0 MiB in clusters of 128KiB
parity       one whole drive of 3 can be rebuilt
drives       3 of 24.0 MiB
   drive  1  about 25.0 MiB in 26 segments, 2 blobs
   drive  2  about 20.0 MiB in 20 segments, 1 blob
   drive  3  about 5.0 MiB in 1 segment, 1 blob
             each with 4 lanes, of the 100 that a bundle may have; manifests are on the last one

`
	size := plan.Drive{Size: 24 * mib, Count: 2, Together: 3}
	for name, c := range map[string]struct {
		report plan.Report
		want   string
	}{
		"both": {plan.Report{Written: written, Spread: slot, Together: together, Drives: []plan.Drive{size}}, `
one slot, one drive after another:
on the drive about 40.0 MiB, 41 segments
             41.0 MiB in clusters of 128KiB
parity       drive 1: any 2 of 16 segments can be rebuilt
parity       drive 2: any 2 of 12 segments can be rebuilt
             a whole drive that is lost cannot be rebuilt: that takes all drives mounted at the same time
drives       2 of 24.0 MiB
   drive  1  about 22.0 MiB in 21 segments, 3 blobs
   drive  2  about 18.0 MiB in 20 segments, 1 blob
             each with 4 lanes, of the 100 that a bundle may have; manifests are on the last one
` + second},
		"not in a slot": {plan.Report{Written: written, NotInSlot: "drives are too small", Together: together, Drives: []plan.Drive{size}}, `
one slot, one drive after another:
             no way: drives are too small
` + second},
		"usual sizes": {plan.Report{Written: plan.Written{Bytes: 40 * mib, Segments: 1, OnDrive: 41 * mib, Cluster: 4 << 10}, Drives: []plan.Drive{{Size: 16e9, TooSmall: "one blob is larger"}, {Size: 32e9, Together: 3, TooSmall: "parity files leave too little room"}, {Size: 64e9, Count: 2, Together: 3}, {Size: 128e9, Count: 1}}},
			`on the drive about 40.0 MiB, 1 segment
             41.0 MiB in clusters of 4KiB
drives       none of 16 GB: one blob is larger
          or 3 of 32 GB together, with parity across them; one after another, none: parity files leave too little room
          or 2 of 64 GB one after another, or 3 together with parity across them
          or 1 of 128 GB
`},
		"named": {plan.Report{Written: plan.Written{Bytes: 40 * mib, Segments: 1, OnDrive: 41 * mib, Cluster: 4 << 10}, Dirs: []string{"a", "b", "c"},
			Spread: &plan.Spread{Where: plan.WhereMounted, Lanes: 1, Drives: []plan.Share{{Drive: 1, Dir: "a", Blobs: 3, Bytes: 22 * mib, Segments: 21}, {Drive: 2, Dir: "b", Blobs: 1, Bytes: 18 * mib, Segments: 20}}}},
			`on the drive about 40.0 MiB, 1 segment
             41.0 MiB in clusters of 4KiB
drives       2 of the 3 that are named
   drive  1  about 22.0 MiB in 21 segments, 3 blobs, in a
   drive  2  about 18.0 MiB in 20 segments, 1 blob, in b
             each with 1 lane, of the 100 that a bundle may have; manifests are on the last one
`},
	} {
		var b strings.Builder
		p := &printer{w: &b}
		p.layouts(&c.report)
		if p.err != nil || b.String() != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s, %v", name, b.String(), c.want, p.err)
		}
	}
}
