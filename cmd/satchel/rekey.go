package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/satchel-airgap/satchel/bundle"
)

func newRekey(a *app) *cobra.Command {
	var reader readerFlags
	var to recipientFlags
	cmd := &cobra.Command{
		Use:   "rekey -i KEY -r RECIPIENT DIR [DIR ...]",
		Short: "Let someone else open a bundle too",
		Long: `rekey opens the bundle in DIR with a key that it has (-i, --passphrase or
--passphrase-file) and adds recipients (-r, -R, --new-passphrase or
--new-passphrase-file). It writes only small files: what the bundle carries and
its fingerprint stay as they are, and whoever could open it still can. It never
takes a recipient away. If it is interrupted, run it again to complete it. Of a bundle
on several drives all must be there: name the directory of each.

Post-quantum and classic recipients are never mixed in one bundle.`,
		Example: `  satchel rekey -i inside.key -r age1... /run/media/me/drive
  satchel rekey -i inside.key --new-passphrase /run/media/me/drive`,
		Args: someDirectories,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runRekey(cmd.Context(), a, reader, to, args)
		},
	}
	addKeyFlags(cmd.Flags(), &reader)
	addRecipientFlags(cmd.Flags(), &to, "new-")
	return cmd
}

func runRekey(ctx context.Context, a *app, reader readerFlags, flags recipientFlags, dirs []string) error {
	ui := a.ui(ctx)
	to, err := flags.parse(ui)
	if err != nil {
		return err
	}
	if len(to) == 0 {
		return usage(errors.New("rekey needs new recipients"), "give them with -r, -R, --new-passphrase or --new-passphrase-file")
	}
	want, ids, err := reader.parse(ui)
	if err != nil {
		return err
	}
	dirs, err = a.choose(ctx, dirs, wanted{want.Expect, reader.bundle, want.Trust})
	if err != nil {
		return err
	}
	hold, err := bundle.HoldBundle(dirs[0], a.journals(), a.command())
	if as[*bundle.RefusedError](err) {
		return err
	}
	done, err := bundle.Rekey(ctx, dirs, want, ids, to)
	if err = errors.Join(err, hold.Close()); err != nil {
		return err
	}
	a.warnBefore(done.Damage)
	for _, r := range done.Already {
		a.info("%s already can open bundle %s: nothing was added for it", r.Text, done.Bundle)
	}
	if len(done.Files) == 0 {
		return nil
	}
	a.info("added %s to bundle %s in %s: the new recipients can open it too", strings.Join(done.Files, ", "), done.Bundle, done.Dir)
	a.info("its fingerprint is the same: %s", done.Fingerprint.Grouped())
	return nil
}
