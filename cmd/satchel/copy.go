package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/copying"
)

type copyOptions struct {
	expect, bundle, output string
	trust                  trustFlags
	limitRate              int64
	link                   linkFlags
}

func newCopy(a *app) *cobra.Command {
	var o copyOptions
	cmd := &cobra.Command{
		Use:   "copy SRC DEST [DEST ...] | --link DIR SRC",
		Short: "Copy a bundle to another drive or disk, and read it back",
		Long: `copy copies the finished bundle in SRC, byte for byte, and takes no key. SRC is hashed
while it is read, and every byte of the copy is read back from the drive. Only then does
the copy become a bundle, with the same fingerprint and signatures. If copy is interrupted,
run it again: it goes on where it stopped.

In the root of a mounted drive the copy gets a directory of its own, satchel-ID. Any other
DEST must be new or empty, or have the same copy already, whole or not. Other files and
other bundles are never touched. With several DEST, each gets a copy.

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
				return runLink(cmd.Context(), a, o, args[0])
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
		return exactly(1, "one directory with --link")(cmd, args)
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
	from, err := a.choose(ctx, args[:1], wanted{want.Expect, o.bundle, want.Trust})
	if err != nil {
		return err
	}
	done, err := copying.Run(ctx, copying.Options{
		From: from, Into: args[1:], Want: want, State: a.journals(), Rate: o.limitRate, To: a.notices(),
	})
	if as[*bundle.DamageError](err) {
		if busy := a.inUse(from[0]); busy != nil {
			return busy
		}
	}
	if done != nil {
		said.Result = *done
	}
	if err != nil {
		return err
	}
	return a.showFingerprint(done.Fingerprint)
}
