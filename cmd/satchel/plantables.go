package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/plan"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci/text"
)

// printContents writes what is carried of each catalog: of one that is whole the
// counts alone, else a row for each package and channel.
func printContents(w io.Writer, list []manifests.CatalogContents, v view) error {
	for _, c := range list {
		packages, channels, versions := c.Count()
		what, heads, as := "chosen", "", ""
		if c.Whole {
			what = "whole"
		}
		if at := c.Elsewhere(); at != "" {
			as = " as " + at
		}
		if c.Heads() {
			heads = ", of which only the channels' heads are listed"
		}
		p := &printer{w: w}
		p.printf("catalog      %s%s, %s: %s, %s, %s%s\n", c.Catalog, as, what, text.Count(packages, "package", "packages"), text.Count(channels, "channel", "channels"), text.Count(versions, "version", "versions"), heads)
		if p.err != nil {
			return p.err
		}
		if c.Whole {
			continue
		}
		rows := [][]string{{"PACKAGE", "CHANNEL", "VERSIONS"}}
		for _, pkg := range c.Packages {
			rows = append(rows, packageRows(pkg)...)
		}
		if err := v.table(w, "  ", rows); err != nil {
			return err
		}
	}
	return nil
}

// packageRows gives a row for each channel, the newest versions first.
func packageRows(pkg manifests.PackageContents) (rows [][]string) {
	const most = 8
	name := pkg.Name
	if pkg.Dependency {
		name += " (required)"
	}
	for _, ch := range pkg.Channels {
		channel, versions, more := ch.Name, ch.Newest(), ""
		if channel == pkg.DefaultChannel {
			channel += " (default)"
		}
		if n := len(versions) - most; n > 0 {
			versions, more = versions[:most], fmt.Sprintf(" and %d more", n)
		}
		rows = append(rows, []string{name, channel, strings.Join(versions, " ") + more})
	}
	return rows
}

// printPlanImages writes why each image is carried, and what it shares.
func printPlanImages(w io.Writer, list []plan.Image, v view) error {
	const most = 3
	rows := [][]string{{"ORIGIN", "IMAGE", "SIZE", "SHARED", "WHY"}}
	for _, img := range list {
		why, more := img.Why, ""
		if n := len(why) - most; n > 0 {
			why, more = why[:most], fmt.Sprintf("; and %d more", n)
		}
		rows = append(rows, []string{string(img.Origin), v.short(img.Source.String()), bundle.FormatSize(img.Bytes), bundle.FormatSize(img.Shared), v.short(strings.Join(why, "; ")) + more})
	}
	return v.table(w, "", rows)
}
