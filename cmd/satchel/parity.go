package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci/text"
)

func newParity(a *app) *cobra.Command {
	var ratio, expect, id string
	var trust trustFlags
	cmd := &cobra.Command{
		Use:   "parity --parity M/N DIR [DIR ...]",
		Short: "Add parity files to a finished bundle",
		Long: `parity adds parity files to the finished bundle in DIR: M for each N segments. Any M
segments of those, lost or damaged, can then be rebuilt by satchel repair, byte for
byte and without a key. With --parity 2/20 the bundle grows by a tenth.

It reads all segments and compares them with the seals: what is damaged already gets
no parity. What it has written is read again. The fingerprint of the bundle and its
signatures stay as they are. If it is interrupted, run it again: it goes on.

Of a bundle on several drives, name the directories of all, mounted at the same time:
if M is enough, parity then goes across the drives, and one whole drive may be lost.
On three drives that is so with --parity 10/20. Otherwise each drive gets parity of
its own.`,
		Example: `  satchel parity --parity 2/20 /run/media/me/drive
  satchel parity --parity 10/20 /mnt/drive1 /mnt/drive2 /mnt/drive3`,
		Args: someDirectories,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runParity(cmd.Context(), a, trust, ratio, args, expect, id)
		},
	}
	addParity(cmd.Flags(), &ratio)
	addExpect(cmd.Flags(), &expect)
	addTrustFlags(cmd.Flags(), &trust)
	addBundle(cmd.Flags(), &id)
	return cmd
}

func addParity(f *pflag.FlagSet, ratio *string) {
	f.Var(givenValue{ratio, "M/N"}, "parity", "write `M/N` parity files: M for each N segments, so that any M of those can be rebuilt, such as 2/20")
}

// parityRatio reads --parity, the zero value if it is not given.
func parityRatio(flag string) (r bundle.ParityRatio, err error) {
	if flag == "" {
		return r, nil
	}
	if r, err = bundle.ParseParityRatio(flag); err != nil {
		err = usage(err, "give it as --parity 2/20: 2 parity files for each 20 segments")
	}
	return r, err
}

func runParity(ctx context.Context, a *app, trust trustFlags, flag string, args []string, expect, id string) error {
	if flag == "" {
		return usage(errors.New("parity needs --parity M/N"), "2/20, for example, writes 2 parity files for each 20 segments")
	}
	ratio, err := parityRatio(flag)
	if err != nil {
		return err
	}
	want, err := trust.wanted(expect)
	if err != nil {
		return err
	}
	dirs, err := a.choose(ctx, args, wanted{want.Expect, id, want.Trust})
	if err != nil {
		return err
	}
	of, away, err := bundle.DrivesAmong(dirs)
	if err != nil {
		return err
	}
	own := false
	for _, dir := range dirs {
		has, _, err := bundle.HasParity(dir)
		if err != nil {
			return err
		}
		own = own || has
	}
	switch across := bundle.AcrossDrives(ratio, of); {
	case across && len(away) > 0 && !own: // parity of their own cannot be taken back
		return &apartError{&bundle.AwayError{Drives: away, Why: fmt.Sprintf("with --parity %s, parity goes across all %d drives", ratio, of)}}
	case across:
		return a.parity(ctx, dirs, want, ratio)
	}
	for _, dir := range dirs { // each has its own
		if err := a.parity(ctx, []string{dir}, want, ratio); err != nil {
			return err
		}
	}
	if of > 1 {
		a.info("each drive has parity of its own, and a whole drive that is lost cannot be rebuilt: that takes --parity %s, with all %d drives named together", ratio.ForDrive(of), of)
	}
	return nil
}

// apartError is of drives that are not here, and could have parity of their own.
type apartError struct{ *bundle.AwayError }

// Unwrap is the drives that are away.
func (e *apartError) Unwrap() error { return e.AwayError }

// Hint says what else can be done.
func (e *apartError) Hint() string {
	return "or give each drive parity of its own, one after another, with fewer parity files: then a whole drive that is lost cannot be rebuilt"
}

// parity adds parity files to a drive of a bundle, or to all of it, and says so.
func (a *app) parity(ctx context.Context, dirs []string, want bundle.Wanted, ratio bundle.ParityRatio) error {
	hold, err := bundle.HoldBundle(dirs[0], a.journals(), a.command())
	if as[*bundle.RefusedError](err) {
		return err
	}
	done, err := a.addParity(ctx, dirs, want, ratio)
	if err = errors.Join(err, hold.Close()); err != nil {
		return err
	}
	a.warnPlain(done.Bundle, done.Plain)
	if done.Already {
		a.info("bundle %s has parity %s already: %s can be rebuilt; nothing was added", done.Bundle, ratio, done.Protection)
		return nil
	}
	in := done.Dir
	if len(dirs) > 1 {
		in = fmt.Sprintf("%d directories", len(dirs))
	}
	a.info("added %s, %s, to bundle %s in %s", text.Count(done.Files, "parity file", "parity files"), bundle.FormatSize(done.Bytes), done.Bundle, in)
	a.info("satchel repair can rebuild %s; every segment was read, and what was written was read again", done.Protection)
	if done.Fingerprint != "" {
		a.info("its fingerprint is the same: %s", done.Fingerprint.Grouped())
	}
	return nil
}

// addParity adds parity to a bundle, across its drives if there are several, and shows how far it is.
func (a *app) addParity(ctx context.Context, dirs []string, want bundle.Wanted, ratio bundle.ParityRatio) (done *bundle.ParityReport, err error) {
	var plan *bundle.ParityReport
	if len(dirs) > 1 {
		plan, err = bundle.PlanParityAcross(dirs, want, ratio, 0)
	} else {
		plan, err = bundle.PlanParity(dirs[0], want, ratio)
	}
	if err != nil || plan.Already {
		return plan, err
	}
	bar := a.Progress("parity", 0, plan.Work)
	if len(dirs) > 1 {
		done, err = bundle.AddParityAcross(ctx, dirs, want, ratio, 0, version(), bar.Add)
	} else {
		done, err = bundle.AddParity(ctx, dirs[0], want, ratio, version(), bar.Add)
	}
	bar.End()
	for _, dir := range dirs {
		if err == nil {
			err = bundle.Release(dir)
		}
	}
	return done, err
}
