package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/baseline"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/ledger"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prepare"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// sinceLast is the newest bundle of the stream that is known to have arrived.
const sinceLast = "last"

func addSince(f *pflag.FlagSet, since *[]string) {
	f.StringArrayVar(since, "since", nil, "leave out what the mirror has already: by `RECEIPT`, a file that came back, or by the newest bundle of the stream that is known to have arrived (last). Several receipts of one mirror count together; of several mirrors, what all of them have")
}

// since gives what need not be carried, and the words for it; nil where there is no --since.
func (a *app) since(values []string, state, stream, from string, named bool) (prepare.Baseline, []string, error) {
	switch {
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
		known, err := baseline.OfLedger(state, stream)
		if err != nil {
			return nil, nil, err
		}
		return known, []string{sinceLast}, nil
	}
	var list []baseline.Receipt
	var words []string
	for _, name := range values {
		r, err := a.readReceipt(name)
		if err != nil {
			return nil, nil, err
		}
		list, words = append(list, r), append(words, r.Sum)
		if err := a.noteArrived(state, r); err != nil {
			return nil, nil, err
		}
	}
	slices.Sort(words)
	known, err := baseline.OfReceipts(list)
	if err != nil {
		return nil, nil, err
	}
	return known, slices.Compact(words), nil
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

// readReceipt reads one file.
func (a *app) readReceipt(name string) (baseline.Receipt, error) {
	body, err := readAtMost(name, receipt.MaxSize+1)
	if err != nil {
		return baseline.Receipt{}, usage(fmt.Errorf("read the receipt: %w", err), "name the file receipt.json that came back, or last")
	}
	r, err := receipt.Decode(body)
	var newer *oci.VersionError
	if errors.As(err, &newer) {
		newer.File = name
		return baseline.Receipt{}, newer
	}
	if err != nil {
		return baseline.Receipt{}, usage(fmt.Errorf("read the receipt %s: %w", name, err), "name the file receipt.json as unpack wrote it")
	}
	a.info("receipt %s: bundle %s in %s, %s; who wrote it was not checked", text.Printable(name), r.Bundle, text.Printable(r.Mirror.String()), text.Minute(r.Time))
	return baseline.Receipt{Receipt: r, Sum: oci.Digest(body).Encoded()}, nil
}

// readAtMost reads the beginning of a file.
func readAtMost(name string, limit int64) (body []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return io.ReadAll(io.LimitReader(f, limit))
}

// noteArrived confirms the bundle of a receipt, if this host packed it.
func (a *app) noteArrived(state string, r baseline.Receipt) error {
	if r.State != receipt.Done || r.From != receipt.FromUnpack || r.Fingerprint == "" {
		return nil
	}
	c, err := ledger.Confirm(state, r.Fingerprint, ledger.ByReceipt)
	var unknown *ledger.UnknownError
	switch {
	case errors.As(err, &unknown):
		return nil
	case err == nil && !c.Before:
		a.info("the receipt shows that bundle %d of the stream %s arrived", c.Bundle.Sequence, c.Stream)
	}
	return err
}
