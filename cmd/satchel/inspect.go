package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

func newInspect(a *app) *cobra.Command {
	var reader readerFlags
	var output string
	var yaml bool
	cmd := &cobra.Command{
		Use:   "inspect -i KEY DIR",
		Short: "Say what is in a bundle",
		Long: `inspect opens the bundle in DIR with a key and lists its images: where each came
from, its digest, its platforms, and the size of all that it reaches. Content that
images share is counted for each of them, and once in the total. Signatures and
other referrers are counted beside the image that they belong to; with -o json
and yaml each is listed, with the digest of its subject. Of each catalog it says
which packages, channels and versions are carried.

--manifests prints the cluster's YAML that pack made: for the mirror that pack
--to named, else for the placeholder mirror.invalid, and without secrets. unpack
and render write it for the mirror at hand.`,
		Args: exactly(1, "one directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runInspect(cmd.Context(), a, reader, args[0], output, yaml)
		},
	}
	cmd.Flags().BoolVar(&yaml, "manifests", false, "print the cluster's YAML that the bundle carries")
	addReaderFlags(cmd.Flags(), &reader)
	addOutput(cmd, &output)
	return cmd
}

type inspectReport struct {
	Bundle      string                 `json:"bundle"`
	Created     time.Time              `json:"created"`
	Fingerprint bundle.Fingerprint     `json:"fingerprint"`
	Segments    int                    `json:"segments"`
	Bytes       int64                  `json:"bytes"` // of the segments, on the drive
	Blobs       int                    `json:"blobs"`
	BlobBytes   int64                  `json:"blobBytes"` // unique, manifests among them
	Images      []imageReport          `json:"images"`
	Gaps        []oci.Gap              `json:"gaps,omitempty"`       // what pack --keep-going could not carry
	Incomplete  []manifests.Incomplete `json:"incomplete,omitempty"` // what lacks some of those
	Documents   []documentReport       `json:"documents,omitempty"`  // beside the images; not among the blobs above
	// Catalogs is what is carried of each.
	Catalogs []manifests.CatalogContents `json:"catalogs,omitempty"`
}

type documentReport struct {
	Name   string        `json:"name"`
	Digest digest.Digest `json:"digest"`
	Blobs  int           `json:"blobs"` // that no image has
	Bytes  int64         `json:"bytes"` // of those
}

func runInspect(ctx context.Context, a *app, flags readerFlags, dir, output string, yaml bool) error {
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
	if yaml {
		files, err := clusterYAML(ctx, r)
		if err = errors.Join(err, r.Close()); err != nil {
			return err
		}
		return printAs(a.stdout, output, files, func(w io.Writer) error { return printFiles(w, files) })
	}
	rep, err := inspect(ctx, r)
	if err = errors.Join(blamed(r, err), r.Close()); err != nil {
		return err
	}
	return printAs(a.stdout, output, rep, func(w io.Writer) error { return printInspect(w, rep) })
}

func inspect(ctx context.Context, r *bundle.Reader) (*inspectReport, error) {
	inv := r.Inventory()
	graph, err := oci.ReadGraph(ctx, inv.Images, func(oci.Image) (oci.Source, error) { return r, nil }, 2)
	if err != nil {
		return nil, err
	}
	rep := &inspectReport{Bundle: r.ID(), Created: r.Created(), Fingerprint: r.Fingerprint()}
	rep.Segments, rep.Bytes, _ = r.Stat()
	rep.Gaps, rep.Incomplete = inv.Gaps, manifests.IncompleteOf(inv.Gaps)
	// A foreign layer that its registry did not have is reached and not carried.
	graph.Blobs = slices.DeleteFunc(graph.Blobs, func(n oci.Node) bool { return !r.Has(n.Descriptor) })
	rep.Images = reportImages(inv, graph)
	rep.Blobs, rep.BlobBytes = len(graph.Blobs)+len(graph.Manifests), size(graph.Blobs)+size(graph.Manifests)
	seen := map[digest.Digest]bool{}
	for _, n := range append(graph.Manifests, graph.Blobs...) {
		seen[n.Descriptor.Digest] = true
	}
	for _, doc := range inv.Documents {
		if err := rep.document(ctx, r, doc, seen); err != nil {
			return nil, err
		}
	}
	rep.Catalogs, err = manifests.ReadContents(ctx, inv, r)
	return rep, err
}

// document counts what a document has beside what was seen.
func (r *inspectReport) document(ctx context.Context, src oci.Source, doc oci.Document, seen map[digest.Digest]bool) error {
	d := documentReport{Name: doc.Name, Digest: doc.Root.Digest}
	err := oci.Walk(ctx, src, doc.Root, func(c oci.Descriptor, _ []byte) error {
		if !seen[c.Digest] {
			seen[c.Digest] = true
			d.Blobs++
			d.Bytes += c.Size
		}
		return nil
	})
	r.Documents = append(r.Documents, d)
	return err
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
	if len(r.Documents) > 0 {
		head.printf("documents    %d: satchel inspect --manifests prints the cluster's YAML\n", len(r.Documents))
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
		fmt.Fprintf(t, "%s\t%s\tNOT CARRIED: %s\n", g.Image.Origin, g.Image.Source, printable(g.Reason()))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(r.Catalogs) > 0 {
		head.printf("\n")
	}
	if err := printContents(w, r.Catalogs); err != nil {
		return err
	}
	for _, inc := range r.Incomplete {
		head.printf("%s\n", printable(inc.String()))
	}
	return head.err
}

// printFiles writes files one after another, each below its name, as one stream of
// YAML: what is something else stands in comments.
func printFiles(w io.Writer, r *manifestsReport) error {
	p := &printer{w: w}
	for _, f := range r.Files {
		p.printf("---\n# %s\n", f.Name)
		for line := range strings.Lines(f.Body) {
			if path.Ext(f.Name) != ".yaml" {
				line = "#   " + line
			}
			p.printf("%s", strings.TrimSuffix(line, "\n")+"\n")
		}
	}
	return p.err
}
