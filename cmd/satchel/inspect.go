package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/clusteryaml"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/inspect"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/report"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/oci/text"
)

func newInspect(a *app) *cobra.Command {
	var reader readerFlags
	var output, list string
	var yaml, wide bool
	cmd := &cobra.Command{
		Use:   "inspect -i KEY DIR [DIR ...]",
		Short: "Show what is in a bundle",
		Long: `inspect opens the bundle in DIR with a key and lists its images: where each came
from, its digest, its platforms, and the size of all that it reaches. Content that
images share is counted for each of them, and once in the total. Signatures and
other referrers are counted with the image that they belong to; with -o json
and yaml each is listed, with the digest of its subject. For each catalog it shows
which packages, channels and versions are carried. Of a bundle on several drives, the
last one is enough; if a drive is lost, name the others, and --gaps lists the images
that are not whole without it.

--manifests prints the cluster's YAML that pack rendered: for the mirror that pack
--to named, else for the placeholder mirror.invalid, and without secrets. unpack
and render write it for the mirror at hand.`,
		Args: someDirectories,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runInspect(cmd.Context(), a, reader, args, output, list, yaml, wide)
		},
	}
	cmd.Flags().BoolVar(&yaml, "manifests", false, "print the cluster's YAML that the bundle carries")
	addGaps(cmd.Flags(), &list, "write the images that need a drive which is not here into `FILE`, for pack --only, and exit with 3 if there are any")
	addReaderFlags(cmd.Flags(), &reader)
	addWide(cmd.Flags(), &wide)
	addOutput(cmd, &output)
	return cmd
}

func runInspect(ctx context.Context, a *app, flags readerFlags, dirs []string, output, list string, yaml, wide bool) error {
	want, ids, err := flags.parse(a.ui(ctx))
	if err == nil {
		err = checkOutput(output)
	}
	if err == nil {
		err = checkGapsFile(list)
	}
	if err != nil {
		return err
	}
	chosen, err := a.chooseToRead(ctx, dirs, wanted{want.Expect, flags.bundle, want.Trust})
	if err != nil {
		return err
	}
	r, err := a.openChoice(chosen, func(dirs []string) (*bundle.Reader, error) { return a.openAny(ctx, dirs, want, ids) })
	if err != nil && list != "" {
		err = mayBeLost(err)
	}
	if err != nil {
		return err
	}
	if yaml {
		files, err := readClusterYAML(ctx, r)
		if err = errors.Join(err, r.Close()); err != nil {
			return err
		}
		return printReport(a.stdout, output, files, func(w io.Writer) error { return printFiles(w, files) })
	}
	rep, err := inspect.Run(ctx, r)
	if err = errors.Join(unpack.Blamed(r, err), r.Close()); err != nil && list != "" {
		err = mayBeLost(err)
	}
	if err != nil {
		return err
	}
	v := a.view(wide)
	err = printReport(a.stdout, output, rep, func(w io.Writer) error {
		return v.print(w, func(w io.Writer) error {
			p := &printer{w: w, err: printInspect(w, rep, v)}
			for _, g := range rep.Without.Images {
				if list != "" {
					p.printf("NOT WHOLE    %s: %s\n", v.short(g.Image.Describe()), text.Printable(g.Reason()))
				}
			}
			return p.err
		})
	})
	if list == "" {
		return err
	}
	_, werr := writeWithout(list, rep.Bundle, &rep.Without)
	if n := len(rep.Without.Images); n > 0 && werr == nil {
		lost := fmt.Errorf("%s not whole without drive %s", text.Count(n, "image is", "images are"), text.And(rep.Without.Lost))
		werr = &lostDrivesError{lost, list}
	}
	return errors.Join(err, werr)
}

func printInspect(w io.Writer, r *inspect.Report, v view) error {
	head := &printer{w: w}
	head.printf("bundle       %s, packed %s\n", r.Bundle, text.Minute(r.Created))
	head.stream(r.Stream, r.Sequence)
	head.printf("fingerprint  %s\n", r.Fingerprint.Grouped())
	head.supplement(r.Supplement)
	head.signed(signers(r.Signed))
	head.encryption(r.NotEncrypted)
	attached := report.CountAttached(r.Images)
	head.printf("content      %s, %s, %s, %s\n", text.Count(len(r.Images)-attached, "image", "images"), text.Count(r.Manifests, "manifest", "manifests"), text.Count(r.Blobs-r.Manifests, "blob", "blobs"), bundle.FormatSize(r.BlobBytes))
	head.leftBehind(r.LeftOut)
	if attached > 0 {
		head.printf("attached     %s\n", text.Attached(attached))
	}
	if n := report.CountUnknown(r.Images); n > 0 {
		head.printf("not known    whether anything is attached to %s (marked ?): their registry refused to say\n", text.Count(n, "image", "images"))
	}
	if len(r.Documents) > 0 {
		head.printf("documents    %d: satchel inspect --manifests prints the cluster's YAML\n", len(r.Documents))
	}
	for _, d := range r.Away {
		head.printf("not here     drive %d, %s: %s it\n", d.Drive, d.Label, text.Count(len(d.Images), "image needs", "images need"))
	}
	head.printf("on the drive %s, %s\n\n", text.Count(r.Segments, "segment", "segments"), bundle.FormatSize(r.Bytes))
	if head.err != nil {
		return head.err
	}
	if err := printInspectImages(w, r, v); err != nil {
		return err
	}
	if len(r.Catalogs) > 0 {
		head.printf("\n")
	}
	if err := printContents(w, r.Catalogs, v); err != nil {
		return err
	}
	for _, inc := range r.Incomplete {
		head.printf("%s\n", text.Printable(inc.String()))
	}
	return head.err
}

