package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/ledger"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci/text"
)

// confirming is a bundle that confirm is to note, and by what its arrival is known.
type confirming struct {
	digits string // of its fingerprint
	at     ledger.Arrival
}

// toConfirm reads the arguments of confirm: fingerprints, and files of receipts that came back.
func (a *app) toConfirm(args []string, by trustFlags, site string) (list []confirming, err error) {
	trust, err := by.load()
	if err != nil {
		return nil, err
	}
	var slips []string
	for _, arg := range args {
		if !isFile(arg) {
			slips = append(slips, arg)
			continue
		}
		r, err := a.readReceipt(arg, trust)
		if err != nil {
			return nil, err
		}
		if err := arrival(arg, r.Receipt); err != nil {
			return nil, err
		}
		list = append(list, confirming{r.Fingerprint, ledger.Arrival{Site: site, Mirror: r.Mirror.String(), First: r.Site(r.Digest()), How: ledger.ByReceipt}})
	}
	if trust != nil && len(list) == 0 && by.typed() {
		return nil, usage(errors.New("--trust is for receipts: a slip is not signed"), "name a receipt that came back, or leave out --trust")
	}
	digits, err := fingerprints(slips)
	if err != nil {
		return nil, usage(err, "give it as it stands on the slip, or name the file receipt.json that came back")
	}
	for _, d := range digits {
		list = append(list, confirming{d, ledger.Arrival{Site: site, How: ledger.BySlip}})
	}
	return list, nil
}

// isFile tells a receipt from a fingerprint, and from its groups.
func isFile(arg string) bool {
	if _, err := ledger.ParseBeginning(arg); err == nil {
		return false
	}
	if strings.ContainsRune(arg, os.PathSeparator) || strings.HasSuffix(arg, ".json") {
		return true
	}
	info, err := os.Stat(arg)
	return err == nil && info.Mode().IsRegular()
}

// arrival refuses a receipt that does not show that a bundle arrived.
func arrival(file string, r *receipt.Receipt) error {
	file = text.Printable(file)
	switch {
	case r.State != receipt.Done:
		return usage(fmt.Errorf("confirm %s: it was written before bundle %s was pushed, and does not show that it arrived", file, r.Bundle), "name the receipt.json that unpack wrote at its end")
	case r.From != receipt.FromUnpack:
		return usage(fmt.Errorf("confirm %s: it does not come from unpack, but is %s", file, r.From), "give the fingerprint of the bundle, once it is known to have arrived")
	case r.Fingerprint == "":
		return usage(errors.New("confirm "+file+": it does not say which bundle it is of"), "give the fingerprint of the bundle")
	}
	return nil
}
