package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/copying"
)

type copyOptions struct {
	expect, bundle, output string
	trust                  trustFlags
	limitRate              int64
}

func newCopy(a *app) *cobra.Command {
	var o copyOptions
	cmd := &cobra.Command{
		Use:   "copy SRC DEST [DEST ...]",
		Short: "Copy a bundle to another drive or disk, and read it back",
		Long: `copy copies the finished bundle in SRC, byte for byte, and takes no key. SRC is hashed
while it is read, and every byte of the copy is read back from the drive. Only then does
the copy become a bundle, with the same fingerprint and signatures. If copy is interrupted,
run it again: it goes on where it stopped.

In the root of a mounted drive the copy gets a directory of its own, satchel-ID. Any other
DEST must be new or empty, or have the same copy already, whole or not. Other files and
other bundles are never touched. With several DEST, each gets a copy.`,
		Example: `  satchel copy /srv/staging/week-48 /run/media/me/drive
  satchel copy /run/media/me/drive /srv/bundles/week-48`,
		Args: sourceAndDestinations,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runCopy(cmd.Context(), a, o, args)
		},
	}
	addExpect(cmd.Flags(), &o.expect)
	addTrustFlags(cmd.Flags(), &o.trust)
	addBundle(cmd.Flags(), &o.bundle)
	cmd.Flags().Var(rateValue{&o.limitRate}, "limit-rate", "most bytes a second that are written, such as 10MiB or 80Mbit; 0 is no limit")
	addOutcome(cmd, &o.output)
	return cmd
}

// sourceAndDestinations takes two directories or more.
func sourceAndDestinations(cmd *cobra.Command, args []string) error {
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
	from, err := a.choose(ctx, args[0], wanted{want.Expect, o.bundle, want.Trust})
	if err != nil {
		return err
	}
	done, err := copying.Run(ctx, copying.Options{
		From: []string{from}, Into: args[1:], Want: want, State: a.journals(), Rate: o.limitRate, To: a.notices(),
	})
	if as[*bundle.DamageError](err) {
		if busy := a.inUse(from); busy != nil {
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
