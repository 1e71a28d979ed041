package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
	"github.com/satchel-airgap/satchel/oci/text"
)

func newMissing(a *app) *cobra.Command {
	var expect, id, list, output string
	var trust trustFlags
	cmd := &cobra.Command{
		Use:   "missing DIR",
		Short: "Say which files of a one-way link have not arrived",
		Long: `missing looks at the files that a one-way link (a data diode, an upload portal) has put
into DIR, and says which ones of a bundle are missing, cut or changed. Files are known by
their content, so that they may have come in any order, more than once, and under other
names. It prints a short list, to be carried or read out to the other side: there,
satchel copy --link DIR --only LIST SRC sends just those again. It needs no key.

What is whole it moves into DIR/satchel-ID. When all is there, that is the bundle: it is read
back, and its fingerprint printed. Run missing as often as you like.`,
		Example: `  satchel missing --list again.txt /srv/diode/in`,
		Args:    exactly(1, "one directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runMissing(cmd.Context(), a, args[0], expect, id, trust, list, output)
		},
	}
	addExpect(cmd.Flags(), &expect)
	addTrustFlags(cmd.Flags(), &trust)
	cmd.Flags().Var(givenValue{&id, "ID"}, "bundle", "of several bundles that arrive, the one with this `ID`")
	cmd.Flags().Var(givenValue{&list, "FILE"}, "list", "`FILE` that the list of what is missing is written to")
	addOutcome(cmd, &output)
	return cmd
}

// missing is what missing has found.
type missing struct {
	ended
	Bundle      string             `json:"bundle"` // its ID, or the first characters where no manifest has arrived
	Fingerprint bundle.Fingerprint `json:"fingerprint,omitempty"`
	Dir         string             `json:"dir,omitempty"` // where the bundle is, or will be
	Complete    bool               `json:"complete"`
	Files       int                `json:"files"` // that the bundle is sent in; 0 where no manifest has arrived
	Bytes       int64              `json:"bytes"`
	Here        int                `json:"here"`
	HereBytes   int64              `json:"hereBytes"`
	NotSent     []string           `json:"notSent,omitempty"` // labels of the bundle's drives that were not sent
	Missing     []int              `json:"missing,omitempty"`
	List        string             `json:"list,omitempty"` // of what is to be sent again
	Wrong       []faultReport      `json:"wrong,omitempty"`

	NotEncrypted bool `json:"notEncrypted,omitempty"`
}

// missingError says that a bundle has not arrived as a whole.
type missingError struct {
	dir     string
	arrival *bundle.Arrival
}

func (e *missingError) Error() string {
	if e.arrival.Files == 0 && e.arrival.Found == 0 {
		return "nothing of a bundle has arrived in " + e.dir
	}
	if e.arrival.Files == 0 {
		return fmt.Sprintf("%s here, and no manifest has arrived: nobody can say what is missing", text.Count(e.arrival.Found, "file is", "files are"))
	}
	return fmt.Sprintf("%s missing of bundle %s", text.Count(len(e.arrival.Missing), "file is", "files are"), e.arrival.Bundle)
}

// Hint says what to do now.
func (e *missingError) Hint() string {
	switch {
	case e.arrival.Files == 0 && e.arrival.Found == 0:
		return "is this where the link puts files down, and is it mounted? On the other side: satchel copy --link DIR SRC"
	case e.arrival.Files == 0:
		hint := fmt.Sprintf("have it sent again from the other side: satchel copy --link DIR --only %q SRC; %s", e.arrival.List.String(), sizeOfFirst)
		if e.arrival.Bundle == "" {
			hint += "; none of the files has the name that it was sent with: is this where the link puts them down?"
		}
		return hint
	}
	return fmt.Sprintf("have them sent again from the other side: satchel copy --link DIR --only %q SRC", e.arrival.List.String())
}

