package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci/text"
)

func newList(a *app) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "list DRIVE",
		Short: "List the bundles on a drive",
		Long: `list finds the bundles in DRIVE and in the directories up to two levels below it, of
any name, and shows of each the directory, the ID, when it was packed, its size,
whether it is sealed, and its sequence number. It needs no key and reads seals
alone: satchel verify checks every byte.`,
		Example: "  satchel list /run/media/me/drive",
		Args:    exactly(1, "one directory"),
		RunE: func(_ *cobra.Command, args []string) error {
			return runList(a, args[0], output)
		},
	}
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
	Problem  string     `json:"problem,omitempty"`
}

func runList(a *app, dir, output string) error {
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
		}
		rep.Bundles = append(rep.Bundles, b)
	}
	return printReport(a.stdout, output, rep, func(w io.Writer) error { return printList(w, rep) })
}

func printList(w io.Writer, r listReport) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "DIRECTORY\tBUNDLE\tPACKED\tSIZE\tSEALED\tSEQ")
	problems := &strings.Builder{}
	for _, b := range r.Bundles {
		name, err := filepath.Rel(r.Dir, b.Dir)
		if err != nil {
			name = b.Dir
		}
		id, packed, sealed, seq := "-", "-", "no", "-"
		if b.Bundle != "" {
			id = b.Bundle
		}
		if b.Created != nil {
			packed = b.Created.UTC().Format(time.DateOnly)
		}
		if b.Sealed {
			sealed = "yes"
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
