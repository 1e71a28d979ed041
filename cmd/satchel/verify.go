package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci/text"
)

func newVerify(a *app) *cobra.Command {
	var output, expect, id, lost string
	var trust trustFlags
	cmd := &cobra.Command{
		Use:   "verify DIR [DIR ...]",
		Short: "Check every byte of a bundle, without a key",
		Long: `verify reads the whole bundle in DIR from the drive and compares it with its seals:
flipped, missing, truncated, swapped and extra files are found and all listed. It
needs no key. Only --expect shows that it is the bundle that you sent, and only --trust
that somebody whom you trust has signed it.

If DIR is a drive with several bundles, all are checked, or the one that --expect
or --bundle names.

Of a bundle on several drives, name the directory of each drive: one that is missing
is an error then. A drive alone is checked by its own seal, and the report says
which others were not looked at.`,
		Args: someDirectories,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runVerify(cmd.Context(), a, trust, args, expect, id, output, lost)
		},
	}
	addExpect(cmd.Flags(), &expect)
	addTrustFlags(cmd.Flags(), &trust)
	addBundle(cmd.Flags(), &id)
	cmd.Flags().Var(givenValue{&lost, "FILE"}, "lost", "write the list of what the bundle has lost and repair cannot rebuild into `FILE`: for satchel repair --from-source on the host that packed it")
	addOutput(cmd, &output)
	return cmd
}

type verifyReport struct {
	Dir          string             `json:"dir"`
	Bundle       string             `json:"bundle"`
	Created      time.Time          `json:"created"`
	Stream       *bundle.Stream     `json:"stream,omitempty"`
	Sequence     int                `json:"sequence,omitempty"` // its number in the stream, 1 without one
	Fingerprint  bundle.Fingerprint `json:"fingerprint"`
	Signed       []signerReport     `json:"signed,omitempty"`
	NotEncrypted bool               `json:"notEncrypted,omitempty"`
	OK           bool               `json:"ok"`
	Files        int                `json:"files"`
	Bytes        int64              `json:"bytes"`
	Faults       []faultReport      `json:"faults"`
	Leftovers    []string           `json:"leftovers,omitempty"`
	Rekey        []string           `json:"unfinishedRekey,omitempty"`   // files of a rekey that was interrupted
	Signing      []string           `json:"unfinishedSigning,omitempty"` // files of a signing that was interrupted
	Adding       []string           `json:"unfinishedParity,omitempty"`  // files of an adding of parity that was interrupted
	Parity       string             `json:"parity,omitempty"`            // what parity files can rebuild, such as any 2 of 20 segments
	Remedies     []remedyReport     `json:"remedies,omitempty"`          // what satchel repair can do about the faults; of several drives, see those
	Unlisted     []string           `json:"unlisted,omitempty"`          // signature files that SHA256SUMS does not name
	LineEnds     []string           `json:"lineEnds,omitempty"`          // files whose line ends a copy has changed
	Renamed      bool               `json:"renamed,omitempty"`           // a copy has changed how names are written
	Whole        bool               `json:"whole,omitempty"`             // not ok, but what it carries is whole
	Drives       []oneDrive         `json:"drives,omitempty"`            // of a bundle on several: those that were looked at
	NotLookedAt  []oneDrive         `json:"notLookedAt,omitempty"`       // those that were not
	Rebuildable  []oneDrive         `json:"rebuildable,omitempty"`       // of these, those that satchel repair can make anew from the others
	Beyond       []lostDrive        `json:"notRebuildable,omitempty"`    // those that it cannot, although parity goes across the drives
	Problem      string             `json:"problem,omitempty"`           // of several bundles: what is wrong with this one
	Supplements  string             `json:"supplements,omitempty"`       // it is a supplement: the bundle of which it has what that has lost

	lost bundle.Lost
}

type remedyReport struct {
	File  string `json:"file"`
	From  string `json:"from,omitempty"`  // what repair rebuilds it from
	Lost  string `json:"lost,omitempty"`  // why it cannot
	Extra bool   `json:"extra,omitempty"` // it is not of the bundle
}

