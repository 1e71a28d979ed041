package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci/text"
)

// repairOptions are the flags of repair.
type repairOptions struct {
	to, expect, id, output string
	yes                    bool
	trust                  trustFlags
	source                 sourceOptions
}

func newRepair(a *app) *cobra.Command {
	var o repairOptions
	cmd := &cobra.Command{
		Use:   "repair DIR",
		Short: "Rebuild what is damaged in a bundle, without a key",
		Long: `repair reads the whole bundle in DIR and lists what is damaged and what can be rebuilt:
segments from parity files, if the bundle has them (pack --parity, satchel parity),
small files from their second copies, and copies from their originals.

Then it asks whether to repair the bundle in place; --yes answers that. Each file is
rebuilt beside the damaged one, read again and compared with the seals before it
takes its place, and nothing else is changed: the bundle never becomes worse. With
--to it leaves DIR as it is and writes the whole bundle, repaired, into another
directory; take that for a drive that is failing, or read-only. If it is interrupted,
run it again.

What no parity file brings back, the host that packed the bundle can send after it:
with --from-source it fetches what is lost from the same registries, by digest, and
writes it into DIR as a supplement, a bundle with a fingerprint of its own. --lost is the
list that satchel verify --lost wrote inside, or the damaged bundle, if it came back.
unpack takes the damaged bundle and the supplement together. Like pack, it resumes.`,
		Example: `  satchel repair /run/media/me/drive
  satchel repair --to /srv/bundles/repaired /run/media/me/drive
  satchel repair --from-source -c imageset.yaml -r age1... --lost lost.txt /run/media/me/drive`,
		Args: exactly(1, "one directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.source.check(o); err != nil {
				return err
			}
			if o.source.on {
				return o.source.run(cmd, a, o, args[0])
			}
			return runRepair(cmd.Context(), a, o, args[0])
		},
	}
	f := cmd.Flags()
	f.Var(givenValue{&o.to, "DIR"}, "to", "leave the damaged bundle as it is, and write the repaired one into `DIR`")
	f.BoolVar(&o.yes, "yes", false, "repair in place without asking; with --from-source, do not ask whether DIR is meant where it may not be the drive")
	addExpect(f, &o.expect)
	addTrustFlags(f, &o.trust)
	addBundle(f, &o.id)
	addOutput(cmd, &o.output)
	addSource(cmd, &o.source)
	return cmd
}

// repairReport is what repair has found and done.
type repairReport struct {
	Dir         string             `json:"dir"`
	To          string             `json:"to,omitempty"` // where the repaired bundle is, if not there
	Bundle      string             `json:"bundle"`
	Fingerprint bundle.Fingerprint `json:"fingerprint"`
	Faults      []faultReport      `json:"faults"`
	Remedies    []remedyReport     `json:"remedies"`
	Repaired    bool               `json:"repaired"` // what could be rebuilt was, and was read again
	Whole       bool               `json:"whole"`    // every byte is as it was written now

	NotEncrypted bool `json:"notEncrypted,omitempty"`
}

// repairEnd is what repair prints for machines.
type repairEnd struct {
	ended
	*repairReport
}

func runRepair(ctx context.Context, a *app, o repairOptions, dir string) error {
	if err := a.tellMachines(o.output, &ended{}); err != nil { // until there is more to say
		return err
	}
	if o.yes && o.to != "" {
		return usage(errors.New("--to repairs nothing in place, and --yes is for that"), "leave out one of them")
	}
	want, err := o.trust.wanted(o.expect)
	if err != nil {
		return err
	}
	if list, err := a.found(dir, wanted{want.Expect, o.id, want.Trust}); err == nil && len(list) > 0 {
		dirs, err := a.choose(ctx, []string{dir}, wanted{want.Expect, o.id, want.Trust})
		if err != nil {
			return err
		}
		if len(dirs) == 1 {
			dir = dirs[0]
		}
	}
	hold, err := bundle.HoldBundle(dir, a.journals(), a.command())
	if as[*bundle.RefusedError](err) {
		return err
	}
	return errors.Join(a.repair(ctx, o, dir, want), hold.Close())
}

// repair shows what is damaged, and repairs what can be repaired.
func (a *app) repair(ctx context.Context, o repairOptions, dir string, want bundle.Wanted) error {
	total, err := bundle.SealedSize([]string{dir}, want)
	if err != nil {
		total = 0 // its seals are damaged: there is no total to go by
	}
	bar := a.Progress("reading", 0, total)
	r, err := bundle.FindRepair(ctx, dir, want, bar.Add)
	bar.End()
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // it was read only
	rep := &repairReport{Dir: r.Dir, Bundle: r.Bundle, Fingerprint: r.Fingerprint, Faults: []faultReport{}, Remedies: []remedyReport{}, Whole: len(r.Faults) == 0 && r.Unfinished == nil, NotEncrypted: r.Plain}
	for _, f := range r.Faults {
		rep.Faults = append(rep.Faults, faultReport{f.File, f.What})
	}
	err = a.doRepair(ctx, o, r, rep)
	rep.Remedies = append(rep.Remedies, remedies(r.Remedies)...)
	if o.output != "table" {
		return errors.Join(err, a.tellMachines(o.output, &repairEnd{repairReport: rep}))
	}
	return errors.Join(err, printRepair(a.stdout, rep))
}

