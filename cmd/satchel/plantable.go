package main

import (
	"cmp"
	"io"
	"strconv"
	"strings"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/plan"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// printPlan writes the long lists first: what a person looks for stands at the end.
func printPlan(w io.Writer, r *plan.Report, images bool, v view) error {
	p := &printer{w: w}
	if images {
		if err := printPlanImages(w, r.Images, v); err != nil {
			return err
		}
		p.printf("\n")
	}
	if err := printReleases(w, r.Releases, v); err != nil {
		return err
	}
	if err := printContents(w, r.Catalogs, v); err != nil {
		return err
	}
	if len(r.Catalogs) > 0 {
		p.printf("\n")
	}
	if err := printNew(p, r, v); err != nil {
		return err
	}
	rows := [][]string{{"ORIGIN", "IMAGES", "ATTACHED", "SIZE", "ONLY HERE"}}
	for _, o := range r.Origins {
		rows = append(rows, []string{string(o.Origin), strconv.Itoa(o.Images), strconv.Itoa(o.Attached), bundle.FormatSize(o.Bytes), bundle.FormatSize(o.Unique)})
	}
	if err := v.table(w, "", rows); err != nil {
		return err
	}
	p.printf("\n%s      %s, %s, %s, %s\n", map[bool]string{true: "carried", false: "needed "}[r.LeftOut == nil], text.Count(r.Carried.Images, "image", "images"), text.Count(r.Carried.Manifests, "manifest", "manifests"), text.Count(r.Carried.Blobs, "blob", "blobs"), bundle.FormatSize(r.Carried.Bytes))
	p.leftOut(r.LeftOut)
	if r.Carried.Attached > 0 {
		p.printf("attached     %s\n", text.Attached(r.Carried.Attached))
	}
	if r.Carried.Shared > 0 {
		p.printf("shared       %s that more than one image needs; carried once, it saves %s\n", bundle.FormatSize(r.Carried.Shared), bundle.FormatSize(r.Carried.Saved))
	}
	p.layouts(r)
	p.next(r.Stream)
	if r.Time != nil {
		p.printf("time         %s\n", formatTime(r.Time))
	}
	for _, g := range r.Gaps {
		p.gap(v, g)
	}
	return p.err
}

// gap names what is not carried: an image, or the signature alone of one that is.
func (p *printer) gap(v view, g oci.Gap) {
	what := ""
	if manifests.IsDemanded(g) {
		what = "the image is carried, its signature is "
	}
	p.printf("%s  %s  %sNOT CARRIED: %s\n", g.Image.Origin, v.short(g.Image.Source.String()), what, v.short(text.Printable(g.Reason())))
}

// leftOut says, with --since, what stays where it is.
func (p *printer) leftOut(l *plan.LeftOut) {
	if l != nil {
		p.printf("left out     %s, %s, %s, %s: the mirror has them, by %s\n", text.Count(l.Images, "image", "images"), text.Count(l.Manifests, "manifest", "manifests"), text.Count(l.Blobs, "blob", "blobs"), bundle.FormatSize(l.Bytes), text.Count(len(l.From), "earlier bundle", "earlier bundles"))
	}
}

// printReleases lists releases with what chose them.
func printReleases(w io.Writer, list []manifests.CarriedRelease, v view) error {
	if len(list) == 0 {
		return nil
	}
	rows := [][]string{{"RELEASE", "WHY"}}
	for _, r := range list {
		rows = append(rows, []string{r.Name, text.Printable(cmp.Or(strings.Join(r.Why, ", "), "platform.release"))})
	}
	if err := v.table(w, "", rows); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
