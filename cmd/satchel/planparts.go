package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/plan"
	"github.com/satchel-airgap/satchel/oci/text"
)

// printNew writes, with --since, which images are new, and of each part what is new and what is
// left out.
func printNew(p *printer, r *plan.Report, v view) error {
	if r.LeftOut == nil {
		return p.err
	}
	images := [][]string{{"NEW IMAGE", "CARRIED", "OF"}}
	for _, img := range r.Images {
		if img.New && img.Subject == "" {
			images = append(images, []string{v.short(text.Printable(img.Source.String())), bundle.FormatSize(img.NewBytes), bundle.FormatSize(img.Bytes)})
		}
	}
	if err := v.someRows(p, images); err != nil {
		return err
	}
	parts := slices.Clone(r.Parts) // a terminal gets the beginning: what has something new stands there
	slices.SortStableFunc(parts, func(a, b plan.Part) int { return cmp.Compare(min(b.New.Images, 1), min(a.New.Images, 1)) })
	rows := [][]string{{"PART", "NEW", "SIZE", "LEFT OUT", "SIZE", "NEW VERSIONS"}}
	for _, part := range parts {
		rows = append(rows, []string{v.short(partName(part, r.Parts)), strconv.Itoa(part.New.Images), bundle.FormatSize(part.New.Bytes),
			strconv.Itoa(part.LeftOut.Images), bundle.FormatSize(part.LeftOut.Bytes), newVersions(part.Versions)})
	}
	return v.someRows(p, rows)
}

// partName says what a part is; an operator that several catalogs have, of which one.
func partName(part plan.Part, all []plan.Part) string {
	name := strings.TrimSpace(part.Kind + " " + part.Name)
	if part.Catalog != "" && slices.ContainsFunc(all, func(o plan.Part) bool {
		return o.Kind == part.Kind && o.Name == part.Name && o.Catalog != part.Catalog
	}) {
		name += " of " + part.Catalog
	}
	return text.Printable(name)
}

// newVersions lists the newest of them first.
func newVersions(list []string) string {
	const most = 8
	more := ""
	list = slices.Clone(list)
	slices.Reverse(list)
	if n := len(list) - most; n > 0 {
		list, more = list[:most], fmt.Sprintf(" and %d more", n)
	}
	return text.Printable(strings.Join(list, " ") + more)
}
