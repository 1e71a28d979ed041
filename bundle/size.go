package bundle

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// Limits of [Job.SegmentSize], in bytes.
const (
	DefaultSegmentSize = 128 << 20
	MinSegmentSize     = 1 << 20
	MaxSegmentSize     = 4<<30 - 1 // FAT32
)

// DefaultLanes is how many blobs are written at once by default.
const DefaultLanes = 4

// MaxLanes is the most lanes that a bundle may have, its closing lane left out.
const MaxLanes = 99

// MaxDrives is the most drives that a bundle may be on.
const MaxDrives = seal.MaxDrives

var sizeUnits = []struct {
	name  string
	bytes float64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"kB", 1e3}, {"B", 1},
}

// ParseSize reads a number of bytes such as 134217728, 128MiB or 4.5GB.
func ParseSize(s string) (int64, error) {
	number, unit := strings.TrimSpace(s), 1.0
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(v) || v < 0 || v*unit >= 1<<62 {
		return 0, fmt.Errorf("%q is not a size; write bytes or, for example, 128MiB", s)
	}
	return int64(v * unit), nil
}

// CompactSize writes a number of bytes as [ParseSize] reads it, exactly, in the unit that makes it shortest.
func CompactSize(n int64) string {
	best := ""
	for _, u := range sizeUnits[:8] {
		unit := int64(u.bytes)
		if s := fmt.Sprintf("%d%s", n/unit, u.name); n >= unit && n%unit == 0 && (best == "" || len(s) < len(best)) {
			best = s
		}
	}
	return cmp.Or(best, strconv.FormatInt(n, 10))
}

// FormatSize writes a number of bytes for people, in powers of two.
func FormatSize(n int64) string {
	switch {
	case n >= 1<<40:
		return fmt.Sprintf("%.2f TiB", float64(n)/(1<<40))
	case n >= 1<<30:
		return fmt.Sprintf("%.2f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}