func remedies(list []bundle.Remedy) (reports []remedyReport) {
	for _, m := range list {
		reports = append(reports, remedyReport(m))
	}
	return reports
}

type faultReport struct {
	File string `json:"file"`
	What string `json:"what"`
}

// oneDrive is one drive of several.
type oneDrive struct {
	Drive    int            `json:"drive"`
	Of       int            `json:"of"`
	Label    string         `json:"label"`
	Dir      string         `json:"dir,omitempty"`
	OK       bool           `json:"ok"`
	Problem  string         `json:"problem,omitempty"` // why nothing of it was looked at
	Files    int            `json:"files,omitempty"`
	Bytes    int64          `json:"bytes,omitempty"`
	Faults   []faultReport  `json:"faults,omitempty"`
	Parity   string         `json:"parity,omitempty"` // what its own parity files can rebuild
	Remedies []remedyReport `json:"remedies,omitempty"`
}

func driveOf(d bundle.DriveLabel) oneDrive {
	if d.Number == 0 { // nothing says which one it is
		return oneDrive{Of: d.Of}
	}
	return oneDrive{Drive: d.Number, Of: d.Of, Label: d.Label()}
}

func runVerify(ctx context.Context, a *app, trust trustFlags, dirs []string, expect, id, output, lost string) error {
	if err := a.tellMachines(output, &ended{}); err != nil { // until there is more to say
		return err
	}
	want, err := trust.wanted(expect)
	if err != nil {
		return err
	}
	list, err := a.toVerify(dirs, wanted{want.Expect, id, want.Trust})
	if err != nil {
		return err
	}
	if len(list) > 1 && lost != "" {
		return usage(errors.New("--lost is for one bundle, and there are several"), "name one by --bundle ID, or its directory")
	}
	if len(list) > 1 {
		return a.verifyAll(ctx, dirs, list, want, output)
	}
	if len(list) == 1 {
		if len(list[0].more) == 0 { // else the report has a line for each drive
			a.chosen(dirs[0], list[0].Found, 0)
		}
		dirs = list[0].dirs()
		if list[0].unfinished() {
			return list[0].Err // it says who writes it
		}
		a.warnInUse(list[0].Found)
	}
	rep, verr := a.verify(ctx, dirs, want)
	if rep == nil {
		return verr
	}
	if lost != "" {
		verr = errors.Join(verr, a.writeLost(lost, rep))
	}
	if output == "table" {
		return errors.Join(verr, printVerify(a.stdout, *rep))
	}
	return errors.Join(verr, a.tellMachines(output, &verified{verifyReport: rep}))
}

