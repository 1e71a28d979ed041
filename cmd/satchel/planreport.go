package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// planReport is what plan prints. All sizes are in bytes.
type planReport struct {
	Origins  []originReport             `json:"origins"`
	Carried  carriedReport              `json:"carried"`
	Written  writtenReport              `json:"written"`
	Drives   []driveReport              `json:"drives"`
	Time     *timeReport                `json:"time,omitempty"` // with --rate
	Images   []planImage                `json:"images"`
	Releases []manifests.CarriedRelease `json:"releases,omitempty"`
	// Catalogs is what is carried of each.
	Catalogs []manifests.CatalogContents `json:"catalogs,omitempty"`
	Gaps     []oci.Gap                   `json:"gaps,omitempty"` // what --keep-going plans without
	// Incomplete is what lacks some of those.
	Incomplete []manifests.Incomplete `json:"incomplete,omitempty"`
}

type originReport struct {
	Origin   oci.Origin `json:"origin"`
	Images   int        `json:"images"`
	Attached int        `json:"attached"`
	Bytes    int64      `json:"bytes"`       // of all that its images reach, each digest once
	Unique   int64      `json:"uniqueBytes"` // of what no image of another origin reaches
}

type carriedReport struct {
	Images    int   `json:"images"`
	Attached  int   `json:"attached"` // signatures and other referrers
	Manifests int   `json:"manifests"`
	Blobs     int   `json:"blobs"`
	Bytes     int64 `json:"bytes"`       // of both, each digest once
	Shared    int64 `json:"sharedBytes"` // of what more than one image reaches, once
	Saved     int64 `json:"savedBytes"`  // what it would be more if that were not shared
}

type writtenReport struct {
	Bytes      int64 `json:"bytes"` // of the bundle's directory
	UpperBound bool  `json:"upperBound"`
	Segments   int   `json:"segments"`
}

type driveReport struct {
	Size  int64 `json:"size"`
	Free  int64 `json:"free"`  // what of it is counted on
	Count int   `json:"count"` // 0: they are too small for one of the blobs
}

type planImage struct {
	imageReport
	Shared int64 `json:"sharedBytes"` // of its bytes, what another image reaches too
}

func (p *planning) report(ctx context.Context) (*planReport, error) {
	graph := p.graph
	p.gaps.sort()
	p.inv.Gaps = p.gaps.Images
	all, err := p.written(ctx)
	if err != nil {
		return nil, err
	}
	f, err := p.job.Forecast(p.inv, all, p.content())
	if err != nil {
		return nil, err
	}
	r := &planReport{Written: writtenReport{f.Bytes, f.Upper, f.Segments}, Images: []planImage{}, Gaps: p.inv.Gaps,
		Time: p.time(), Releases: manifests.Releases(p.inv), Incomplete: manifests.IncompleteOf(p.inv.Gaps)}
	if r.Drives, err = p.drives(graph); err != nil {
		return nil, err
	}
	if r.Catalogs, err = manifests.ReadContents(ctx, p.inv, p.keptDocuments()); err != nil {
		return nil, err
	}
	images := reportImages(p.inv, graph)
	for _, img := range images {
		r.Images = append(r.Images, planImage{imageReport: img})
	}
	attached := attachedCount(images)
	r.Carried = carriedReport{Images: len(images) - attached, Attached: attached, Manifests: len(graph.Manifests), Blobs: len(graph.Blobs),
		Bytes: size(graph.Blobs) + size(graph.Manifests)}
	r.share(graph)
	return r, nil
}

// share counts what images have in common, and what each origin brings.
func (r *planReport) share(graph *oci.Graph) {
	origins := map[oci.Origin]*originReport{}
	for _, img := range r.Images {
		o := origins[img.Origin]
		if o == nil {
			o = &originReport{Origin: img.Origin}
			origins[img.Origin] = o
		}
		if img.Subject == "" {
			o.Images++
		} else {
			o.Attached++
		}
	}
	for _, n := range slices.Concat(graph.Blobs, graph.Manifests) {
		bytes := n.Descriptor.Size
		if len(n.Images) > 1 {
			r.Carried.Shared += bytes
			r.Carried.Saved += bytes * int64(len(n.Images)-1)
		}
		var of []oci.Origin
		for _, i := range n.Images {
			if len(n.Images) > 1 {
				r.Images[i].Shared += bytes
			}
			if o := r.Images[i].Origin; !slices.Contains(of, o) {
				of = append(of, o)
				origins[o].Bytes += bytes
			}
		}
		if len(of) == 1 {
			origins[of[0]].Unique += bytes
		}
	}
	r.Origins = []originReport{}
	for _, o := range origins {
		r.Origins = append(r.Origins, *o)
	}
	slices.SortFunc(r.Origins, func(a, b originReport) int { return cmp.Compare(a.Origin, b.Origin) })
}

// printPlan writes the long lists first: what a person looks for stands at the end.
func printPlan(w io.Writer, r *planReport, images bool) error {
	p := &printer{w: w}
	if images {
		if err := printPlanImages(w, r.Images); err != nil {
			return err
		}
		p.printf("\n")
	}
	if err := printReleases(w, r.Releases); err != nil {
		return err
	}
	if err := printContents(w, r.Catalogs); err != nil {
		return err
	}
	if len(r.Catalogs) > 0 {
		p.printf("\n")
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ORIGIN\tIMAGES\tATTACHED\tSIZE\tOF THAT ALONE")
	for _, o := range r.Origins {
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%s\n", o.Origin, o.Images, o.Attached, bundle.FormatSize(o.Bytes), bundle.FormatSize(o.Unique))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	p.printf("\ncarried      %d images, %d manifests, %d blobs, %s\n", r.Carried.Images, r.Carried.Manifests, r.Carried.Blobs, bundle.FormatSize(r.Carried.Bytes))
	if r.Carried.Attached > 0 {
		p.printf("attached     %d signatures and other referrers\n", r.Carried.Attached)
	}
	if r.Carried.Shared > 0 {
		p.printf("shared       %s that more than one image needs; carried once, it saves %s\n", bundle.FormatSize(r.Carried.Shared), bundle.FormatSize(r.Carried.Saved))
	}
	how := "about"
	if r.Written.UpperBound {
		how = "at most"
	}
	p.printf("on the drive %s %s, %d segments\n", how, bundle.FormatSize(r.Written.Bytes), r.Written.Segments)
	for i, d := range r.Drives {
		head := "drives      "
		if i > 0 {
			head = "            "
		}
		if d.Count == 0 {
			p.printf("%s none of %s: one blob is larger\n", head, formatDrive(d.Size))
		} else {
			p.printf("%s %d of %s\n", head, d.Count, formatDrive(d.Size))
		}
	}
	if !slices.ContainsFunc(r.Drives, func(d driveReport) bool { return d.Count == 1 }) {
		p.printf("             pack writes a bundle onto one drive: take one that has room for all of it, or split the configuration\n")
	}
	if r.Time != nil {
		p.printf("time         %s\n", r.Time)
	}
	for _, g := range r.Gaps {
		p.printf("%s  %s  NOT CARRIED: %s\n", g.Image.Origin, g.Image.Source, printable(g.Reason()))
	}
	return p.err
}

// printReleases lists releases with what chose them.
func printReleases(w io.Writer, list []manifests.CarriedRelease) error {
	if len(list) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "RELEASE\tWHY")
	for _, r := range list {
		fmt.Fprintf(t, "%s\t%s\n", r.Name, printable(cmp.Or(strings.Join(r.Why, ", "), "platform.release")))
	}
	fmt.Fprintln(t)
	return t.Flush()
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
