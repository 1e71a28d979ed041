package main

import (
	"fmt"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/plan"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/profile"
	"github.com/satchel-airgap/satchel/oci/text"
)

// layouts says what the bundle takes, and how it lies on drives; where that depends on where the drives go, both ways.
func (p *printer) layouts(r *plan.Report) {
	volume := volumeOf(r.Media)
	if r.Together == nil {
		p.written(r.Written, r.Spread)
		p.count(r, volume)
		p.spread(r.Spread, volume)
		return
	}
	size := formatDrive(r.Drives[0].Size)
	p.printf("\none slot, one drive after another:\n")
	if r.Spread != nil {
		p.written(r.Written, r.Spread)
		p.printf("%ss       %d of %s\n", volume, len(r.Spread.Drives), size)
		p.spread(r.Spread, volume)
	} else {
		p.printf("             no way: %s\n", text.Printable(r.NotInSlot))
	}
	p.printf("\nall drives at the same time: on a staging disk, or with a DIR for each:\n")
	p.written(r.Together.Written, &r.Together.Spread)
	p.printf("%ss       %d of %s\n", volume, len(r.Together.Drives), size)
	p.spread(&r.Together.Spread, volume)
	p.printf("\n")
}

// written says what pack writes.
func (p *printer) written(w plan.Written, s *plan.Spread) {
	how := "about"
	if w.UpperBound {
		how = "at most"
	}
	p.printf("on the drive %s %s, %s\n", how, bundle.FormatSize(w.Bytes), text.Count(w.Segments, "segment", "segments"))
	cluster := bundle.CompactSize(w.Cluster)
	if w.Cluster < 1<<10 {
		cluster = bundle.FormatSize(w.Cluster)
	}
	p.printf("             %s in clusters of %s\n", bundle.FormatSize(w.OnDrive), cluster)
	for i, has := range w.Parity {
		head := "parity       "
		if s != nil && !s.Across {
			head += fmt.Sprintf("drive %d: ", i+1)
		}
		p.printf("%s%s can be rebuilt\n", head, has)
	}
	if takes := w.WholeDrive; takes != "" {
		p.printf("             a whole drive that is lost cannot be rebuilt: that takes %s\n", takes)
	}
}

// count says how many drives it takes.
func (p *printer) count(r *plan.Report, volume string) {
	if len(r.Drives) == 0 && r.Spread != nil {
		p.printf("drives       %d of the %d that are named\n", len(r.Spread.Drives), len(r.Dirs))
	} else if len(r.Drives) == 0 {
		p.printf("drives       1 of the %d that are named\n", len(r.Dirs))
	}
	for i, d := range r.Drives {
		head := volume + "s      "
		if i > 0 {
			head = "          or"
		}
		size := formatDrive(d.Size)
		switch {
		case d.Count == 0 && d.Together == 0:
			p.printf("%s none of %s: %s\n", head, size, d.TooSmall)
		case d.Together == 0:
			p.printf("%s %d of %s\n", head, d.Count, size)
		case d.Count == 0:
			p.printf("%s %d of %s together, with parity across them; one after another, none: %s\n", head, d.Together, size, d.TooSmall)
		default:
			p.printf("%s %d of %s one after another, or %d together with parity across them\n", head, d.Count, size, d.Together)
		}
	}
}

// spread says what each of several drives gets.
func (p *printer) spread(s *plan.Spread, volume string) {
	if s == nil {
		return
	}
	for _, d := range s.Drives {
		where := ""
		if d.Dir != "" {
			where = ", in " + text.Printable(d.Dir)
		}
		p.printf("   %5s %2d  about %s in %s, %s%s\n", volume, d.Drive, bundle.FormatSize(d.Bytes), text.Count(d.Segments, "segment", "segments"), text.Count(d.Blobs, "blob", "blobs"), where)
	}
	p.printf("             each with %s, of the 100 that a bundle may have; manifests are on the last one\n", text.Count(s.Lanes, "lane", "lanes"))
}

// volumeOf is what a person calls one of the media.
func volumeOf(media string) string {
	if p, err := profile.Parse(media); err == nil && p.Disc() {
		return "disc"
	}
	return "drive"
}

// formatDrive writes the size of a drive as it is sold, in powers of ten.
func formatDrive(n int64) string {
	switch {
	case n%1e9 == 0:
		return fmt.Sprintf("%d GB", n/1e9)
	case n%1e6 == 0:
		return fmt.Sprintf("%d MB", n/1e6)
	}
	return bundle.FormatSize(n)
}
