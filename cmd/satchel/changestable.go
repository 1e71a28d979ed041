package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/catalogs"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/changes"
	"github.com/satchel-airgap/satchel/oci/text"
)

// mostRows is how many rows of a list of changes a terminal gets, unless all are wanted.
const mostRows = 20

func (a *app) printChanges(c *changes.Changes, output string, wide bool) error {
	v := a.view(wide)
	return printReport(a.stdout, output, c, func(w io.Writer) error {
		return v.print(w, func(w io.Writer) error { return printChanges(w, c, v) })
	})
}

// printChanges writes the long lists first: what a person looks for stands at the end.
func printChanges(w io.Writer, c *changes.Changes, v view) error {
	p := &printer{w: w}
	images := [][]string{{"NEW IMAGE", "DIGEST", "IN THE MIRROR"}}
	for _, img := range c.New {
		images = append(images, []string{v.short(img.Source), v.short(img.Digest.String()), inMirror(img)})
	}
	if err := v.someRows(p, images); err != nil {
		return err
	}
	for _, cat := range c.Catalogs {
		printCatalogChanges(p, cat, v)
	}
	tags := [][]string{{"TAG", "NOW", "IN THE BUNDLE", "", ""}}
	for _, t := range c.Tags {
		tags = append(tags, []string{t.Tag, v.short(t.Old.String()), v.short(t.New.String()), string(t.State), t.Why})
	}
	if !v.fits(tags) { // so that no digest is cut
		tags = tagsBelow(tags)
	}
	if err := v.someRows(p, tags); err != nil {
		return err
	}
	printChangesSummary(p, c)
	return p.err
}

// tagsBelow puts all of a tag but its state into one cell, which goes on below.
func tagsBelow(rows [][]string) [][]string {
	list := [][]string{{"", "TAG, NOW, IN THE BUNDLE"}}
	for _, row := range rows[1:] {
		text := row[0] + ": now " + row[1] + ", in the bundle " + row[2]
		if row[4] != "" {
			text += "; " + row[4]
		}
		list = append(list, []string{row[3], text})
	}
	return list
}

// inMirror is an image's repository, with its tags.
func inMirror(img changes.Image) string {
	if len(img.Tags) == 0 {
		return img.Repo
	}
	return img.Repo + ":" + strings.Join(img.Tags, ",")
}

// someRows writes a table, if there are rows, and an empty line behind it.
func (v view) someRows(p *printer, rows [][]string) error {
	more := len(rows) - 1 - mostRows
	if len(rows) == 1 || p.err != nil {
		return p.err
	}
	if v.columns > 0 && more > 0 {
		rows = rows[:mostRows+1]
	}
	if err := v.table(p.w, "", rows); err != nil {
		return err
	}
	if v.columns > 0 && more > 0 {
		p.printf("and %d more (--wide lists all)\n", more)
	}
	p.printf("\n")
	return p.err
}

func printCatalogChanges(p *printer, c catalogs.Catalog, v view) {
	line := c.Summary()
	if line == "" {
		return
	}
	if c.Changes == nil || c.Changes.Same() {
		p.printf("%s\n\n", v.short(text.Printable(line)))
		return
	}
	p.printf("catalog %s\n", text.Printable(c.Name))
	for _, part := range []struct {
		what string
		list []string
	}{{"comes", c.Changes.Coming()}, {"goes", c.Changes.Going()}, {"other", c.Changes.Other()}, {"not known", c.Changes.Doubts}} {
		for i, line := range part.list {
			if v.columns > 0 && i == mostRows {
				p.printf("  %-9s  and %d more (--wide lists all)\n", part.what, len(part.list)-mostRows)
				break
			}
			p.printf("  %-9s  %s\n", part.what, v.short(text.Printable(line)))
		}
	}
	p.printf("\n")
}

func printChangesSummary(p *printer, c *changes.Changes) {
	p.printf("bundle       %s\n", sideText(c.Bundle))
	p.printf("against      %s\n", sideText(c.Against))
	fresh := countedImages(c.New)
	if c.Push != nil {
		fresh += fmt.Sprintf("; %s to push, %s", text.Count(c.Push.Blobs, "blob", "blobs"), bundle.FormatSize(c.Push.Bytes))
	}
	p.printf("new          %s\n", fresh)
	p.printf("there        %s of this bundle\n", text.Count(c.Stays, "image", "images"))
	if len(c.Gone) > 0 {
		p.printf("not in it    %s that the other side has; a mirror keeps them\n", countedImages(c.Gone))
	}
	if c.Push != nil && c.Push.Named > 0 {
		p.printf("tags         %s in the mirror would get a tag that never moves\n", text.Count(c.Push.Named, "image", "images"))
	}
	if n := len(c.Tags); n > 0 {
		p.printf("tags         %s, %s\n", text.Count(c.Moved(), "moves", "move"), text.Count(n-c.Moved(), "stays", "stay"))
	} else {
		p.printf("tags         none moves\n")
	}
	for _, state := range []changes.ReleaseState{changes.ReleaseNew, changes.ReleaseKept, changes.ReleaseGone} {
		var names []string
		for _, r := range c.Releases {
			if r.State == state {
				names = append(names, r.Name)
			}
		}
		if len(names) > 0 {
			what := map[changes.ReleaseState]string{changes.ReleaseNew: "new", changes.ReleaseKept: "there", changes.ReleaseGone: "not in this bundle"}[state]
			p.printf("releases     %s: %s\n", what, text.Printable(strings.Join(names, ", ")))
		}
	}
}

// countedImages counts images, and what is attached to them.
func countedImages(list []changes.Image) string {
	attached := 0
	for _, img := range list {
		if img.Subject != "" {
			attached++
		}
	}
	return text.Images(len(list)-attached, attached)
}

// sideText names one of the two that are compared.
func sideText(s changes.Side) string {
	line := s.Name
	if s.Kind != changes.Bundle {
		line = s.Kind + " " + line
	}
	if s.Stream != "" {
		line += fmt.Sprintf(", number %d of the stream %s", s.Sequence, s.Stream)
	}
	if !s.Packed.IsZero() {
		line += ", packed " + text.Minute(s.Packed)
	}
	return text.Printable(line)
}
