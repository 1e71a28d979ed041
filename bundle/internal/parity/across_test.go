package parity

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// TestPlanAcross: whatever the drives have, no drive has more of a group than may be lost, and
// what parity takes is what the ratio says, or what the fullest drive asks for.
func TestPlanAcross(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(7, 15))
	for trial := range 60 {
		drives := make([][]seal.File, 2+rnd.IntN(5))
		all, most := 0, 0
		for k := range drives {
			for n := range 1 + rnd.IntN(60) {
				name := seal.Segment{Lane: k, Number: n + 1}.String()
				drives[k] = append(drives[k], seal.File{Name: name, Size: 1 + rnd.Int64N(1<<20), SHA256: seal.Sum([]byte(name))})
			}
			all, most = all+len(drives[k]), max(most, len(drives[k]))
		}
		r := Ratio{1 + rnd.IntN(20), 1 + rnd.IntN(60)}
		if !r.SurvivesDrive(len(drives)) {
			r = r.ForDrive(len(drives))
		}
		p, err := PlanAcross("abcdefghijkl2347", seal.Sum(nil), drives, nil, nil, r)
		if err != nil {
			t.Fatal(err)
		}
		asPlanned(t, fmt.Sprintf("trial %d: %s over %d drives", trial, r, len(drives)), p, drives)
		if n := len(p.Files()); p.Parity > r.Parity || n < most || n > max(most, all/(len(drives)-1), (all*r.Parity+r.Data-1)/r.Data)+(2+r.Parity/r.Data)*len(p.Groups) {
			t.Errorf("trial %d: %s over %d drives, %d segments, %d on one: %d parity files, %d in each of %d groups", trial, r, len(drives), all, most, n, p.Parity, len(p.Groups))
		}
	}
}

// asPlanned checks a parity.json as a reader does, and that any drive may be lost.
func asPlanned(t *testing.T, name string, p seal.Parity, drives [][]seal.File) {
	t.Helper()
	if Whole(p) < 1 {
		t.Fatalf("%s: no drive may be lost", name)
	}
	for i := range p.Groups {
		for n := range p.Groups[i].Parity {
			p.Groups[i].Parity[n].SHA256 = seal.Sum(nil)
		}
	}
	body, err := p.Marshal()
	if err == nil {
		p, err = seal.ParseParity(body)
	}
	if err == nil {
		err = Check(p)
	}
	if err != nil || !p.Across() {
		t.Fatalf("%s: %v", name, err)
	}
	for k, files := range drives {
		if data, _ := p.On(k + 1); len(data) != len(files) {
			t.Errorf("%s: %d of %d segments of drive %d", name, len(data), len(files), k+1)
		}
	}
}

// TestPlanAcrossRoom: parity goes where there is room, and a small drive gets less.
func TestPlanAcrossRoom(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		segments [3]int
		room     []int64
		ratio    Ratio
		want     [3]int
	}{
		{[3]int{6, 2, 4}, nil, Ratio{3, 6}, [3]int{0, 4, 2}},
		{[3]int{4, 4, 4}, nil, Ratio{4, 6}, [3]int{3, 3, 2}},
		{[3]int{4, 4, 4}, []int64{9 << 20, 5 << 20, 9 << 20}, Ratio{4, 6}, [3]int{4, 0, 4}},
	} {
		drives := make([][]seal.File, 3)
		for k, n := range c.segments {
			for i := range n {
				drives[k] = append(drives[k], seal.File{Name: seal.Segment{Lane: k, Number: i + 1}.String(), Size: 1 << 20, SHA256: seal.Sum(nil)})
			}
		}
		p, err := PlanAcross("abcdefghijkl2347", seal.Sum(nil), drives, c.room, nil, c.ratio)
		if err != nil {
			t.Fatal(err)
		}
		var got [3]int
		for k := range drives {
			_, files := p.On(k + 1)
			got[k] = len(files)
		}
		if got != c.want {
			t.Errorf("%v, room %v: %v, want %v", c.segments, c.room, got, c.want)
		}
	}
	if _, err := PlanAcross("abcdefghijkl2347", seal.Sum(nil), [][]seal.File{make([]seal.File, 2000), make([]seal.File, 10)}, nil, nil, Ratio{1, 1}); !errors.Is(err, ErrGroups) {
		t.Errorf("2,000 groups: %v", err)
	}
	for r, want := range map[Ratio]Ratio{{2, 20}: {10, 20}, {1, 1}: {1, 1}, {2, 200}: {85, 170}} {
		if got := r.ForDrive(3); got != want || !got.SurvivesDrive(3) {
			t.Errorf("%s on 3 drives: %s, want %s", r, got, want)
		}
	}
}

// TestPlanAcrossKept: parity files that an earlier run has written stay where they are, whatever room there is
// now.
func TestPlanAcrossKept(t *testing.T) {
	t.Parallel()
	drives := make([][]seal.File, 3)
	for k := range drives {
		for n := range 7 {
			name := seal.Segment{Lane: k, Number: n + 1}.String()
			drives[k] = append(drives[k], seal.File{Name: name, Size: 1 << 20, SHA256: seal.Sum([]byte(name))})
		}
	}
	plan := func(room []int64, kept map[string]Kept) seal.Parity {
		p, err := PlanAcross("abcdefghijkl2347", seal.Sum(nil), drives, room, kept, Ratio{3, 6})
		if err != nil {
			t.Fatal(err)
		}
		asPlanned(t, fmt.Sprint(room), p, drives)
		return p
	}
	first, kept := plan([]int64{90 << 20, 60 << 20, 50 << 20}, nil), map[string]Kept{}
	for _, g := range first.Groups {
		for n, f := range g.Parity {
			kept[f.Name] = Kept{g.Drives[len(g.Data)+n], f.Size}
		}
	}
	again := plan([]int64{50 << 20, 60 << 20, 90 << 20}, kept)
	for i, g := range again.Groups {
		if fmt.Sprint(g.Drives) != fmt.Sprint(first.Groups[i].Drives) {
			t.Errorf("group %d: %v was %v", g.Group, g.Drives, first.Groups[i].Drives)
		}
	}
}
