package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci"
)

func newInspect(a *app) *cobra.Command {
	var reader readerFlags
	var output string
	cmd := &cobra.Command{
		Use:   "inspect -i KEY DIR",
		Short: "Say what is in a bundle",
		Long: `inspect opens the bundle in DIR with a key and lists its images: where each came
from, its digest, its platforms, and the size of all that it reaches. Content that
images share is counted for each of them, and once in the total. Signatures and
other referrers are counted beside the image that they belong to; with -o json
and yaml each is listed, with the digest of its subject.`,
		Args: exactly(1, "one directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runInspect(cmd.Context(), a, reader, args[0], output)
		},
	}
	addReaderFlags(cmd.Flags(), &reader)
	addOutput(cmd, &output)
	return cmd
}

type inspectReport struct {
	Bundle      string             `json:"bundle"`
	Created     time.Time          `json:"created"`
	Fingerprint bundle.Fingerprint `json:"fingerprint"`
	Segments    int                `json:"segments"`
	Bytes       int64              `json:"bytes"` // of the segments, on the drive
	Blobs       int                `json:"blobs"`
	BlobBytes   int64              `json:"blobBytes"` // unique, manifests among them
	Images      []imageReport      `json:"images"`
	Gaps        []oci.Gap          `json:"gaps,omitempty"` // what pack --keep-going could not carry
}

func runInspect(ctx context.Context, a *app, flags readerFlags, dir, output string) error {
	expect, ids, err := flags.parse(a.ui(ctx))
	if err == nil {
		err = checkOutput(output)
	}
	if err != nil {
		return err
	}
	r, err := bundle.Open(ctx, dir, expect, ids)
	if err != nil {
		return err
	}
	rep, err := inspect(ctx, r)
	if err = errors.Join(err, r.Close()); err != nil {
		return err
	}
	return print(a.stdout, output, rep, func(w io.Writer) error { return printInspect(w, rep) })
}

func inspect(ctx context.Context, r *bundle.Reader) (*inspectReport, error) {
	inv := r.Inventory()
	graph, err := oci.Survey(ctx, inv, func(oci.Image) (oci.Source, error) { return r, nil }, 2)
	if err != nil {
		return nil, err
	}
	rep := &inspectReport{Bundle: r.ID(), Created: r.Created(), Fingerprint: r.Fingerprint()}
	rep.Segments, rep.Bytes, rep.Blobs = r.Stat()
	rep.Gaps = inv.Gaps
	// A foreign layer that its registry did not have is reached and not carried.
	graph.Blobs = slices.DeleteFunc(graph.Blobs, func(n oci.Node) bool { return !r.Has(n.Descriptor) })
	rep.Images = reportImages(inv, graph)
	rep.BlobBytes = size(graph.Blobs) + size(graph.Manifests)
	return rep, nil
}

func printInspect(w io.Writer, r *inspectReport) error {
	head := &printer{w: w}
	head.printf("bundle       %s, packed %s\n", r.Bundle, r.Created.Format(time.RFC3339))
	head.printf("fingerprint  %s\n", r.Fingerprint.Grouped())
	attached := attachedCount(r.Images)
	head.printf("content      %d images, %d blobs and manifests, %s\n", len(r.Images)-attached, r.Blobs, bundle.FormatSize(r.BlobBytes))
	if attached > 0 {
		head.printf("attached     %d signatures and other referrers\n", attached)
	}
	head.printf("on the drive %d segments, %s\n\n", r.Segments, bundle.FormatSize(r.Bytes))
	if head.err != nil {
		return head.err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ORIGIN\tIMAGE\tDIGEST\tSIZE\tATTACHED\tPLATFORMS")
	for _, img := range r.Images {
		last := strings.Join(img.Platforms, " ")
		switch {
		case img.alone:
			last = "attached to " + img.Subject.String() + ", which is not in this bundle"
		case img.Subject != "":
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\n", img.Origin, img.Source, img.Digest, bundle.FormatSize(img.Bytes), img.Attached, last)
	}
	for _, g := range r.Gaps {
		fmt.Fprintf(t, "%s\t%s\tNOT CARRIED: %s\n", g.Origin, g.Source, printable(g.Error))
	}
	return t.Flush()
}
