package main

import (
	"io"
	"strconv"
	"strings"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prune"
	"github.com/satchel-airgap/satchel/oci/text"
)

// printPruning writes what stays and what goes; what a person looks for stands at the end.
func printPruning(w io.Writer, plan *prune.Plan, v view) error {
	p := &printer{w: w}
	stays := [][]string{{"STAYS", "DIGEST", "TAGS", "WHY"}}
	goes := [][]string{{"GOES", "DIGEST", "TAGS", "BROUGHT BY"}}
	for _, item := range plan.Manifests {
		repo, d, tags := text.Printable(item.Repository), v.short(item.Digest.String()), v.short(text.Printable(strings.Join(item.Tags, ",")))
		switch item.State {
		case prune.Goes:
			goes = append(goes, []string{repo, d, tags, strings.Join(item.Bundles, ",")})
		case prune.Stays:
			why := text.Printable(item.Why)
			if len(item.Untagged) > 0 {
				why += "; satchel's tags on it go"
			}
			stays = append(stays, []string{repo, d, tags, v.short(why)})
		}
	}
	tags := [][]string{{"TAG GOES", "OF", ""}}
	for _, tag := range plan.Tags {
		tags = append(tags, []string{text.Printable(tag.Repository + ":" + tag.Tag), v.short(tag.Digest.String()), "which stays"})
	}
	for _, rows := range [][][]string{stays, tags, goes} {
		if err := v.someRows(p, rows); err != nil {
			return err
		}
	}
	p.printf("mirror       %s\n", plan.Mirror)
	p.printf("kept         %s\n", bundlesText(plan.Kept))
	p.printf("not kept     %s\n", bundlesText(plan.Dropped))
	goesText := text.Count(plan.Count(prune.Goes), "manifest", "manifests")
	if plan.Blobs > 0 && plan.Count(prune.Goes) > 0 {
		goesText += "; " + bundle.FormatSize(plan.Blobs) + " of blobs at most, once the registry collects garbage"
		if plan.Count(prune.Stays) > 0 {
			goesText += ", less what those need that stay"
		}
	}
	p.printf("goes         %s\n", goesText)
	if n := plan.Untagged(); n > 0 {
		p.printf("tags go      %d, of manifests that stay, if the registry deletes a tag alone\n", n)
	}
	p.printf("stays        %s of bundles that are not kept, for the reasons above\n", text.Count(plan.Count(prune.Stays), "manifest", "manifests"))
	p.printf("needed       %s of these bundles, because kept bundles need them too\n", text.Count(plan.Needed, "manifest", "manifests"))
	if n := plan.Count(prune.Gone); n > 0 {
		p.printf("gone         %s not there any more\n", text.Count(n, "manifest is", "manifests are"))
	}
	return p.err
}

// mostBundles is how many bundles a line names.
const mostBundles = 5

// bundlesText names bundles, the newest first.
func bundlesText(list []prune.Bundle) string {
	if len(list) == 0 {
		return "none"
	}
	var names []string
	for _, b := range list {
		name := b.ID
		if b.Stream != "" {
			name += " (" + b.Stream + " " + strconv.Itoa(b.Sequence) + ")"
		}
		names = append(names, name)
	}
	return text.Count(len(list), "bundle", "bundles") + ": " + text.Some(names, mostBundles)
}

// strangersText says that receipts count for nothing but what stays.
func strangersText(n int) string {
	does, them, they := "do", "them", "they name"
	if n == 1 {
		does, them, they = "does", "it", "it names"
	}
	return text.Count(n, "receipt", "receipts") + " of this mirror " + does + " not count: this host did not write " + them +
		", and nobody who is trusted has signed " + them + " (--trust FILE). What " + they + " stays"
}
