package parity

import (
	"slices"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// SurvivesDrive reports whether groups across so many drives can be made so that one whole drive
// may be lost: no drive has more files of a group than the group has parity files.
func (r Ratio) SurvivesDrive(drives int) bool { return drives > 1 && r.Parity*(drives-1) >= r.Data }

// ForDrive is the ratio with the fewest parity files for groups of that size, or of the largest
// that are possible, with which one whole drive of so many may be lost.
func (r Ratio) ForDrive(drives int) Ratio {
	for n := r.Data; ; n-- {
		if m := ceil(n, drives-1); m <= seal.MaxParity && m+n <= seal.MaxShards {
			return Ratio{m, n}
		}
	}
}

func ceil(a, b int) int { return (a + b - 1) / b }

// Kept is a parity file of an earlier run.
type Kept struct {
	Drive int // that it is on
	Size  int64
}

// PlanAcross divides the segments of all drives into groups, and says on which drive each parity
// file goes: of no group a drive has more files than the group has parity files. The ratio must
// be one that [Ratio.SurvivesDrive]; a group may have fewer parity files than it says where there are fewer
// segments. room is the bytes that each drive has for segments and parity files together, nil
// if all have the same. kept says on which drive parity files of an earlier run are: they stay there where
// they may. The parity files have no checksums yet. Errors: [ErrGroups], [ErrSize].
func PlanAcross(bundle, sealed string, drives [][]seal.File, room []int64, kept map[string]Kept, r Ratio) (seal.Parity, error) {
	p := seal.Parity{Bundle: bundle, Seal: sealed, Data: r.Data}
	most, all, count := 0, 0, 0
	for _, files := range drives {
		most, all = max(most, len(files)), all+len(files)
	}
	others := len(drives) - 1
	count = max(ceil(all, r.Data), ceil(most, r.Parity), ceil(all, r.Parity*others))
	if count > seal.MaxGroups {
		return p, ErrGroups
	}
	p.Parity = max(ceil(r.Parity*ceil(all, count), r.Data), ceil(most, count), ceil(all, count*others))
	p.Groups = make([]seal.ParityGroup, count)
	left, next := make([]int64, len(drives)), 0
	for k, files := range drives {
		if room != nil {
			left[k] = room[k]
		}
		for _, f := range files {
			g := &p.Groups[next%count]
			g.Data, g.Drives = append(g.Data, f), append(g.Drives, k+1)
			left[k] -= f.Size
			next++
		}
	}
	p.Shard = shardSize(p)
	for i := range p.Groups {
		p.Groups[i].Group = i + 1
		if err := place(p, i, left, kept); err != nil {
			return p, err
		}
	}
	return p, nil
}

// place gives each parity file of a group the drive that has the most room left, of those that
// may have one more file of it. One that is kept has its drive before all others.
func place(p seal.Parity, i int, left []int64, kept map[string]Kept) error {
	g, has := &p.Groups[i], make([]int, len(left))
	for _, drive := range g.Drives {
		has[drive-1]++
	}
	for n := range p.Parity {
		g.Parity = append(g.Parity, seal.File{Name: seal.ParityFile{Group: g.Group, Number: n + 1}.String()})
	}
	size := layoutOf(GroupOf(p, i)).size
	if size > seal.MaxFileSize {
		return ErrSize
	}
	on := make([]int, len(g.Parity)) // the drive of each
	for n, f := range g.Parity {
		if k := kept[f.Name]; k.Drive > 0 && k.Size == size && has[k.Drive-1] < p.Parity {
			on[n], has[k.Drive-1] = k.Drive, has[k.Drive-1]+1
		}
	}
	for n := range g.Parity {
		if on[n] == 0 {
			best := -1
			for k := range left {
				if has[k] < p.Parity && (best < 0 || left[k] > left[best]) {
					best = k
				}
			}
			on[n], has[best] = best+1, has[best]+1
		}
		left[on[n]-1] -= size
		g.Parity[n].Size = size
	}
	g.Drives = append(g.Drives, on...)
	return nil
}

// Whole is how many whole drives may be lost, whichever they are, with groups as they are.
func Whole(p seal.Parity) (least int) {
	if !p.Across() {
		return 0
	}
	least = seal.MaxDrives
	for _, g := range p.Groups {
		has := make([]int, seal.MaxDrives+1)
		for _, drive := range g.Drives {
			has[drive]++
		}
		slices.Sort(has)
		n, lost := 0, 0
		for i := len(has) - 1; i >= 0 && has[i] > 0 && lost+has[i] <= p.Parity; i-- {
			lost += has[i]
			n++
		}
		least = min(least, n)
	}
	return least
}
