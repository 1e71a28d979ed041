package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/copying"
)

type copyOptions struct {
	expect, bundle, output string
	trust                  trustFlags
	limitRate              int64
	link                   linkFlags
	yes                    bool
}

func newCopy(a *app) *cobra.Command {
	var o copyOptions
	cmd := &cobra.Command{
		Use:   "copy SRC [SRC ...] DEST [DEST ...] | --link DIR SRC [SRC ...]",
		Short: "Copy a bundle to another drive or disk, and read it back",
		Long: `copy copies the finished bundle in SRC, byte for byte, and takes no key. SRC is hashed
while it is read, and every byte of the copy is read back from the drive. Only then does
the copy become a bundle, with the same fingerprint and signatures. If copy is interrupted,
run it again: it goes on where it stopped.

In the root of a mounted drive the copy gets a directory of its own, satchel-ID. Any other
DEST must be new or empty, or have the same copy already, whole or not. Other files and
other bundles are never touched.

Of a bundle on several drives SRC is one drive, or has a directory for each. Each drive goes
to a DEST of its own, or all into one directory: DEST/drive-01, drive-02 and so on. If the one
DEST is the root of a mounted drive, copy asks for the next drive by its label. A bundle on
one drive goes to every DEST.

With --link DIR, copy writes the bundle in SRC as numbered files into DIR, for a one-way link
(a data diode, an upload portal) that may lose, repeat, reorder or cut them. On the other
side, satchel missing says which to send again; --only sends just those.`,
		Example: `  satchel copy /srv/staging/week-48 /run/media/me/drive
  satchel copy /run/media/me/drive /srv/bundles/week-48
  satchel copy --link /srv/diode/out /srv/staging/week-48
  satchel copy --link /srv/diode/out --only again.txt /srv/staging/week-48`,
		Args: sourceAndDestinations,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.link.dir != "" {
				return runLink(cmd.Context(), a, o, args)
			}
			return runCopy(cmd.Context(), a, o, args)
		},
	}
	addExpect(cmd.Flags(), &o.expect)
	addTrustFlags(cmd.Flags(), &o.trust)
	addBundle(cmd.Flags(), &o.bundle)
	cmd.Flags().Var(rateValue{&o.limitRate}, "limit-rate", "most bytes a second that are written, such as 10MiB or 80Mbit; 0 is no limit")
	cmd.Flags().Var(givenValue{&o.link.dir, "DIR"}, "link", "`DIR` of a one-way link that takes files from there")
	cmd.Flags().Var(givenValue{&o.link.only, "LIST"}, "only", "with --link, send only what this `LIST` names: the line that satchel missing printed, or a file with it")
	cmd.Flags().Var(someValue{sizeValue{&o.link.most}}, "max-file-size", "with --link, `SIZE` of the largest file that the link takes (default: just below 2GiB)")
	cmd.Flags().BoolVar(&o.yes, "yes", false, "do not ask whether DEST is meant where it may not be the drive; warn and go on")
	addOutcome(cmd, &o.output)
	return cmd
}

// sourceAndDestinations takes two directories or more.
func sourceAndDestinations(cmd *cobra.Command, args []string) error {
	link := cmd.Flags().Changed("link")
	if !link {
		for _, name := range []string{"only", "max-file-size"} {
			if cmd.Flags().Changed(name) {
				return usage(fmt.Errorf("--%s is about a one-way link, and there is no --link", name), "add --link DIR")
			}
		}
	}
	if link {
		return exactly(max(1, len(args)), "a directory with --link")(cmd, args)
	}
	if len(args) < 2 {
		return usage(errors.New("copy takes a directory to copy from and one to copy into"), "see satchel copy --help")
	}
	return exactly(len(args), "directories")(cmd, args)
}

// copied is what copy has done.
type copied struct {
	ended
	copying.Result
}

