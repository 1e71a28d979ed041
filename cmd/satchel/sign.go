package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/satchel-airgap/satchel/bundle"
)

func newSign(a *app) *cobra.Command {
	var keys signFlags
	var trust trustFlags
	var expect, id string
	cmd := &cobra.Command{
		Use:   "sign --sign-key KEY DIR",
		Short: "Add a signature to a finished bundle",
		Long: `sign adds one more signature to the finished bundle in DIR, which takes no key to its
content: so a second person can release what another one has packed. What the bundle
carries and its fingerprint stay as they are. Before it signs, it checks the seals
and the names and sizes of all files; satchel verify reads every byte. If it is
interrupted, run it again to complete it.

With --trust it signs only what those people have signed already.`,
		Example: `  satchel verify --expect FINGERPRINT /run/media/me/drive
  satchel sign --sign-key ~/.ssh/id_ed25519 --expect FINGERPRINT /run/media/me/drive`,
		Args: exactly(1, "one directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSign(cmd.Context(), a, keys, trust, args[0], expect, id)
		},
	}
	addSignFlags(cmd.Flags(), &keys)
	addExpect(cmd.Flags(), &expect)
	addTrustFlags(cmd.Flags(), &trust)
	addBundle(cmd.Flags(), &id)
	return cmd
}

func runSign(ctx context.Context, a *app, keys signFlags, trust trustFlags, dir, expect, id string) error {
	if len(keys.keys) == 0 {
		return usage(errors.New("sign needs a key to sign with"), "name it with --sign-key KEY; ssh-keygen -t ed25519 creates one")
	}
	want, err := trust.wanted(expect)
	if err != nil {
		return err
	}
	dirs, err := a.choose(ctx, []string{dir}, wanted{want.Expect, id, want.Trust})
	if err != nil {
		return err
	}
	dir = dirs[0] // the last drive, if there are several
	signers, err := keys.load(ctx, a, a.ui(ctx))
	if err != nil {
		return err
	}
	hold, err := bundle.HoldBundle(dir, a.journals(), a.command())
	if as[*bundle.RefusedError](err) {
		return err
	}
	done, err := bundle.Sign(ctx, dir, want, signers, version())
	if err = errors.Join(err, hold.Close()); err != nil {
		return err
	}
	if err := bundle.Release(dir); err != nil {
		return err
	}
	a.sayAdded(done)
	return nil
}

// warnBefore names damage that was there before something was added, nil for none.
func (a *app) warnBefore(err error) {
	if damage, ok := errors.AsType[*bundle.DamageError](err); ok {
		a.warn("%v; it was so before, and nothing that was added needs it: satchel repair %s says what can be rebuilt", err, damagedDir(damage))
	}
}

// sayAdded says what a signing did.
func (a *app) sayAdded(done *bundle.SignReport) {
	a.warnPlain(done.Bundle, done.Plain)
	a.warnBefore(done.Damage)
	for _, s := range done.Already {
		a.info("bundle %s is signed by %s already (%s): nothing was added for that key", done.Bundle, s.Key, s.File)
	}
	if len(done.Listed) > 0 {
		a.info("SHA256SUMS names %s now, which was there", strings.Join(done.Listed, ", "))
	}
	if len(done.TakenBack) > 0 {
		a.warn("a rekey of bundle %s was interrupted: %s was removed; run that rekey again", done.Bundle, strings.Join(done.TakenBack, ", "))
	}
	for _, s := range done.Added {
		a.info("signed bundle %s in %s by %s (%s)", done.Bundle, done.Dir, s.Key, s.File)
	}
	if len(done.Added) > 0 && done.Damage == nil {
		a.info("before that its seals, and the names and sizes of all its files, were right; its segments were not read: satchel verify does that")
	}
	if len(done.Added) > 0 {
		a.info("its fingerprint is the same: %s", done.Fingerprint.Grouped())
	}
}