func runMissing(ctx context.Context, a *app, dir, expect, id string, trust trustFlags, file, output string) error {
	said := &missing{}
	if err := a.tellMachines(output, said); err != nil {
		return err
	}
	want, err := trust.wanted(expect)
	if err != nil {
		return err
	}
	arrival, err := a.receive(ctx, dir, bundle.ReceiveOptions{Wanted: want, Bundle: id})
	known := arrival != nil || err == nil
	if arrival == nil {
		err, arrival = cmp.Or(err, error(&missingError{dir, &bundle.Arrival{}})), &bundle.Arrival{}
	}
	said.fill(arrival, err == nil)
	if known && arrival.Files == 0 {
		said.List = arrival.List.String() // the manifest
	}
	if file != "" && known { // an old list would be sent again; where nothing is known, an empty one would say that all has arrived
		if werr := writeList(file, said.List); werr != nil {
			return errors.Join(err, werr)
		}
	}
	for _, n := range arrival.Notes {
		a.warn("%s", text.Printable(n))
	}
	if err != nil {
		return err
	}
	if !said.Complete {
		err = &missingError{dir, arrival}
	}
	if !a.machines() {
		err = cmp.Or(printMissing(a.stdout, *said), err)
	}
	if said.Complete {
		a.warnPlain(arrival.Bundle, arrival.Plain)
		a.info("everything has arrived: the bundle is in %s", arrival.Dir)
		return cmp.Or(err, a.showFingerprint(arrival.Fingerprint))
	}
	return err
}

// receive looks at what has arrived, and shows how far it is.
func (a *app) receive(ctx context.Context, dir string, opts bundle.ReceiveOptions) (*bundle.Arrival, error) {
	var bar notice.Progress
	opts.Begin = func(total int64) { bar = a.Progress("reading what has arrived", 0, total) }
	opts.Progress = func(n int64) { bar.Add(n) }
	arrival, err := bundle.Receive(ctx, dir, opts)
	if bar != nil {
		bar.End()
	}
	return arrival, err
}

func (m *missing) fill(a *bundle.Arrival, whole bool) {
	m.Bundle, m.Fingerprint, m.Dir, m.Files, m.Bytes, m.Here, m.HereBytes, m.Missing = a.Bundle, a.Fingerprint, a.Dir, a.Files, a.Bytes, a.Here, a.HereBytes, a.Missing
	m.NotSent, m.NotEncrypted = bundle.Labels(a.Away), a.Plain
	m.Complete = whole && a.Files > 0 && len(a.Missing) == 0
	if !m.Complete && len(a.Missing) > 0 {
		m.List = a.List.String()
	}
	for _, w := range a.Wrong {
		m.Wrong = append(m.Wrong, faultReport{w.File, w.What})
	}
}

func printMissing(w io.Writer, m missing) error {
	p := &printer{w: w}
	for _, f := range m.Wrong {
		p.printf("WRONG        %s %s\n", text.Printable(f.File), text.Printable(f.What))
	}
	if m.Complete {
		return p.err // stdout has the fingerprint alone
	}
	if m.Bundle != "" {
		p.printf("bundle       %s\n", m.Bundle)
	}
	p.encryption(m.NotEncrypted)
	if m.Files > 0 {
		p.printf("arrived      %d of %d files, %s of %s\n", m.Here, m.Files, bundle.FormatSize(m.HereBytes), bundle.FormatSize(m.Bytes))
	}
	for _, label := range m.NotSent {
		p.printf("not sent     drive %s\n", label)
	}
	p.printf("send again   %s\n", m.List)
	return p.err
}

// writeList writes the list, in a line; none if nothing is missing.
func writeList(file, list string) error {
	if list != "" {
		list += "\n"
	}
	if err := os.WriteFile(file, []byte(list), 0o644); err != nil {
		return &bundle.DriveError{Op: "write the list of what is missing to", Path: file, Err: err}
	}
	return nil
}
