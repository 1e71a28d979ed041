package main

import (
	"context"
	"errors"

	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/bundle"
)

// warnPlain says so if a bundle is not encrypted.
func (a *app) warnPlain(id string, plain bool) {
	if plain {
		a.warn("bundle %s is NOT ENCRYPTED: who has the drive can read all of it", id)
	}
}

// warnNoEncryption says what the flag means before anything is written.
func (a *app) warnNoEncryption(what string) {
	a.warn("--no-encryption: the %s is not encrypted; who has the drive can read all of it", what)
}

// openBundle opens a bundle whose content is read: not a supplement alone.
func (a *app) openBundle(ctx context.Context, dirs []string, want bundle.Wanted, ids []bundle.Identity) (*bundle.Reader, error) {
	r, err := a.openAny(ctx, dirs, want, ids)
	if err != nil {
		return nil, err
	}
	if err := r.Alone(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// openAny opens a bundle, and says so if it is not encrypted.
func (a *app) openAny(ctx context.Context, dirs []string, want bundle.Wanted, ids []bundle.Identity) (*bundle.Reader, error) {
	r, err := bundle.Open(ctx, dirs, want, ids)
	if err == nil && r.Plain() {
		a.warn("bundle %s is not encrypted: who had the drive could read all of it", r.ID())
	}
	return r, err
}

// addNoEncryption defines the flag of a bundle that anyone may read.
func addNoEncryption(f *pflag.FlagSet, plain *bool) {
	f.BoolVar(plain, "no-encryption", false, "do not encrypt the bundle: who has the drive can read all of it; for gates that refuse what they cannot look into, and drives that encrypt themselves")
}

// checkRecipients refuses to encrypt to nobody, and to encrypt to somebody what is not encrypted.
func checkRecipients(command string, to []bundle.Recipient, plain bool) error {
	switch {
	case plain && len(to) > 0:
		return usage(errors.New("--no-encryption and recipients are given, and only one of them can be meant"), "leave out --no-encryption to encrypt the bundle, or all recipients not to; of those that are configured: --no-default recipient,recipients-file")
	case !plain && len(to) == 0:
		return usage(errors.New(command+" needs a recipient"), "give recipients with -r age1... or -R FILE (satchel keygen creates one), or --passphrase")
	}
	return nil
}