func (a *app) doRepair(ctx context.Context, o repairOptions, r *bundle.Repair, rep *repairReport) error {
	if len(r.Remedies) == 0 && o.to == "" {
		return r.Unfinished
	}
	if o.to == "" && !o.yes {
		agreed, err := a.agreeRepair(ctx, r)
		if err != nil {
			return err
		}
		if !agreed {
			return &notRepairedError{&bundle.DamageError{Dir: r.Dir, Faults: r.Faults}}
		}
	}
	var err error
	if o.to != "" {
		bar := a.Progress("writing", 0, r.Size)
		err = r.Into(ctx, o.to, bar.Add)
		bar.End()
		rep.To = o.to
	} else {
		err = notInPlace(r.InPlace(ctx, nil))
	}
	if err == nil || as[*bundle.RepairError](err) || notEnded(err) {
		rep.Repaired, rep.Whole = true, err == nil
		return errors.Join(err, bundle.Release(cmp.Or(o.to, r.Dir)))
	}
	return err
}

// notInPlace adds what to do where the drive does not take what was rebuilt.
func notInPlace(err error) error {
	if as[*bundle.SpaceError](err) || as[*bundle.DriveError](err) {
		return &elsewhereError{err}
	}
	return err
}

// elsewhereError is a drive that is full or cannot be written to.
type elsewhereError struct{ error }

// Unwrap is why.
func (e *elsewhereError) Unwrap() error { return e.error }

// Hint says what to do now.
func (e *elsewhereError) Hint() string {
	return "or leave the drive as it is, and write the repaired bundle into another directory: the same command with --to DIR, without --yes"
}

// notEnded reports whether all files are what they were made, by a run that did not get to its end.
func notEnded(err error) bool {
	return as[*bundle.RekeyError](err) || as[*bundle.SigningError](err) || as[*bundle.ParityError](err)
}

// notRepairedError is damage that was listed, and left.
type notRepairedError struct{ *bundle.DamageError }

// Error says it in one line: the faults are listed already.
func (e *notRepairedError) Error() string {
	return "nothing was repaired in " + e.Dir + ", and " + text.Count(len(e.Faults), "fault was", "faults were") + " found"
}

// Unwrap is the damage.
func (e *notRepairedError) Unwrap() error { return e.DamageError }

// Hint says what to do now.
func (e *notRepairedError) Hint() string {
	return "the same command with --yes repairs it in place; with --to DIR it writes the repaired bundle into another directory"
}

// agreeRepair asks whether to repair in place, if somebody is there who can be asked.
func (a *app) agreeRepair(ctx context.Context, r *bundle.Repair) (bool, error) {
	f, ok := a.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || a.machines() {
		return false, nil
	}
	if err := printRemedies(a.stderr, remedies(r.Remedies)); err != nil {
		return false, err
	}
	agreed, err := a.ui(ctx).Confirm("Repair the bundle in "+r.Dir+"?", "yes", "no")
	if errors.Is(err, bundle.ErrNoTerminal) {
		return false, nil
	}
	return agreed, err
}

func printRemedies(w io.Writer, list []remedyReport) error {
	p := &printer{w: w}
	p.remedies(list)
	return p.err
}

// remedies prints what can be done about each file.
func (p *printer) remedies(list []remedyReport) {
	for _, m := range list {
		if m.Lost != "" {
			p.printf("LOST         %s (%s)\n", m.File, m.Lost)
		} else {
			p.printf("repairable   %s (by satchel repair, from %s)\n", m.File, m.From)
		}
	}
}

func printRepair(w io.Writer, r *repairReport) error {
	p := &printer{w: w}
	p.printf("bundle       %s\n", r.Bundle)
	if r.Fingerprint != "" {
		p.printf("fingerprint  %s\n", r.Fingerprint.Grouped())
	}
	p.encryption(r.NotEncrypted)
	for _, f := range r.Faults {
		p.printf("FAULT        %s %s\n", f.File, f.What)
	}
	if !r.Repaired {
		p.remedies(r.Remedies)
	} else {
		for _, m := range r.Remedies {
			if m.Lost != "" {
				p.printf("LOST         %s (%s)\n", m.File, m.Lost)
			} else {
				p.printf("rebuilt      %s (from %s)\n", m.File, m.From)
			}
		}
	}
	if r.To != "" && r.Repaired {
		p.printf("written to   %s\n", text.Printable(r.To))
	}
	if r.Whole {
		p.printf("every byte is as it was written\n")
	}
	return p.err
}