func runCopy(ctx context.Context, a *app, o copyOptions, args []string) error {
	said := &copied{}
	if err := a.tellMachines(o.output, said); err != nil {
		return err
	}
	want, err := o.trust.wanted(o.expect)
	if err != nil {
		return err
	}
	from, into, err := a.sources(ctx, args, wanted{want.Expect, o.bundle, want.Trust})
	if err != nil {
		return err
	}
	confirm := a.confirmPlace("Copy it there?")
	if o.yes {
		confirm = nil
	}
	done, err := copying.Run(ctx, copying.Options{
		From: from, Into: into, Want: want, State: a.journals(), Rate: o.limitRate, NextDrive: a.nextCopy(), To: a.notices(),
		Confirm: confirm, Unmounted: o.yes, Resume: func(from []string, into string) string { return a.commandOn(args, append(slices.Clone(from), into)) },
	})
	if as[*bundle.DamageError](err) {
		if busy := a.inUse(from[0]); busy != nil {
			return busy
		}
	}
	if done != nil {
		said.Result = *done
	}
	if next, ok := errors.AsType[*copying.NextDriveError](err); ok && errors.Is(err, errMidway) {
		return &interruptedError{command: next.Command} // the finished drives are not copied again
	}
	if err != nil {
		return err
	}
	if done.Fingerprint == "" {
		a.info("no fingerprint is printed: it is of the seal, which is on the last drive")
		return nil
	}
	return a.showFingerprint(done.Fingerprint)
}

// sources tells directories to copy from and destinations apart. From the left, those are
// sources that have drives of the bundle which no other had; the last one is a destination.
func (a *app) sources(ctx context.Context, args []string, w wanted) (from, into []string, err error) {
	from, err = a.choose(ctx, args[:1], w)
	if err != nil {
		return nil, nil, err
	}
	id, seen := "", map[int]bool{}
	for _, dir := range from {
		list, err := bundle.DriveDirs(dir, "")
		if err != nil || len(list) == 0 {
			//lint:ignore nilerr opening it says what is wrong
			return from, args[1:], nil
		}
		id, seen[list[0].Drive] = list[0].Bundle, true
	}
	for i := 1; i < len(args)-1; i++ {
		list, err := bundle.DriveDirs(args[i], id)
		if err != nil {
			return nil, nil, err
		}
		if len(list) > 0 && slices.Contains(from, list[0].Dir) {
			return nil, nil, &bundle.RefusedError{Dir: args[i], Reason: "it is named twice"}
		}
		others := func(d bundle.FoundDrive) bool { return seen[d.Drive] }
		if list = slices.DeleteFunc(list, others); len(list) == 0 {
			return from, args[i:], notMounted(len(from), args[i:], id, others)
		}
		for _, d := range list {
			from, seen[d.Drive] = append(from, d.Dir), true
		}
	}
	return from, args[len(args)-1:], nil
}

// notMounted misses a bundle in the first of what is taken for destinations, where one behind it has a drive that is
// not among the sources, and there are more of them than drives: a drive is not mounted where it was meant to be.
func notMounted(drives int, into []string, id string, among func(bundle.FoundDrive) bool) error {
	if drives >= len(into) {
		return nil
	}
	for _, dir := range into[1 : len(into)-1] {
		list, err := bundle.DriveDirs(dir, id)
		if err == nil && slices.ContainsFunc(list, func(d bundle.FoundDrive) bool { return !among(d) }) {
			return &bundle.NoBundleError{Dir: into[0]}
		}
	}
	return nil
}

// nextCopy asks for the next drive; nil where nobody can be asked.
func (a *app) nextCopy() func(context.Context, copying.NextDrive) error {
	if f, ok := a.stderr.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) || !term.IsTerminal(int(os.Stdin.Fd())) {
		return nil
	}
	return func(ctx context.Context, want copying.NextDrive) error {
		if want.Why != nil {
			a.warn("%v", want.Why)
		}
		if want.Finished != "" {
			a.info("unmount drive %s and remove it", want.Finished) // it may lack what its original lacks
		}
		a.info("drive %s is next: write the label on it", want.Label)
		answer, err := a.ui(ctx).Ask(fmt.Sprintf("Mount it at %s and press Enter (q: stop) ", want.Dir), false)
		if err == nil && strings.EqualFold(strings.TrimSpace(answer), "q") {
			err = errAnswer
		}
		if want.Finished != "" {
			return midway(err)
		}
		return err
	}
}
