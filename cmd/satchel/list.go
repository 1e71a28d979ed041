package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

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
size, whether it is sealed, and the sequence number that its seal has (SEQ): 1 for
a bundle that has all of its content, as every bundle has today. It needs no key
and reads seals alone: satchel verify checks every byte.`,
		Example: "  satchel list /run/media/me/drive",
		Args:    exactly(1, "one directory"),
		RunE: func(_ *cobra.Command, args []string) error {
			return runList(a, args[0], output, wide)
		},
	}
	cmd.Flags().BoolVar(&wide, "wide", false, "print whole IDs; always so where stdout is no terminal")
	addOutput(cmd, &output)
	return cmd
}

// listReport is what list prints.
type listReport struct {
	Dir     string         `json:"dir"`
	Bundles []listedBundle `json:"bundles"`
}

type listedBundle struct {
	Dir      string     `json:"dir"`
	Bundle   string     `json:"bundle,omitempty"` // its ID, if that can be read
	Created  *time.Time `json:"created,omitempty"`
	Bytes    int64      `json:"bytes"`
	Sealed   bool       `json:"sealed"`
	Sequence int        `json:"sequence,omitempty"`
	Running  bool       `json:"beingWritten,omitempty"` // by another process of this host
	Problem  string     `json:"problem,omitempty"`
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
		b := listedBundle{Dir: f.Dir, Bundle: f.Bundle, Bytes: f.Size, Sealed: f.Sealed, Sequence: f.Sequence}
		if !f.Created.IsZero() {
			b.Created = &f.Created
		}
		if f.Err != nil {
			b.Problem = f.Err.Error()
			unfinished, ok := errors.AsType[*bundle.UnfinishedError](f.Err)
			b.Running = ok && unfinished.Running
		}
		rep.Bundles = append(rep.Bundles, b)
	}
	return printReport(a.stdout, output, rep, func(w io.Writer) error { return printList(w, rep, a.ids(rep, wide)) })
}

// shortestID is how much of an ID a table on a terminal has at least.
const shortestID = 8

// ids is how the table writes IDs: whole, or, on a terminal, as far as they differ.
func (a *app) ids(r listReport, wide bool) func(string) string {
	f, ok := a.stdout.(*os.File)
	if wide || !ok || !term.IsTerminal(int(f.Fd())) {
		return func(id string) string { return id }
	}
	return shortIDs(r)
}

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

func printList(w io.Writer, r listReport, short func(string) string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "DIRECTORY\tBUNDLE\tPACKED (UTC)\tSIZE\tSEALED\tSEQ")
	problems := &strings.Builder{}
	for _, b := range r.Bundles {
		name, err := filepath.Rel(r.Dir, b.Dir)
		if err != nil {
			name = b.Dir
		}
		id, packed, sealed, seq := "-", "-", "no", "-"
		if b.Bundle != "" {
			id = short(b.Bundle)
		}
		if b.Created != nil {
			packed = strings.TrimSuffix(text.Minute(*b.Created), " UTC") // the head has it
		}
		if b.Sealed {
			sealed = "yes"
		} else if b.Running {
			sealed = "being written"
		}
		if b.Sequence > 0 {
			seq = fmt.Sprint(b.Sequence)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", text.Printable(name), id, packed, bundle.FormatSize(b.Bytes), sealed, seq)
		if b.Problem != "" && b.Sealed {
			fmt.Fprintf(problems, "%s: %s\n", text.Printable(name), text.Printable(b.Problem))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, problems.String())
	return err
}
