package parity

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// Ratio says how many parity files there are to how many segments.
type Ratio struct{ Parity, Data int }

var ratioPattern = regexp.MustCompile(`^([0-9]{1,3})/([0-9]{1,3})$`)

// ParseRatio reads M/N: M parity files to N segments.
func ParseRatio(s string) (Ratio, error) {
	m := ratioPattern.FindStringSubmatch(s)
	if m == nil {
		return Ratio{}, fmt.Errorf("%q is not M/N, such as 2/20: 2 parity files to 20 segments", s)
	}
	parity, _ := strconv.Atoi(m[1])
	data, _ := strconv.Atoi(m[2])
	r := Ratio{parity, data}
	switch {
	case parity < 1 || data < 1:
		return Ratio{}, fmt.Errorf("%s: both numbers are at least 1", s)
	case parity > seal.MaxParity:
		return Ratio{}, fmt.Errorf("%s: a group has at most %d parity files", s, seal.MaxParity)
	case parity+data > seal.MaxShards:
		return Ratio{}, fmt.Errorf("%s: a group has at most %d files, parity files among them", s, seal.MaxShards)
	}
	return r, nil
}

// String writes the ratio as [ParseRatio] reads it.
func (r Ratio) String() string { return fmt.Sprintf("%d/%d", r.Parity, r.Data) }

// ErrGroups says that a bundle would have more groups than the format has numbers for.
var ErrGroups = fmt.Errorf("more than %d groups", seal.MaxGroups)

// ErrSize says that a parity file would be larger than any file of a bundle may be.
var ErrSize = fmt.Errorf("a parity file would have more than %d bytes", int64(seal.MaxFileSize))

// Plan divides segments, in name order, into groups, none larger than another by more than
// one: neighbours are in different groups, because damage often spreads to files that were
// written one after another. They are of the seal that of names. The parity files have no
// checksums yet. Errors: [ErrGroups],
// [ErrSize].
func Plan(of seal.Extras, segments []seal.File, r Ratio) (seal.Parity, error) {
	p := seal.Parity{Bundle: of.Bundle, Seal: of.Seal, Drive: of.Drive, Parity: r.Parity, Data: r.Data}
	count := (len(segments) + r.Data - 1) / r.Data
	if count > seal.MaxGroups {
		return p, ErrGroups
	}
	p.Groups = make([]seal.ParityGroup, count)
	for i, f := range segments {
		g := &p.Groups[i%count]
		g.Data = append(g.Data, f)
	}
	p.Shard = shardSize(p)
	for i := range p.Groups {
		g := &p.Groups[i]
		g.Group = i + 1
		for n := range r.Parity {
			g.Parity = append(g.Parity, seal.File{Name: seal.ParityFile{Group: i + 1, Number: n + 1}.String()})
		}
		size := layoutOf(GroupOf(p, i)).size
		if size > seal.MaxFileSize {
			return p, ErrSize
		}
		for n := range g.Parity {
			g.Parity[n].Size = size
		}
	}
	return p, nil
}

const (
	smallBundle = 64 << 30 // up to which shards have their smallest size
	maxEntries  = 2 << 20  // in the table of a group: what is held in memory of it
	allEntries  = 16 << 20 // in the tables of all groups: for each, a byte is held while damage is looked for
)

// shardSize is 64 KiB up to 64 GiB of segments, and grows with them; it is larger where the
// table of checksums would be too large else.
func shardSize(p seal.Parity) int64 {
	shard, total := int64(seal.MinShard), int64(0)
	for _, g := range p.Groups {
		for _, f := range g.Data {
			total += f.Size
		}
	}
	for shard < seal.MaxShard && (total+smallBundle-1)/smallBundle > shard/seal.MinShard {
		shard *= 2
	}
	for _, g := range p.Groups {
		for shard < seal.MaxShard && stripes(longest(g.Data), shard)*int64(len(g.Data)+p.Parity) > maxEntries {
			shard *= 2
		}
	}
	for shard < seal.MaxShard && entries(p, shard) > allEntries {
		shard *= 2
	}
	return shard
}

// entries is how many checksums the tables of all groups have with shards of that size.
func entries(p seal.Parity, shard int64) (n int64) {
	for _, g := range p.Groups {
		n += stripes(longest(g.Data), shard) * int64(len(g.Data)+p.Parity)
	}
	return n
}

func longest(files []seal.File) int64 {
	return slices.MaxFunc(files, func(a, b seal.File) int { return cmp.Compare(a.Size, b.Size) }).Size
}

func stripes(size, shard int64) int64 { return (size + shard - 1) / shard }

// Group is a group of files of a bundle.
type Group struct {
	Bundle string
	Seal   string // SHA-256 of bundle.json, or of drive.json, that binds its segments
	Shard  int64  // bytes of a shard; the last one of a file may have less
	seal.ParityGroup
}

// GroupOf is the group i, from 0, of a parity.json.
func GroupOf(p seal.Parity, i int) Group {
	return Group{Bundle: p.Bundle, Seal: p.Seal + p.Drive, Shard: p.Shard, ParityGroup: p.Groups[i]}
}

// files are the segments, then the parity files.
func (g Group) files() []seal.File { return slices.Concat(g.Data, g.Parity) }

// Check takes a parity.json only if its parity files have the sizes that they must have, and
// their tables can be held in memory; what [seal.ParseParity] checks is not checked again.
func Check(p seal.Parity) error {
	if n := entries(p, p.Shard); n > allEntries {
		return fmt.Errorf("%w: the groups have %d shards together", seal.ErrFormat, n)
	}
	for i := range p.Groups {
		g := GroupOf(p, i)
		if stripes(longest(g.Data), g.Shard)*int64(len(g.files())) > maxEntries {
			return fmt.Errorf("%w: group %d has too many shards", seal.ErrFormat, g.Group)
		}
		size := layoutOf(g).size
		for _, f := range g.Parity {
			if f.Size != size {
				return fmt.Errorf("%w: %s has %d bytes, not %d", seal.ErrFormat, f.Name, f.Size, size)
			}
		}
	}
	return nil
}
