package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/places"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/profile"
	"github.com/satchel-airgap/satchel/manifests"
)

// volumes are the numbers of --media, and of the flags that take their place.
type volumes struct {
	media       profile.Profile
	segmentSize int64
	lanes       int
	driveSize   int64
	cluster     int64
	archived    bool // driveSize is archiveSize of the configuration
}

// maxOnDisc is how many segments the profile of a disc has room for in its file system.
const maxOnDisc = 5000

// mediaValue is a flag that names a kind of medium.
type mediaValue struct{ to *profile.Profile }

func (v mediaValue) String() string {
	if v.to == nil {
		return ""
	}
	return v.to.String()
}

func (v mediaValue) Set(s string) (err error) {
	*v.to, err = profile.Parse(s)
	return err
}

func (v mediaValue) Type() string { return "MEDIA" }

func addMedia(f *pflag.FlagSet, to *profile.Profile) {
	f.Var(mediaValue{to}, "media", "`MEDIA` that the bundle is for: "+strings.Join(profile.Names(), ", ")+", or the size of a volume; it sets how much goes onto each, the size of files, and the lanes (--segment-size and --lanes come before it)")
}

func addClusterSize(f *pflag.FlagSet, to *int64) {
	f.Var(someValue{sizeValue{to}}, "cluster-size", "what a file takes at least on drives that are not there yet, such as 1MiB; exFAT and NTFS have large ones (default 128KiB)")
}

// choose takes the profile's numbers for those that no flag gives.
func (v *volumes) choose(flags *pflag.FlagSet) error {
	if flags.Changed("media") && v.media.VolumeSize > 0 && flags.Changed("drive-size") {
		return usage(errors.New("--media "+v.media.String()+" and --drive-size both say how much goes onto a volume"), "leave one of the two out")
	}
	p := v.media
	if p.VolumeSize > 0 && !flags.Changed("drive-size") {
		v.driveSize = p.VolumeSize
	}
	if p.SegmentSize > 0 && !flags.Changed("segment-size") {
		v.segmentSize = p.SegmentSize
	}
	if p.Lanes > 0 && !flags.Changed("lanes") {
		v.lanes = p.Lanes
	}
	if p.Disc() && v.segmentSize < p.VolumeSize/maxOnDisc {
		return usage(fmt.Errorf("segments of %s are too many files for a disc: the file system would not fit beside them", bundle.FormatSize(v.segmentSize)), "take larger segments, or leave --segment-size out")
	}
	return nil
}

// archive takes archiveSize of the configuration for the size of a volume that nothing else says.
func (v *volumes) archive(cfg *manifests.Config) {
	if v.media.VolumeSize == 0 && v.driveSize == 0 {
		v.driveSize = cfg.ArchiveSize << 30
		v.archived = v.driveSize > 0
	}
}

// chooseFor is choose for a bundle that is written into these directories, none where they are not known. archiveSize
// counts on a staging disk: a drive is taken as a whole.
func (v *volumes) chooseFor(dirs []string, flags *pflag.FlagSet, cfg *manifests.Config) error {
	if len(dirs) > 1 && v.media.Disc() {
		return usage(errors.New("--media "+v.media.String()+" takes one directory, in which each disc gets its own"), "name one directory")
	}
	switch len(dirs) {
	case 0:
		v.archive(cfg)
	case 1:
		if root, err := bundle.IsRoot(dirs[0]); err != nil || !root {
			v.archive(cfg)
		}
	}
	return v.choose(flags)
}

// drives are the numbers of drives that are not there yet. Discs, and what is as large as archiveSize, get directories
// on a staging disk.
func (v volumes) drives() places.Drives {
	return places.Drives{Size: v.driveSize, Cluster: cmp.Or(v.cluster, v.media.Cluster), Staging: v.media.Disc() || v.archived}
}
