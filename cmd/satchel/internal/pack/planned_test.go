package pack_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/places"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/plan"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestPlanned: what plan says of drives is what pack does, in one slot, on a staging disk, for discs and with a place for
// each drive; without a place plan says both.
func TestPlanned(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 330)
	var refs []string
	for i := range 5 {
		refs = append(refs, b.Push(b.Content.Image(true, b.Content.Layer((1700+250*i)<<10, ocitest.LayerGzip), b.Content.Layer((30+i)<<10, ocitest.LayerGzip)), fmt.Sprint("team/app", i), "v1"))
	}
	set := jobtest.Images(refs...)
	slot := b.Pack(b.Prepare(set), "slot").Dir
	tmpfs(t, slot, "size=64m")
	half := bundle.ParityRatio{Parity: 10, Data: 20}
	differ := 0
	for i, c := range []struct {
		mib    int64
		parity bundle.ParityRatio
		discs  bool
		across bool // where drives are there at the same time
	}{
		{mib: 5},
		{mib: 9, parity: bundle.ParityRatio{Parity: 2, Data: 4}, across: true},
		{mib: 9, parity: half, across: true},  // ten parity files of its own are too many for a drive
		{mib: 16, parity: half, across: true}, // on three drives, though two would do
		{mib: 7, parity: bundle.ParityRatio{Parity: 1, Data: 9}},
		{mib: 7, parity: bundle.ParityRatio{Parity: 5, Data: 9}, discs: true, across: true},
	} {
		name := fmt.Sprint(c.mib, c.parity)
		o := b.Pack(b.Prepare(set), "none")
		o.Job.SegmentSize, o.Job.Lanes, o.Job.Parity = bundle.MinSegmentSize, 2, c.parity
		o.Drives = places.Drives{Size: c.mib << 20, Cluster: 4096, Staging: c.discs}
		planned := func(dirs ...string) *plan.Report {
			t.Helper()
			r, err := plan.Run(t.Context(), plan.Options{Options: b.Prepare(set), Job: o.Job, Dirs: dirs, Drives: o.Drives})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return r
		}
		packed := func(dirs ...string) string {
			t.Helper()
			o := o
			o.Restart = dirs[0] == slot && i > 0 // what was begun there before
			o.Options, o.Dir, o.Dirs = b.Prepare(set), dirs[0], dirs
			return begun(t, b, o)
		}
		staging := filepath.Join(filepath.Dir(slot), fmt.Sprint("staging", i))
		both := planned()
		at := planned(staging)
		said := packed(staging)
		saysSpread(t, name+" staging", said, at.Spread)
		if at.Spread.Where != plan.WhereStaging || at.Spread.Across != c.across {
			t.Errorf("%s: %+v", name, at.Spread)
		}
		if c.discs {
			saysSpread(t, name+" discs", said, both.Spread)
			if both.Together != nil {
				t.Errorf("%s: discs are in directories: %+v", name, both.Together)
			}
			continue
		}
		other := both.Spread
		if both.Together != nil {
			other = &both.Together.Spread
			differ++
		}
		if c.across != (both.Together != nil) {
			t.Errorf("%s: %+v", name, both.Together)
		}
		saysSpread(t, name+" together", said, other)
		if both.Spread == nil {
			o.Dir, o.Dirs, o.Options, o.Restart = slot, []string{slot}, b.Prepare(set), i > 0
			if _, err := pack.Run(t.Context(), o); !errors.As(err, new(*bundle.TooLargeError)) || both.NotInSlot == "" {
				t.Errorf("%s: plan says %q, and pack %v", name, both.NotInSlot, err)
			}
			continue
		}
		at, said = planned(slot), packed(slot)
		saysSpread(t, name+" slot", said, at.Spread)
		saysSpread(t, name+" one slot", said, both.Spread)
	}
	if differ == 0 {
		t.Error("the two are never different")
	}
}

// begun is what pack says until it fetches the first layer.
func begun(t *testing.T, b *jobtest.Bench, o pack.Options) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b.Proxy.Answer = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/blobs/") && r.Method == http.MethodGet {
			cancel()
		}
		return false
	}
	before := len(b.Log.String())
	if _, err := pack.Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v\n%s", err, b.Log)
	}
	b.Proxy.Answer = nil

	return b.Log.String()[before:]
}

