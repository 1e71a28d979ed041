package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/satchel-airgap/satchel/bundle"
)

func newVerify(a *app) *cobra.Command {
	var output, expect string
	cmd := &cobra.Command{
		Use:   "verify DIR",
		Short: "Check every byte of a bundle, without a key",
		Long: `verify reads the whole bundle in DIR from the drive and compares it with its seals:
flipped, missing, truncated, swapped and extra files are found and all listed. It
needs no key. Only --expect shows that it is the bundle that you sent.`,
		Args: exactly(1, "one directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runVerify(cmd.Context(), a, args[0], expect, output)
		},
	}
	addExpect(cmd.Flags(), &expect)
	addOutput(cmd, &output)
	return cmd
}

type verifyReport struct {
	Dir         string             `json:"dir"`
	Bundle      string             `json:"bundle"`
	Created     time.Time          `json:"created"`
	Fingerprint bundle.Fingerprint `json:"fingerprint"`
	OK          bool               `json:"ok"`
	Files       int                `json:"files"`
	Bytes       int64              `json:"bytes"`
	Faults      []faultReport      `json:"faults"`
	Leftovers   []string           `json:"leftovers,omitempty"`
	Rekey       []string           `json:"unfinishedRekey,omitempty"` // files of a rekey that was interrupted
}

type faultReport struct {
	File string `json:"file"`
	What string `json:"what"`
}

func runVerify(ctx context.Context, a *app, dir, expectFlag, output string) error {
	expect, err := parseExpect(expectFlag)
	if err == nil {
		err = checkOutput(output)
	}
	if err != nil {
		return err
	}
	total, err := bundle.SealedSize(dir)
	if err != nil && !as[*bundle.DamageError](err) {
		return err
	}
	bar := a.Progress("verifying", 0, total)
	r, verr := bundle.Verify(ctx, dir, bundle.VerifyOptions{Expect: expect, Cold: true, Progress: bar.Add})
	bar.End()
	if r == nil {
		return verr
	}
	rep := verifyReport{r.Dir, r.Bundle, r.Created, r.Fingerprint, verr == nil, r.Files, r.Bytes, []faultReport{}, r.Leftovers, r.UnfinishedRekey}
	for _, f := range r.Faults {
		rep.Faults = append(rep.Faults, faultReport{f.File, f.What})
	}
	err = printReport(a.stdout, output, rep, func(w io.Writer) error { return printVerify(w, rep) })
	if as[*bundle.DamageError](verr) {
		verr = &listedError{verr}
	}
	return errors.Join(verr, err)
}

// listedError is damage that verify has listed.
type listedError struct{ err error }

func (e *listedError) Error() string { return e.err.Error() }
func (e *listedError) Unwrap() error { return e.err }

func printVerify(w io.Writer, r verifyReport) error {
	p := &printer{w: w}
	if r.Bundle == "" { // the seals could not be read
		for _, f := range r.Faults {
			p.printf("FAULT        %s %s\n", f.File, f.What)
		}
		return p.err
	}
	p.printf("bundle       %s, packed %s\n", r.Bundle, r.Created.Format(time.RFC3339))
	p.printf("fingerprint  %s\n", r.Fingerprint.Grouped())
	p.printf("files        %d, %s\n", r.Files, bundle.FormatSize(r.Bytes))
	for _, name := range r.Leftovers {
		p.printf("left over    %s (from an interrupted run, harmless)\n", name)
	}
	for _, name := range r.Rekey {
		p.printf("UNFINISHED   %s (of a rekey that was interrupted; run it again)\n", name)
	}
	for _, f := range r.Faults {
		p.printf("FAULT        %s %s\n", f.File, f.What)
	}
	if r.OK {
		p.printf("every byte is as it was written\n")
	}
	return p.err
}