// supplement says which bundle a supplement is of, and what of both is shown.
func (p *printer) supplement(s *inspect.Supplement) {
	switch {
	case s == nil:
	case s.Beside && s.Lacks > 0:
		p.printf("supplement   %s, which the fingerprint is of: it has what bundle %s has lost, but for %s\n", s.Bundle, s.Of, text.Count(s.Lacks, "image", "images"))
		p.printf("damaged      %s, fingerprint %s\n", s.Of, s.Fingerprint.Grouped())
	case s.Beside:
		p.printf("supplement   %s, which the fingerprint is of: it makes bundle %s whole\n", s.Bundle, s.Of)
		p.printf("damaged      %s, fingerprint %s\n", s.Of, s.Fingerprint.Grouped())
	default:
		p.printf("supplement   of bundle %s, fingerprint %s: it has what that one has lost\n", s.Of, s.Fingerprint.Grouped())
	}
}

// leftBehind says what a bundle leaves out, and which bundles brought that, the newest first.
func (p *printer) leftBehind(l *inspect.LeftOut) {
	const most = 10
	if l == nil {
		return
	}
	p.printf("left out     %s, which %s brought into the mirror; sizes are of what is in this bundle\n", text.Count(l.Count, "manifest or blob", "manifests and blobs"), text.Count(len(l.From), "earlier bundle", "earlier bundles"))
	from := slices.SortedStableFunc(slices.Values(l.From), func(a, b bundle.BaselineSource) int { return cmp.Compare(b.Sequence, a.Sequence) })
	from = slices.CompactFunc(from, func(a, b bundle.BaselineSource) bool { return a.Bundle == b.Bundle })
	for _, s := range from[:min(len(from), most)] {
		line := unpack.Named(s)
		if s.Fingerprint != "" {
			line += ", fingerprint " + bundle.Fingerprint(s.Fingerprint).Grouped()
		}
		p.printf("             %s\n", line)
	}
	if n := len(from) - most; n > 0 {
		p.printf("             and %d more (-o json has all)\n", n)
	}
}

// printInspectImages writes a row for each image, and a line for each that is missing.
func printInspectImages(w io.Writer, r *inspect.Report, v view) error {
	rows := [][]string{{"ORIGIN", "IMAGE", "DIGEST", "SIZE", "ATTACHED", "PLATFORMS"}}
	for _, img := range r.Images {
		last, more := strings.Join(img.Platforms, " "), ""
		if len(img.Unknown) > 0 {
			more = "?"
		}
		switch {
		case img.Alone:
			last = "attached to " + img.Subject.String() + ", which is not in this bundle"
		case img.Subject != "":
			continue
		}
		name := v.short(img.Source.String())
		if v.columns > 0 && img.Source.Digest == img.Digest {
			name = strings.TrimSuffix(name, "@"+v.short(img.Digest.String())) // it stands beside it
		}
		size := bundle.FormatSize(img.Bytes)
		if img.LeftOut {
			size = "left out"
		}
		rows = append(rows, []string{string(img.Origin), name, v.short(img.Digest.String()), size, strconv.Itoa(img.Attached) + more, v.short(last)})
	}
	if !v.fits(rows) { // so that no name is cut
		rows = v.nameBelow(rows)
	}
	if err := v.table(w, "", rows); err != nil {
		return err
	}
	p := &printer{w: w}
	for _, g := range r.Gaps {
		p.gap(v, g)
	}
	return p.err
}

// nameBelow puts the image, which is long, where a row goes on below: before its platforms.
func (v view) nameBelow(rows [][]string) (list [][]string) {
	for i, row := range rows {
		between := map[bool]string{true: ", ", false: " "}[i == 0]
		last := len(row) - 1
		list = append(list, slices.Concat(row[:1], row[2:last], []string{strings.TrimSpace(strings.Join(pieces(row[1], v.columns-len(belowRow)), " ") + between + row[last])}))
	}
	return list
}

// manifestsReport is what inspect --manifests prints.
type manifestsReport struct {
	Bundle string         `json:"bundle"`
	Files  []manifestFile `json:"files"`
}

type manifestFile struct {
	Name string `json:"name"`
	Body string `json:"body"`
}

// readClusterYAML reads the cluster's YAML that pack put into the bundle.
func readClusterYAML(ctx context.Context, r *bundle.Reader) (*manifestsReport, error) {
	files, err := clusteryaml.Read(ctx, r)
	if err != nil {
		return nil, err
	}
	rep := &manifestsReport{Bundle: r.ID()}
	for _, f := range files {
		rep.Files = append(rep.Files, manifestFile{f.Title, string(f.Body)})
	}
	return rep, nil
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
			line = strings.TrimSuffix(line, "\n")
			if strings.ContainsFunc(line, func(r rune) bool { return isHidden(r) && r != '\t' }) {
				line = text.Printable(line) // as JSON, the report has the same bytes as the bundle
			}
			p.printf("%s\n", line)
		}
	}
	return p.err
}
