package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/available"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci/text"
)

// catalogsReport is what is printed of default catalogs.
type catalogsReport struct {
	Catalogs []available.Catalog `json:"catalogs"`
}

func printAvailableReleases(w io.Writer, got *manifests.ReleaseList, v view) error {
	if len(got.Releases) > 0 {
		rows := [][]string{{"VERSION", "PAYLOAD", "ADVISORY"}}
		for _, r := range got.Releases {
			rows = append(rows, []string{r.Version, v.short(r.Payload), cmp.Or(r.Advisory, "-")})
		}
		return v.table(w, "", rows)
	}
	rows := [][]string{{"CHANNEL", "RELEASES", "LOWEST", "HIGHEST"}}
	for _, ch := range got.Channels {
		count := "-" // its graph was not asked for
		if ch.Releases > 0 {
			count = strconv.Itoa(ch.Releases)
		}
		rows = append(rows, []string{ch.Name, count, cmp.Or(ch.Lowest, "-"), cmp.Or(ch.Highest, "-")})
	}
	return v.table(w, "", rows)
}

func printCatalogs(w io.Writer, list []available.Catalog, v view) error {
	rows := [][]string{{"CATALOG", "DIGEST"}}
	for _, c := range list {
		rows = append(rows, []string{c.Catalog, cmp.Or(v.short(c.Digest.String()), "cannot be read: "+text.Printable(c.Problem))})
	}
	return v.table(w, "", rows)
}

func printOperators(w io.Writer, got *manifests.OperatorList, q operatorQuery, v view) error {
	if q.pkg == "" {
		rows := [][]string{{"PACKAGE", "DEFAULT CHANNEL", "HEAD", "CHANNELS"}}
		for _, p := range got.Packages {
			var names []string
			for _, ch := range p.Channels {
				names = append(names, ch.Name)
			}
			rows = append(rows, []string{p.Name, cmp.Or(p.DefaultChannel, "-"), headOf(p), strings.Join(names, ", ")})
		}
		return v.table(w, "", rows)
	}
	p := got.Packages[0]
	if q.channel != "" {
		rows := [][]string{{"VERSION", "BUNDLE"}}
		for _, one := range slices.Backward(p.Channels[0].Versions) {
			rows = append(rows, []string{one.Version, one.Bundle})
		}
		return v.table(w, "", rows)
	}
	rows := [][]string{{"CHANNEL", "VERSIONS"}}
	for _, ch := range p.Channels {
		name := ch.Name
		if name == p.DefaultChannel {
			name += " (default)"
		}
		rows = append(rows, []string{name, cmp.Or(strings.Join(ch.Newest(), ", "), "-")})
	}
	if _, err := fmt.Fprintf(w, "package  %s\ncatalog  %s\n\n", p.Name, got.Catalog); err != nil {
		return err
	}
	return v.table(w, "", rows)
}

// headOf is the version at the head of the default channel.
func headOf(p manifests.ListedPackage) string {
	for _, ch := range p.Channels {
		for _, one := range ch.Versions {
			if ch.Name == p.DefaultChannel && one.Bundle == ch.Head {
				return one.Version
			}
		}
	}
	return "-"
}
