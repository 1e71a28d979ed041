package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/satchel-airgap/satchel/bundle"
)

func newVerify(a *app) *cobra.Command {
	var output, expect, id, lost string
	var trust trustFlags
	var stated statementFlags
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
			return runVerify(cmd.Context(), a, trust, args, expect, id, output, lost, stated)
		},
	}
	addExpect(cmd.Flags(), &expect)
	addTrustFlags(cmd.Flags(), &trust)
	addBundle(cmd.Flags(), &id)
	cmd.Flags().Var(givenValue{&lost, "FILE"}, "lost", "write the list of what the bundle has lost and repair cannot rebuild into `FILE`: for satchel repair --from-source on the host that packed it")
	addStatementFlags(cmd.Flags(), &stated)
	addOutput(cmd, &output)
	return cmd
}

func runVerify(ctx context.Context, a *app, trust trustFlags, dirs []string, expect, id, output, lost string, stated statementFlags) error {
	if err := a.tellMachines(output, &ended{}); err != nil { // until there is more to say
		return err
	}
	want, err := trust.wanted(expect)
	if err != nil {
		return err
	}
	st, err := a.beginStatement(ctx, stated, trust, expect, dirs)
	if err != nil {
		return err
	}
	list, err := a.toVerify(dirs, wanted{want.Expect, id, want.Trust})
	if err != nil {
		return errors.Join(err, st.write(ctx, nil, err))
	}
	if len(list) > 1 && st != nil {
		return usage(errors.New("--statement is of one bundle, and there are several"), "name one by --bundle ID, or its directory")
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
			return errors.Join(list[0].Err, st.write(ctx, nil, list[0].Err)) // it says who writes it
		}
		a.warnInUse(list[0].Found)
	}
	rep, verr := a.verify(ctx, dirs, want)
	if serr := st.write(ctx, rep, verr); serr != nil {
		verr = errors.Join(verr, serr)
	}
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
	rep := newVerifyReport(r, verr)
	if away, ok := errors.AsType[*bundle.AwayError](verr); ok && len(r.Rebuildable) == len(r.Away) {
		verr = &notHereError{away, true}
	}
	if as[*bundle.DamageError](verr) {
		if rep.stays = slices.ContainsFunc(r.Remedies, func(m bundle.Remedy) bool { return m.Lost != "" && !m.Extra }); rep.stays {
			verr = &stillLostError{verr, dirs, rep.lost.Empty()}
		}
		verr = &listedError{verr, dirs, r.Remedies, r.Bundle == ""}
	}
	return rep, verr
}

// listedError is damage that verify has listed.
type listedError struct {
	err      error
	dirs     []string // that were looked at
	remedies []bundle.Remedy
	sealLost bool // what repair can do is not known
}

// Hint names repair where it can do something, or may.
func (e *listedError) Hint() string {
	if i := slices.IndexFunc(e.remedies, bundle.Remedy.Open); i >= 0 {
		return withDrives(e.dirs, e.remedies[i].Away)
	}
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

// withDrives says how to name the drives that are not here, where parity goes across them and those in dirs.
func withDrives(dirs []string, away []bundle.DriveLabel) string {
	return bundle.WithDrives(away) + ": satchel repair " + shellWords(dirs) + strings.Repeat(" DIR", len(away)) + " shows what can be rebuilt then, and asks before it does"
}

// stillLostError is damage that repair cannot mend all of.
type stillLostError struct {
	err   error
	dirs  []string // that were looked at
	light bool     // what it carries is whole, or comes back by repair
}

func (e *stillLostError) Error() string { return e.err.Error() }
func (e *stillLostError) Unwrap() error { return e.err }

// Hint says what to do about what is lost.
func (e *stillLostError) Hint() string {
	if e.light {
		return "what is LOST takes nothing from what the bundle carries, and a supplement does not bring it back: take another copy of the bundle, or go on without it"
	}
	return "for what is LOST, take another copy of the bundle, or read the drive on another host; or the host that packed it makes a supplement, by a list of what is lost (satchel verify --lost FILE " + shellWords(e.dirs) + ")"
}
