package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci/text"
)

// signFlags are the keys of those who sign.
type signFlags struct{ keys []string }

func addSignFlags(f *pflag.FlagSet, s *signFlags) {
	f.StringArrayVar(&s.keys, "sign-key", nil, "sign with `FILE`, an OpenSSH ed25519 private key, or its .pub file while the private key is in ssh-agent (may be given more than once: several signers)")
}

// load opens the keys, each once, and makes a signature with each. It asks for passphrases.
func (s signFlags) load(ctx context.Context, a *app, ui *bundle.UI) (list []*bundle.Signer, err error) {
	for _, name := range s.keys {
		if strings.HasPrefix(strings.TrimSpace(name), "-----BEGIN") {
			return nil, usage(errors.New("a private key was given where the name of a file belongs"),
				"name the file of the key; what was typed now stands in the shell's history and in the process list")
		}
		signer, err := bundle.LoadSigner(ctx, name, ui)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(list, func(o *bundle.Signer) bool { return o.Fingerprint() == signer.Fingerprint() }); i >= 0 {
			a.warn("%s and %s are the same key: it signs once", text.Printable(list[i].File()), text.Printable(name))
			continue
		}
		list = append(list, signer)
	}
	return list, nil
}

// trustFlags are whose signatures are asked for.
type trustFlags struct {
	files   []string
	revoked []string
	need    int
	given   func() bool // whether --signatures was
	typed   func() bool // whether --trust was, on the command line
}

func addTrustFlags(f *pflag.FlagSet, t *trustFlags) {
	f.StringArrayVar(&t.files, "trust", nil, "refuse any bundle that nobody in `FILE` has signed: allowed signers, as ssh-keygen(1) describes them (may be given more than once)")
	addTrustDetails(f, t)
}

// addTrustDetails adds the flags that say more about --trust.
func addTrustDetails(f *pflag.FlagSet, t *trustFlags) {
	f.IntVar(&t.need, "signatures", 1, "with --trust: how many different signers, `N`, must have signed")
	f.StringArrayVar(&t.revoked, "revoked", nil, "with --trust: no signature counts by a key in `FILE`, a key revocation list of ssh-keygen -k, or public keys, one a line (may be given more than once)")
	t.given = func() bool { return f.Changed("signatures") }
	t.typed = func() bool { return typed(f.Lookup("trust")) }
}

// addReceiptTrust adds the same flags for the receipts that a command takes, as it calls them.
func addReceiptTrust(f *pflag.FlagSet, t *trustFlags, receipt string) {
	f.StringArrayVar(&t.files, "trust", nil, "refuse any "+receipt+" that nobody in `FILE` has signed: allowed signers, as ssh-keygen(1) describes them; signatures lie beside the receipt, as RECEIPT.sig (may be given more than once)")
	addTrustDetails(f, t)
}

// load reads the files, nil if there are none.
func (t trustFlags) load() (*bundle.Trust, error) {
	switch {
	case len(t.files) == 0 && t.given():
		return nil, usage(errors.New("--signatures counts those whom --trust names, and there is no --trust"), "add --trust FILE")
	case len(t.files) == 0 && len(t.revoked) > 0:
		return nil, usage(errors.New("--revoked takes back keys of those whom --trust names, and there is no --trust"), "add --trust FILE")
	case len(t.files) == 0:
		return nil, nil
	case t.need < 1:
		return nil, usage(fmt.Errorf("--signatures %d: it must be at least 1", t.need), "")
	case slices.Contains(t.files, ""):
		return nil, usage(errors.New("--trust: it is empty"), "name a file of allowed signers") // as an unset variable makes it
	case slices.Contains(t.revoked, ""):
		return nil, usage(errors.New("--revoked: it is empty"), "name a list of revoked keys")
	}
	trust, err := bundle.LoadTrust(t.files, t.need)
	if err != nil {
		return nil, err
	}
	return trust, trust.Revoke(t.revoked)
}

// wanted reads which bundle is meant.
func (t trustFlags) wanted(expect string) (want bundle.Wanted, err error) {
	if want.Expect, err = parseExpect(expect); err == nil {
		want.Trust, err = t.load()
	}
	return want, err
}

// signerReport is a signature of a bundle, for machines.
type signerReport struct {
	File       string `json:"file"`
	Key        string `json:"key"`
	Principals string `json:"principals,omitempty"` // whose key it is, if --trust says so
	Revoked    string `json:"revoked,omitempty"`    // the file of --revoked that has the key
}

func signers(list []bundle.Signed) (rep []signerReport) {
	for _, s := range list {
		rep = append(rep, signerReport{s.File, s.Key, s.Principals, s.Revoked})
	}
	return rep
}

// describe says whose signature it is, as far as that was asked for.
func (s signerReport) describe(asked bool) string {
	switch {
	case s.Revoked != "":
		return s.Key + " (does not count: revoked by " + s.Revoked + ")"
	case s.Principals != "":
		return fmt.Sprintf("%s (%s)", s.Key, s.Principals)
	case asked:
		return s.Key + " (does not count: not among the allowed signers, or not valid)"
	}
	return s.Key + " (not checked whose key it is: --trust FILE)"
}

// signed prints who has signed a bundle.
func (p *printer) signed(list []signerReport) {
	asked := asks(list)
	for _, s := range list {
		p.printf("signed by    %s\n", s.describe(asked))
	}
}

// encryption says where there is none.
func (p *printer) encryption(none bool) {
	if none {
		p.printf("NOT ENCRYPTED: who has the drive can read all of it\n")
	}
}

// asks reports whether it was asked whose signatures they are: then one at least counts.
func asks(list []signerReport) bool {
	return slices.ContainsFunc(list, func(s signerReport) bool { return s.Principals != "" })
}

// saySigned says on stderr who has signed the bundle that is read.
func (a *app) saySigned(r *bundle.Reader) {
	list := signers(r.Signed())
	asked := asks(list)
	for _, s := range list {
		a.info("bundle %s is signed by %s", r.ID(), s.describe(asked))
	}
}