// verify checks one bundle. There is no report if there was nothing to check.
func (a *app) verify(ctx context.Context, dirs []string, want bundle.Wanted) (*verifyReport, error) {
	total, err := bundle.SealedSize(dirs, want)
	if err != nil && !as[*bundle.DamageError](err) {
		return nil, err
	}
	bar := a.Progress("verifying", 0, total)
	r, verr := bundle.Verify(ctx, dirs, bundle.VerifyOptions{Expect: want.Expect, Trust: want.Trust, Cold: true, Progress: bar.Add})
	bar.End()
	if verr != nil && ctx.Err() == nil || r != nil && len(r.UnfinishedRekey) > 0 {
		for _, dir := range dirs {
			if busy := a.inUse(dir); busy != nil {
				return nil, busy
			}
		}
	}
	if r == nil {
		return nil, verr
	}
	rep := &verifyReport{
		Dir: r.Dir, Bundle: r.Bundle, Created: r.Created, Stream: inStream(r.Stream), Sequence: r.Sequence, Fingerprint: r.Fingerprint, OK: verr == nil, Files: r.Files, Bytes: r.Bytes,
		Faults: []faultReport{}, Leftovers: r.Leftovers, Rekey: r.UnfinishedRekey, LineEnds: r.LineEnds, Renamed: r.Renamed,
		Supplements: r.Supplements, lost: bundle.LostOf(r), NotEncrypted: r.Plain, Signed: signers(r.Signed), Signing: r.UnfinishedSigning, Adding: r.UnfinishedParity, Parity: r.Protection.String(), Remedies: remedies(r.Remedies), Unlisted: r.Unlisted,
	}
	for _, f := range r.Faults {
		rep.Faults = append(rep.Faults, faultReport{f.File, f.What})
	}
	for _, d := range r.Drives {
		one := driveOf(d.DriveLabel)
		one.Dir, one.OK, one.Files, one.Bytes = d.Dir, d.Err == nil, d.Files, d.Bytes
		for _, f := range d.Faults {
			one.Faults = append(one.Faults, faultReport{f.File, f.What})
		}
		if as[*bundle.UnfinishedError](d.Err) {
			one.Problem = d.Err.Error()
		}
		if one.Remedies = remedies(d.Remedies); r.Protection.Whole == 0 {
			one.Parity = d.Protection.String()
		}
		rep.Drives = append(rep.Drives, one)
	}
	for _, d := range r.Away {
		rep.NotLookedAt = append(rep.NotLookedAt, driveOf(d))
	}
	for _, d := range r.Rebuildable {
		rep.Rebuildable = append(rep.Rebuildable, driveOf(d))
	}
	for _, d := range r.Beyond {
		rep.Beyond = append(rep.Beyond, lostDrive{Drive: d.Number, Label: d.Label(), Lost: d.Why})
	}
	if away, ok := errors.AsType[*bundle.AwayError](verr); ok && len(r.Rebuildable) == len(r.Away) {
		verr = &notHereError{away, true}
	}
	var damage *bundle.DamageError
	if errors.As(verr, &damage) {
		rep.Whole = damage.Whole && !slices.ContainsFunc(r.Drives, func(d bundle.DriveReport) bool {
			one, ok := errors.AsType[*bundle.DamageError](d.Err)
			return ok && !one.Whole
		})
		verr = &listedError{verr, r.Remedies, r.Bundle == ""}
	}
	return rep, verr
}

// listedError is damage that verify has listed.
type listedError struct {
	err      error
	remedies []bundle.Remedy
	sealLost bool // what repair can do is not known
}

// Hint names repair where it can do something, or may.
func (e *listedError) Hint() string {
	if slices.ContainsFunc(e.remedies, func(m bundle.Remedy) bool { return m.From != "" }) {
		return "satchel repair rebuilds what is repairable, in place or with --to in another directory"
	}
	if e.sealLost {
		return "satchel repair says what can be rebuilt from second copies and from parity, and asks before it does"
	}
	return ""
}

func (e *listedError) Error() string { return e.err.Error() }
func (e *listedError) Unwrap() error { return e.err }

// printOne prints the report of one of several bundles.
func printOne(w io.Writer, r verifyReport) error {
	p := &printer{w: w}
	p.printf("directory    %s\n", text.Printable(r.Dir))
	if r.Fingerprint != "" || len(r.Faults) > 0 || len(r.Drives) > 0 {
		p.err = cmp.Or(p.err, printVerify(w, r))
	} else if r.Bundle != "" {
		p.printf("bundle       %s\n", r.Bundle)
	}
	if !r.OK && len(r.Faults) == 0 { // else those have said it
		p.printf("PROBLEM      %s\n", text.Printable(text.OneLine(r.Problem)))
	}
	p.printf("\n")
	return p.err
}

// doubt follows the fingerprint of a bundle that is not as it was written.
func (r verifyReport) doubt() string {
	switch {
	case r.OK, len(r.Faults)+len(r.LineEnds)+len(r.Rekey)+len(r.Signing)+len(r.Adding) == 0 && len(r.NotLookedAt) > 0:
		return ""
	case len(r.Faults) > 0 && !r.Whole:
		return " (of the seal; the files are damaged)"
	}
	return " (of the seal; not all files are as they were written)"
}

