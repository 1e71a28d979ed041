package profile

import (
	"fmt"
	"strings"

	"github.com/satchel-airgap/satchel/bundle"
)

// Profile is what suits a kind of medium.
type Profile struct {
	Name        string // "" for one that is only a size
	VolumeSize  int64  // bytes for files on one volume, in whole clusters; 0 for what the drive has free
	Cluster     int64  // bytes that the smallest file takes; 0 where nobody knows
	SegmentSize int64  // bytes of the largest file; 0 for the usual one
	Lanes       int    // of each volume; 0 for the usual number
}

const (
	sector = 2048

	// reserve is for ISO 9660 with Joliet and Rock Ridge and for UDF beside it: they take less than
	// 1 MiB, 2 KiB for each file, and genisoimage and xorriso pad an image by 300 KiB.
	reserve = 16 << 20

	// Sectors that a disc has for data. Of DVD+R and DVD-R, DVD+R has less. Of Blu-ray discs, it is
	// what is left where the drive formats them with its usual spare area, as growisofs and most
	// drives do; without one they have 12,219,392 and 24,438,784.
	sectorsDVD  = 2_295_104
	sectorsBD25 = 11_826_176
	sectorsBD50 = 23_652_352

	clusterFAT32 = 32 << 10  // as it is formatted above 32 GB
	clusterExFAT = 128 << 10 // as it is formatted above 32 GB
)

// known are the profiles that have a name.
func known() []Profile {
	disc := func(name string, sectors, segment int64) Profile {
		return Profile{name, sectors*sector - reserve, sector, segment, 1}
	}
	return []Profile{
		disc("dvd", sectorsDVD, 128<<20),
		disc("bd25", sectorsBD25, 256<<20),
		disc("bd50", sectorsBD50, 512<<20),
		{Name: "fat32", Cluster: clusterFAT32},
		{Name: "exfat", Cluster: clusterExFAT},
	}
}

// Names are the names of profiles.
func Names() (names []string) {
	for _, p := range known() {
		names = append(names, p.Name)
	}
	return names
}

// Parse reads the name of a profile, or the size of a volume.
func Parse(s string) (Profile, error) {
	for _, p := range known() {
		if strings.EqualFold(p.Name, s) {
			return p, nil
		}
	}
	size, err := bundle.ParseSize(s)
	if err != nil || size == 0 {
		return Profile{}, fmt.Errorf("%q is no kind of medium: it is one of %s, or the size of a volume such as 64GB", s, strings.Join(Names(), ", "))
	}
	return Profile{VolumeSize: size}, nil
}

// String is what [Parse] reads.
func (p Profile) String() string {
	if p.Name == "" && p.VolumeSize > 0 {
		return bundle.CompactSize(p.VolumeSize)
	}
	return p.Name
}

// Disc reports whether a volume is one that is burned.
func (p Profile) Disc() bool { return p.Cluster == sector }
