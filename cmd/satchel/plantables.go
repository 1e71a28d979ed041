package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/plan"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci/text"
)

// printContents writes what is carried of each catalog: of one that is whole the
// counts alone, else a row for each package and channel.
func printContents(w io.Writer, list []manifests.CatalogContents) error {
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
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "  PACKAGE\tCHANNEL\tVERSIONS")
		for _, pkg := range c.Packages {
			printPackage(t, pkg)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// printPackage writes a row for each channel, the newest versions first.
func printPackage(w io.Writer, pkg manifests.PackageContents) {
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
		fmt.Fprintf(w, "  %s\t%s\t%s%s\n", name, channel, strings.Join(versions, " "), more)
	}
}

// printPlanImages writes why each image is carried, and what it shares.
func printPlanImages(w io.Writer, list []plan.Image, digests func(string) string) error {
	const most = 3
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ORIGIN\tIMAGE\tSIZE\tSHARED\tWHY")
	for _, img := range list {
		why, more := img.Why, ""
		if n := len(why) - most; n > 0 {
			why, more = why[:most], fmt.Sprintf("; and %d more", n)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s%s\n", img.Origin, digests(img.Source.String()), bundle.FormatSize(img.Bytes), bundle.FormatSize(img.Shared), digests(strings.Join(why, "; ")), more)
	}
	return t.Flush()
}
