package main

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci/text"
)

func newList(a *app) *cobra.Command {
	var output string
	var wide bool
	cmd := &cobra.Command{
		Use:   "list DRIVE",
		Short: "List the bundles on a drive",
		Long: `list finds the bundles in DRIVE and in the directories up to two levels below it, of
any name, and shows of each the directory, the ID, when it was packed (UTC), its
size, whether it is sealed, the stream that it belongs to, and its number there (SEQ):
the bundles that one host packs of one configuration are counted. Of a bundle on
several drives it says which drive this is. It needs no key and reads seals alone:
satchel verify checks every byte.`,
		Example: "  satchel list /run/media/me/drive",
		Args:    exactly(1, "one directory"),
		RunE: func(_ *cobra.Command, args []string) error {
			return runList(a, args[0], output, wide)
		},
	}
	cmd.Flags().BoolVar(&wide, "wide", false, "print whole IDs and names of directories; always so where stdout is no terminal")
	addOutput(cmd, &output)
	return cmd
}

// listReport is what list prints.
type listReport struct {
	Dir     string         `json:"dir"`
	Bundles []listedBundle `json:"bundles"`
}

type listedBundle struct {
	Dir          string         `json:"dir"`
	Bundle       string         `json:"bundle,omitempty"` // its ID, if that can be read
	Created      *time.Time     `json:"created,omitempty"`
	Bytes        int64          `json:"bytes"`
	Sealed       bool           `json:"sealed"`
	Stream       *bundle.Stream `json:"stream,omitempty"`
	Sequence     int            `json:"sequence,omitempty"`
	Signed       []signerReport `json:"signed,omitempty"` // nobody has asked whose keys they are
	NotEncrypted bool           `json:"notEncrypted,omitempty"`
	Drive        int            `json:"drive,omitempty"` // its number, in a bundle on several
	Of           int            `json:"of,omitempty"`
	Label        string         `json:"label,omitempty"`
	Supplements  string         `json:"supplements,omitempty"`  // the damaged bundle that it is a supplement of
	Running      bool           `json:"beingWritten,omitempty"` // by another process of this host
	Problem      string         `json:"problem,omitempty"`
}

func runList(a *app, dir, output string, wide bool) error {
	if err := checkOutput(output); err != nil {
		return err
	}
	list, err := a.found(dir, wanted{})
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return &bundle.NoBundleError{Dir: dir}
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	rep := listReport{Dir: abs}
	for _, f := range list {
		b := listedBundle{Dir: f.Dir, Bundle: f.Bundle, Bytes: f.Size, Sealed: f.Sealed && !(f.Running && f.Err != nil), Sequence: f.Sequence, NotEncrypted: f.Plain, Running: f.Running}
		if !f.Created.IsZero() {
			b.Created = &f.Created
		}
		if f.Of > 0 {
			b.Drive, b.Of, b.Label = f.Drive, f.Of, bundle.DriveLabel{Bundle: f.Bundle, Number: f.Drive, Of: f.Of}.Label()
		}
		b.Supplements = f.Supplements
		b.Stream, b.Signed = inStream(f.Stream), signers(f.Signed)
		if f.Err != nil {
			b.Problem = f.Err.Error()
		}
		rep.Bundles = append(rep.Bundles, b)
	}
	v := a.view(wide)
	return printReport(a.stdout, output, rep, func(w io.Writer) error {
		return v.print(w, func(w io.Writer) error { return printList(w, rep, v) })
	})
}

// shortestID is how much of an ID a table on a terminal has at least; it has more of IDs that
// are alike so far.
const shortestID = 8

func shortIDs(r listReport) func(string) string {
	n := shortestID
	for seen := map[string]string{}; ; n++ {
		clear(seen)
		alike := slices.ContainsFunc(r.Bundles, func(b listedBundle) bool {
			short := b.Bundle[:min(n, len(b.Bundle))]
			other, ok := seen[short]
			seen[short] = b.Bundle
			return ok && other != b.Bundle
		})
		if !alike {
			return func(id string) string { return id[:min(n, len(id))] }
		}
	}
}

func printList(w io.Writer, r listReport, v view) error {
	short := func(id string) string { return id }
	if v.columns > 0 {
		short = shortIDs(r)
	}
	rows := [][]string{{"DIRECTORY", "BUNDLE", "PACKED (UTC)", "SIZE", "SEALED", "STREAM", "SEQ"}}
	problems, streams := &strings.Builder{}, &strings.Builder{}
	for _, b := range r.Bundles {
		name, err := filepath.Rel(r.Dir, b.Dir)
		if err != nil {
			name = b.Dir
		}
		name = text.Printable(name)
		rows = append(rows, []string{name, short(cmp.Or(b.Bundle, "-")), b.packed(), bundle.FormatSize(b.Bytes), b.sealed(), b.stream(), b.sequence()})
		if b.Stream != nil {
			fmt.Fprintf(streams, "%s: bundle %d of the stream %s\n", name, b.Sequence, b.Stream)
		}
		if b.Supplements != "" {
			fmt.Fprintf(problems, "%s: a supplement of bundle %s: it has what that one has lost\n", name, b.Supplements)
		}
		if b.NotEncrypted {
			fmt.Fprintf(problems, "%s: NOT ENCRYPTED\n", name)
		}
		if b.Of > 0 {
			fmt.Fprintf(problems, "%s: drive %d of %d, labelled %s\n", name, b.Drive, b.Of, b.Label)
		}
		for _, s := range b.Signed {
			fmt.Fprintf(problems, "%s: signed by %s\n", name, s.describe(false))
		}
		if b.Problem != "" && b.Sealed {
			fmt.Fprintf(problems, "%s: %s\n", name, text.Printable(b.Problem))
		}
	}
	if v.fits(rows) {
		streams.Reset()
	} else { // they have lines of their own
		for i, row := range rows {
			rows[i] = slices.Delete(row, len(row)-2, len(row)-1)
		}
	}
	if err := v.table(w, "", rows); err != nil {
		return err
	}
	_, err := io.WriteString(w, streams.String()+problems.String())
	return err
}

// packed is the cell that says when; the head of its column names the time zone.
func (b listedBundle) packed() string {
	if b.Created == nil {
		return "-"
	}
	return strings.TrimSuffix(text.Minute(*b.Created), " UTC")
}

func (b listedBundle) sealed() string {
	switch {
	case b.Sealed && b.Running:
		return "yes, in use"
	case b.Sealed:
		return "yes"
	case b.Running:
		return "being written"
	}
	return "no"
}

func (b listedBundle) stream() string {
	if b.Stream == nil {
		return "-"
	}
	return b.Stream.Name
}

func (b listedBundle) sequence() string {
	if b.Sequence == 0 {
		return "-"
	}
	return fmt.Sprint(b.Sequence)
}
