package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/baseline"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/ledger"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prepare"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// sinceLast is the newest bundle of the stream that is known to have arrived.
const sinceLast = "last"

func addSince(f *pflag.FlagSet, since *[]string) {
	f.StringArrayVar(since, "since", nil, "leave out what the mirror has already: by `RECEIPT`, a file that came back, or by the newest bundle of the stream that is known to have arrived (last). Several receipts of one mirror count together; of several mirrors, what all of them have")
}

func addSites(f *pflag.FlagSet, sites *int) {
	f.IntVar(sites, "sites", 0, "with --since last: count on nothing unless bundles are known to have arrived at `N` sites; then on what each of them has")
}

// sinceFlags say by what it is known what a mirror has.
type sinceFlags struct {
	values  []string // of --since
	signers trustFlags
	sites   int
}

// since gives what need not be carried, and the words for it; nil where there is no --since.
func (a *app) since(f sinceFlags, state, stream, from string, named bool, h *manifests.Hub) (prepare.Baseline, []string, error) {
	values := f.values
	trust, err := f.signers.load()
	switch {
	case err != nil:
		return nil, nil, err
	case trust != nil && f.signers.typed() && (len(values) == 0 || slices.Contains(values, sinceLast)):
		return nil, nil, usage(errors.New("--trust is for receipts: it says who must have signed those that --since names"), "name a receipt with --since, or leave out --trust")
	case f.sites != 0 && (f.sites < 0 || !slices.Equal(values, []string{sinceLast})):
		return nil, nil, usage(errors.New("--sites is for --since last, and at least 1"), "receipts name their sites themselves")
	case len(values) == 0:
		return nil, nil, nil
	case slices.Contains(values, ""):
		return nil, nil, usage(errors.New("--since is empty"), "name a receipt, or last; in a script, the variable for it may not be set")
	case slices.Contains(values, sinceLast) && len(values) > 1:
		return nil, nil, usage(errors.New("--since last goes with no other --since"), "name receipts alone, or last alone")
	case values[0] == sinceLast:
		if err := sameConfig(state, stream, from, named); err != nil {
			return nil, nil, err
		}
		return a.sinceLast(state, stream, f.sites)
	}
	var list []baseline.Receipt
	var words []string
	for _, name := range values {
		r, err := a.readReceipt(name, trust)
		if err != nil {
			return nil, nil, err
		}
		if err := notOfHub(h, state, r); err != nil {
			return nil, nil, err
		}
		list, words = append(list, r), append(words, r.Sum)
		if err := a.noteArrived(state, r); err != nil {
			return nil, nil, err
		}
	}
	a.warnPartial(list)
	slices.Sort(words)
	known, err := baseline.OfReceipts(state, list)
	if err != nil {
		return nil, nil, err
	}
	for _, mirror := range known.Alike() {
		a.warn("the receipts of %s do not show that they are of one mirror, as if two sites had mirrors of that name: only what each of them names is left out", text.Printable(mirror))
	}
	return known, slices.Compact(words), nil
}

// warnPartial warns of mirrors of which only receipts of a part of the images were named.
func (a *app) warnPartial(list []baseline.Receipt) {
	for i, r := range list {
		at := func(o baseline.Receipt) bool { return o.Mirror == r.Mirror }
		if slices.IndexFunc(list, at) == i && !slices.ContainsFunc(list, func(o baseline.Receipt) bool { return at(o) && !o.Partial }) {
			a.warn("of %s only receipts of bundles with a part of the images (--only) are named: what earlier bundles brought is carried again, unless their receipts are named too", text.Printable(r.Mirror.String()))
		}
	}
}