func printVerify(w io.Writer, r verifyReport) error {
	p := &printer{w: w}
	if r.Bundle == "" { // the seals could not be read
		for _, f := range r.Faults {
			p.printf("FAULT        %s %s\n", f.File, f.What)
		}
		return p.err
	}
	if r.Created.IsZero() { // that is on the last drive
		p.printf("bundle       %s\n", r.Bundle)
	} else {
		p.printf("bundle       %s, packed %s\n", r.Bundle, text.Minute(r.Created))
		p.stream(r.Stream, r.Sequence)
	}
	if r.Fingerprint != "" {
		p.printf("fingerprint  %s%s\n", r.Fingerprint.Grouped(), r.doubt())
	}
	p.supplements(r.Supplements)
	p.signed(r.Signed)
	p.encryption(r.NotEncrypted)
	p.printf("files        %d, %s\n", r.Files, bundle.FormatSize(r.Bytes))
	if r.Parity != "" {
		p.printf("parity       %s can be rebuilt\n", r.Parity)
	}
	for _, name := range r.Leftovers {
		p.printf("left over    %s (from an interrupted run, harmless)\n", name)
	}
	for _, name := range r.Rekey {
		p.printf("UNFINISHED   %s (of a rekey that was interrupted; run it again)\n", name)
	}
	for _, name := range r.Signing {
		p.printf("UNFINISHED   %s (of a signing that was interrupted; sign the bundle again)\n", name)
	}
	for _, name := range r.Adding {
		p.printf("UNFINISHED   %s (of a satchel parity that was interrupted; run it again: it goes on)\n", name)
	}
	if len(r.Unlisted) > 0 && len(r.Signing) == 0 {
		p.printf("not listed   %s (right, but SHA256SUMS does not name it: added by another tool than satchel sign)\n", strings.Join(r.Unlisted, ", "))
	}
	for _, name := range r.LineEnds {
		p.printf("line ends    %s (CR LF: changed by a copy)\n", name)
	}
	printDrives(p, r)
	for _, f := range r.Faults {
		if len(r.Drives) == 0 {
			p.printf("FAULT        %s %s\n", f.File, f.What)
		}
	}
	if len(r.Drives) == 0 {
		p.remedies(r.Remedies, "")
	}
	if r.Renamed {
		p.printf("names        changed by a copy; satchel understands them, sha256sum -c does not\n")
	}
	if r.Whole {
		p.printf("what it carries is whole\n")
	}
	if r.OK && len(r.NotLookedAt) == 0 {
		p.printf("every byte is as it was written\n")
	} else if r.OK {
		p.printf("every byte of this drive is as it was written\n")
		if r.Fingerprint == "" {
			p.printf("whether it is a drive of the sealed bundle, the last drive shows\n")
		}
	}
	return p.err
}

// printDrives prints what was found of each drive of several.
func printDrives(p *printer, r verifyReport) {
	for _, d := range r.Drives {
		is := "whole"
		if !d.OK {
			is = "NOT WHOLE"
		}
		if d.Drive == 0 { // nothing says which one it is
			p.printf("drive        in %s: NOT WHOLE\n", text.Printable(d.Dir))
			for _, f := range d.Faults {
				p.printf("FAULT        %s: %s %s\n", text.Printable(d.Dir), f.File, f.What)
			}
			continue
		}
		p.printf("drive        %d of %d, %s, in %s: %s, %s: %s\n", d.Drive, d.Of, d.Label, text.Printable(d.Dir), text.Count(d.Files, "file", "files"), bundle.FormatSize(d.Bytes), is)
		if d.Problem != "" {
			p.printf("PROBLEM      drive %d: %s\n", d.Drive, text.Printable(d.Problem))
		}
		for _, f := range d.Faults {
			p.printf("FAULT        drive %d: %s %s\n", d.Drive, f.File, f.What)
		}
		p.remedies(d.Remedies, fmt.Sprintf("drive %d: ", d.Drive))
		if d.Parity != "" {
			p.printf("parity       drive %d: %s can be rebuilt\n", d.Drive, d.Parity)
		}
	}
	for _, d := range r.NotLookedAt {
		p.printf("not here     drive %d of %d, %s\n", d.Drive, d.Of, d.Label)
	}
	for _, d := range r.Rebuildable {
		p.printf("repairable   drive %d, the whole of it, from the others (by satchel repair --to DIR)\n", d.Drive)
	}
	for _, d := range r.Beyond {
		p.printf("LOST         drive %d, if it does not come back: not all of it can be made anew (%s)\n", d.Drive, d.Lost)
	}
}