// saysSpread looks for what plan says in what pack says.
func saysSpread(t *testing.T, name, said string, s *plan.Spread) {
	t.Helper()
	if s == nil {
		t.Fatalf("%s: plan says nothing, and pack\n%s", name, said)
	}
	lines := []string{fmt.Sprintf("the bundle takes %d drives, with %d lane", len(s.Drives), s.Lanes)}
	for _, d := range s.Drives {
		lines = append(lines, fmt.Sprintf("drive %d of %d: about %s in %d segment", d.Drive, len(s.Drives), bundle.FormatSize(d.Bytes), d.Segments))
	}
	for _, line := range lines {
		if !strings.Contains(said, line) {
			t.Errorf("%s: pack does not say %q:\n%s", name, line, said)
		}
	}
	if across := strings.Contains(said, "parity will go across the drives"); across != s.Across {
		t.Errorf("%s: parity goes across: %t, and plan says %t", name, across, s.Across)
	}
}

// TestUnequalDrives packs onto drives of very unequal size, with parity across them, of their own and without: each gets what
// plan says, and not more than it holds.
func TestUnequalDrives(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 331)
	var refs []string
	for i := range 7 {
		refs = append(refs, b.Push(b.Content.Image(true, b.Content.Layer((1000+550*i)<<10, ocitest.LayerGzip), b.Content.Layer((30+i)<<10, ocitest.LayerGzip)), fmt.Sprint("team/app", i), "v1"))
	}
	set := jobtest.Images(refs...)
	for i, c := range []struct {
		sizes  []int
		parity bundle.ParityRatio
		across bool
	}{
		{sizes: []int{4, 8, 16}},
		{sizes: []int{12, 20, 60}, parity: bundle.ParityRatio{Parity: 10, Data: 20}, across: true},
		{sizes: []int{16, 16, 16}, parity: bundle.ParityRatio{Parity: 10, Data: 20}, across: true},
		{sizes: []int{6, 20, 60}, parity: bundle.ParityRatio{Parity: 10, Data: 20}}, // a small one would get too much parity: the largest holds all
		{sizes: []int{16, 12, 6}, parity: bundle.ParityRatio{Parity: 1, Data: 9}},
	} {
		name := fmt.Sprint(c.sizes, c.parity)
		o := b.Pack(b.Prepare(set), "none")
		o.Job.SegmentSize, o.Job.Lanes, o.Job.Parity = bundle.MinSegmentSize, 2, c.parity
		for k, mib := range c.sizes {
			dir := b.Pack(o.Options, fmt.Sprint("unequal", i, k)).Dir
			tmpfs(t, dir, fmt.Sprintf("size=%dm", mib))
			o.Dirs = append(o.Dirs, dir)
		}
		o.Dir = o.Dirs[0]
		planned, err := plan.Run(t.Context(), plan.Options{Options: b.Prepare(set), Job: o.Job, Dirs: o.Dirs})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		before := len(b.Log.String())
		done, err := pack.Run(t.Context(), o)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, b.Log)
		}
		if planned.Spread == nil {
			if d := planned.Dirs[0]; filepath.Dir(done.Dir) != d || d != o.Dirs[2] || !strings.Contains(b.Log.String()[before:], "all of it goes onto one drive") {
				t.Errorf("%s: it is in %s, %s was planned\n%s", name, done.Dir, d, b.Log)
			}
			continue
		}
		saysSpread(t, name, b.Log.String()[before:], planned.Spread)
		var dirs []string
		for _, d := range planned.Spread.Drives {
			dirs = append(dirs, d.Dir)
		}
		r, err := bundle.Verify(t.Context(), dirs, bundle.VerifyOptions{Expect: done.Fingerprint})
		if err != nil || planned.Spread.Across != c.across || (r.Protection.Whole > 0) != c.across {
			t.Errorf("%s: %+v, %v", name, r.Protection, err)
		}
		for k, d := range r.Drives {
			t.Logf("%s: drive %d: %d, planned %d", name, k+1, d.Bytes, planned.Spread.Drives[k].Bytes)
			if need := planned.Spread.Drives[k].Needs; d.Bytes > need {
				t.Errorf("%s: drive %d has %d bytes, %d were planned", name, d.Number, d.Bytes, need)
			}
		}
	}
}