// sinceLast counts on the ledger, and says at which sites bundles arrived.
func (a *app) sinceLast(state, stream string, sites int) (prepare.Baseline, []string, error) {
	known, err := baseline.OfLedger(state, stream, sites)
	if err != nil {
		return nil, nil, err
	}
	l, err := ledger.Read(state, stream)
	if err != nil {
		return nil, nil, err
	}
	switch at := l.ArrivedAt(); {
	case l.SiteList() == "":
	case len(at) == 1:
		a.info("counting on what one site has: %s", text.Printable(l.SiteList()))
	default:
		a.info("counting on what all sites have: %s", text.Printable(l.SiteList()))
		a.warnSites(at, sites)
	}
	return known, []string{sinceLast}, nil
}

// sameConfig refuses the ledger of a stream that another configuration was packed for, unless
// the stream was named.
func sameConfig(state, stream, from string, named bool) error {
	l, err := ledger.Read(state, stream)
	if err != nil || l == nil || named || l.Config == "" || l.Config == from {
		return err
	}
	return usage(fmt.Errorf("the stream %s was packed from %s until now, and this is %s", stream, place(l.Config), place(from)),
		fmt.Sprintf("if it is the same site's, say so (--stream %s); else name another stream", stream))
}

// untrustedError says that a receipt counts only for who does not ask who signed it.
type untrustedError struct {
	File string
	Err  *bundle.TrustError
}

func (e *untrustedError) Error() string {
	return fmt.Sprintf("read the receipt %s: %v", text.Printable(e.File), e.Err)
}

// Permanent is true: the file stays what it is.
func (e *untrustedError) Permanent() bool { return true }

// Hint says what to do now.
func (e *untrustedError) Hint() string {
	return fmt.Sprintf("bring the signatures that lie beside it (%s), or have it signed inside", receipt.SignatureFile(text.Printable(filepath.Base(e.File)), 0))
}

// readReceipt reads one file; with trust, somebody who is trusted must have signed it.
func (a *app) readReceipt(name string, trust *bundle.Trust) (baseline.Receipt, error) {
	none := baseline.Receipt{}
	one, err := receipt.Open(name, trust)
	var format *receipt.FormatError
	var newer *oci.VersionError
	var untrusted *bundle.TrustError
	switch {
	case errors.As(err, &newer):
		newer.File = name
		return none, newer
	case errors.As(err, &untrusted):
		return none, &untrustedError{name, untrusted}
	case errors.As(err, &format):
		return none, usage(fmt.Errorf("read the receipt %s: %w", name, format), "name the file receipt.json as unpack wrote it")
	case err != nil:
		return none, usage(fmt.Errorf("read the receipt: %w", err), "name the file receipt.json that came back, or last")
	}
	r, err := one.Load()
	if err != nil {
		return none, err
	}
	who := "who wrote it was not checked"
	if trust != nil {
		list := make([]string, len(one.Signed))
		for i, s := range one.Signed {
			list[i] = s.Principals
		}
		who = "signed by " + text.Some(list, 5)
	}
	a.info("receipt %s: bundle %s in %s, %s; %s", text.Printable(name), r.Bundle, text.Printable(r.Mirror.String()), text.Minute(r.Time), who)
	return baseline.Receipt{Receipt: r, Sum: one.Digest.Encoded()}, nil
}

// noteArrived confirms the bundle of a receipt, if this host packed it.
func (a *app) noteArrived(state string, r baseline.Receipt) error {
	if r.State != receipt.Done || r.From != receipt.FromUnpack || r.Fingerprint == "" {
		return nil
	}
	c, err := ledger.Confirm(state, r.Fingerprint, ledger.Arrival{Mirror: r.Mirror.String(), First: r.Site(r.Digest()), How: ledger.ByReceipt})
	var unknown *ledger.UnknownError
	var which *ledger.WhichSiteError
	switch {
	case errors.As(err, &unknown):
		return nil
	case errors.As(err, &which):
		a.warn("that a bundle arrived is not noted for --since last: %v; satchel confirm --site NAME with the receipt notes it", err)
		return nil
	case err == nil && !c.Before:
		a.info("the receipt shows that bundle %d of the stream %s arrived; noted as site %s", c.Bundle.Sequence, c.Stream, text.Printable(c.Site))
	}
	return err
}
