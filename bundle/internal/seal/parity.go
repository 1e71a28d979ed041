package seal

import (
	"fmt"
	"iter"
	"slices"
)

const parityVersion = "parity/1"

// Limits of parity files, in bytes.
const (
	MinShard    = 64 << 10
	MaxShard    = 64 << 20
	MaxFileSize = 4<<30 - 1 // of a segment and of a parity file: FAT32 takes no larger ones
)

// Parity is parity.json: which files of a bundle stand together in a group, and what
// rebuilds them. It has Seal or Drive, as [Extras] has; where groups go across drives, it has
// Seal and is the same on each.
type Parity struct {
	Version string        `json:"satchel"`
	Bundle  string        `json:"bundle"`
	Seal    string        `json:"seal,omitempty"`
	Drive   string        `json:"drive,omitempty"`
	Parity  int           `json:"parity"` // how many parity files a group has
	Data    int           `json:"data"`   // how many segments a group has at most
	Shard   int64         `json:"shard"`  // bytes of a file in one stripe
	Groups  []ParityGroup `json:"groups"`
}

// ParityGroup is one group of files: any of them can be rebuilt as long as no more are lost
// than there are parity files.
type ParityGroup struct {
	Group  int    `json:"group"`
	Data   []File `json:"files"`            // segments, in name order
	Parity []File `json:"parity"`           // by number
	Drives []int  `json:"drives,omitempty"` // where groups go across drives, the drive of each file: of segments, then of parity files
}

// Marshal gives the bytes of parity.json.
func (p Parity) Marshal() ([]byte, error) {
	return collect(p)
}

func (p Parity) text() (iter.Seq[[]byte], error) {
	groups := p.Groups
	p.Version, p.Groups = parityVersion, []ParityGroup{}
	return pieces(p, "groups", groups, addGroup)
}

// Files lists the parity files of all groups, in name order.
func (p Parity) Files() (list []File) {
	for _, g := range p.Groups {
		list = append(list, g.Parity...)
	}
	return list
}

// Across reports whether groups go across drives.
func (p Parity) Across() bool { return len(p.Groups) > 0 && len(p.Groups[0].Drives) > 0 }

// On lists the segments and the parity files of all groups that one drive has, parity files in
// name order. Where groups do not go across drives, that is all of them.
func (p Parity) On(drive int) (data, parity []File) {
	for _, g := range p.Groups {
		for i, f := range slices.Concat(g.Data, g.Parity) {
			switch {
			case len(g.Drives) > 0 && g.Drives[i] != drive:
			case i < len(g.Data):
				data = append(data, f)
			default:
				parity = append(parity, f)
			}
		}
	}
	return data, parity
}

// ParseParity reads parity.json.
func ParseParity(b []byte) (Parity, error) {
	var p Parity
	if err := unmarshal(b, &p); err != nil {
		return p, err
	}
	if err := p.check(); err != nil {
		return p, err
	}
	_, err := asWritten(b, p)
	return p, err
}

func (p Parity) check() error {
	if err := checkHead(p.Version, parityVersion, p.Bundle); err != nil {
		return err
	}
	if !IsSum(p.Seal + p.Drive) {
		return fmt.Errorf("%w: seal", ErrFormat)
	}
	if p.Parity < 1 || p.Parity > MaxParity || p.Data < 1 || p.Parity+p.Data > MaxShards {
		return fmt.Errorf("%w: %d parity files to %d segments", ErrFormat, p.Parity, p.Data)
	}
	if p.Shard < MinShard || p.Shard > MaxShard || p.Shard&(p.Shard-1) != 0 {
		return fmt.Errorf("%w: shards of %d bytes", ErrFormat, p.Shard)
	}
	if len(p.Groups) == 0 || len(p.Groups) > MaxGroups {
		return fmt.Errorf("%w: %d groups", ErrFormat, len(p.Groups))
	}
	seen, last := map[string]bool{}, 0
	for _, g := range p.Groups {
		if g.Group <= last || g.Group > MaxGroups {
			return fmt.Errorf("%w: group %d", ErrFormat, g.Group)
		}
		last = g.Group
		if (len(g.Drives) > 0) != p.Across() || p.Across() && p.Seal == "" {
			return fmt.Errorf("%w: group %d and the drives of its files", ErrFormat, g.Group)
		}
		if err := p.checkGroup(g, seen); err != nil {
			return err
		}
	}
	return nil
}

func (p Parity) checkGroup(g ParityGroup, seen map[string]bool) error {
	if len(g.Data) == 0 || len(g.Data) > p.Data || len(g.Parity) != p.Parity {
		return fmt.Errorf("%w: group %d has %d segments and %d parity files", ErrFormat, g.Group, len(g.Data), len(g.Parity))
	}
	if len(g.Drives) > 0 && len(g.Drives) != len(g.Data)+len(g.Parity) || slices.ContainsFunc(g.Drives, func(n int) bool { return n < 1 || n > MaxDrives }) {
		return fmt.Errorf("%w: the drives of group %d", ErrFormat, g.Group)
	}
	last := ""
	for _, f := range g.Data {
		if _, ok := ParseSegment(f.Name); !ok || f.Name <= last || seen[f.Name] {
			return fmt.Errorf("%w: segment name %.64q", ErrFormat, f.Name)
		}
		last, seen[f.Name] = f.Name, true
	}
	for i, f := range g.Parity {
		if f.Name != (ParityFile{g.Group, i + 1}).String() {
			return fmt.Errorf("%w: parity file name %.64q", ErrFormat, f.Name)
		}
	}
	for _, list := range [][]File{g.Data, g.Parity} {
		for _, f := range list {
			if err := f.check(); err != nil {
				return err
			}
			if f.Size == 0 || f.Size > MaxFileSize {
				return fmt.Errorf("%w: %s has %d bytes", ErrFormat, f.Name, f.Size)
			}
		}
	}
	return nil
}
