package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/ledger"
	"github.com/satchel-airgap/satchel/oci/text"
)

func newConfirm(a *app) *cobra.Command {
	var output string
	var wide bool
	var trust trustFlags
	var sites siteNames
	cmd := &cobra.Command{
		Use:   "confirm [FINGERPRINT|RECEIPT ...]",
		Short: "Note that bundles arrived, or list the bundles of this host's streams",
		Long: `confirm notes in the ledger of this host that the bundle with FINGERPRINT arrived
inside, for sites that send nothing back but a slip of paper. The first 16 digits
are enough; spaces, and capitals or not, do not matter. Where receipts come back,
name the file: RECEIPT is receipt.json as unpack wrote it, and confirms its bundle.
It is run on the packing host, by the user who packs.

Where one bundle goes to several sites, say at which one it arrived (--site): then
--since last counts on what each site has. A receipt names its mirror.

Without arguments it lists the streams of this host with all of their bundles:
number, when each was finished, what it carries, whether it is known to have
arrived, fingerprint.`,
		Example: "  satchel confirm\n  satchel confirm 9075aba7 11a62192\n  satchel confirm receipt.json",
		RunE: func(_ *cobra.Command, args []string) error {
			if sites.gone != "" {
				return forgetSite(a, args, sites)
			}
			return runConfirm(a, args, trust, sites.site, output, wide)
		},
	}
	addSiteNames(cmd.Flags(), &sites)
	addReceiptTrust(cmd.Flags(), &trust, "receipt")
	addWide(cmd.Flags(), &wide)
	addOutput(cmd, &output)
	return cmd
}

// confirmReport is what confirm prints of what it noted.
type confirmReport struct {
	Confirmed []confirmedBundle `json:"confirmed"`
}

type confirmedBundle struct {
	Stream bundle.Stream `json:"stream"`
	ledgerBundle
	Before bool      `json:"before"` // it was known before, of the same site
	At     time.Time `json:"at"`     // when it became known, of that site
	Newest int       `json:"newest"` // number of the newest one of the stream that is known to have arrived
	// SiteList says which bundle each site has, "bundle 3 at north, bundle 2 at south".
	SiteList string `json:"siteList,omitempty"`
}

// ledgerReport is what confirm lists.
type ledgerReport struct {
	Streams []ledgerStream `json:"streams"`
}

type ledgerStream struct {
	Stream  bundle.Stream  `json:"stream"`
	Config  string         `json:"config"`
	Next    int            `json:"next"` // the number of the next bundle
	Bundles []ledgerBundle `json:"bundles"`
	// SiteList says which bundle each site has, "bundle 3 at north, bundle 2 at south".
	SiteList string `json:"siteList,omitempty"`
}

type ledgerBundle struct {
	ledger.Bundle
	Kept bool `json:"contentKept"` // the ledger still knows what it needs
}

func runConfirm(a *app, args []string, trust trustFlags, site, output string, wide bool) error {
	if err := checkOutput(output); err != nil {
		return err
	}
	state, err := xdg("XDG_STATE_HOME", ".local/state")
	if err != nil {
		return usage(fmt.Errorf("find the directory of the ledgers: %w", err), "set HOME or XDG_STATE_HOME")
	}
	v := a.view(wide)
	if len(args) == 0 && site != "" {
		return usage(errors.New("--site says where a bundle arrived, and none is named"), "name its fingerprint, or its receipt")
	}
	if len(args) == 0 {
		return listLedgers(a, state, output, v)
	}
	wanted, err := a.toConfirm(args, trust, site)
	if err != nil {
		return err
	}
	if len(wanted) == 0 {
		return usage(errors.New("confirm: the fingerprint is empty"), "in a script, the variable for it may not be set")
	}
	rep := confirmReport{Confirmed: []confirmedBundle{}}
	var errs []error
	for _, w := range wanted {
		c, err := ledger.Confirm(state, w.digits, w.at)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		rep.Confirmed = append(rep.Confirmed, confirmedBundle{c.Stream, ledgerBundle{c.Bundle, c.Bundle.Content != ""}, c.Before, c.At, c.Newest.Sequence, c.Sites})
	}
	if len(rep.Confirmed) > 0 {
		errs = append(errs, printReport(a.stdout, output, rep, func(w io.Writer) error { return printConfirmed(w, rep) }))
	}
	return errors.Join(errs...)
}

// fingerprints takes arguments apart: each is a fingerprint or its beginning, or one of the
// groups that a fingerprint is printed in.
func fingerprints(args []string) (list []string, err error) {
	open := "" // groups so far
	end := func() {
		if open != "" {
			list, open = append(list, open), ""
		}
	}
	for _, arg := range args {
		group := strings.NewReplacer(" ", "", ":", "", "-", "").Replace(arg)
		if len(group) >= 16 {
			end()
			list = append(list, arg)
			continue
		}
		if open += group; len(open) >= 64 {
			end()
		}
	}
	end()
	for i, s := range list {
		if list[i], err = ledger.ParseBeginning(s); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func printConfirmed(w io.Writer, r confirmReport) error {
	p := &printer{w: w}
	for _, c := range r.Confirmed {
		p.printf("bundle       %d of the stream %s, packed %s\n", c.Sequence, c.Stream, text.Minute(c.Sealed))
		p.printf("fingerprint  %s\n", c.Fingerprint.Grouped())
		if c.Before {
			p.printf("arrived      known since %s\n", text.Minute(c.At))
		} else {
			p.printf("arrived      noted now, %s\n", text.Minute(c.At))
		}
		switch {
		case strings.Contains(c.SiteList, ", "):
			p.printf("sites        %s: --since last counts on what all of them have\n", text.Printable(c.SiteList))
		case c.Newest != c.Sequence:
			p.printf("newest       bundle %d is newer and is known to have arrived too: --since last counts on that one\n", c.Newest)
		case c.Kept:
			p.printf("newest       of the stream that is known to have arrived: --since last leaves out %s\n", needs(c.Count))
		default:
			p.printf("newest       of the stream that is known to have arrived, but what it needs is not kept any more: --since last cannot count on it\n")
		}
	}
	return p.err
}

// needs says how much a bundle needs in a mirror.
func needs(c ledger.Count) string {
	return fmt.Sprintf("%s, %s, %s, %s", text.Count(c.Images, "image", "images"), text.Count(c.Manifests, "manifest", "manifests"), text.Count(c.Blobs, "blob", "blobs"), bundle.FormatSize(c.Bytes))
}

func listLedgers(a *app, state, output string, v view) error {
	list, err := ledger.All(state)
	rep := ledgerReport{Streams: []ledgerStream{}}
	for _, l := range list {
		s := ledgerStream{l.Stream(), l.Config, l.Next, []ledgerBundle{}, l.SiteList()}
		for _, b := range l.Bundles {
			s.Bundles = append(s.Bundles, ledgerBundle{b, b.Content != ""})
		}
		rep.Streams = append(rep.Streams, s)
	}
	if len(list) == 0 && err == nil {
		a.info("this host has packed no bundle of a stream yet, or not as this user: there is no ledger in %s", text.Printable(state))
	}
	perr := printReport(a.stdout, output, rep, func(w io.Writer) error {
		return v.print(w, func(w io.Writer) error { return printLedgers(w, rep, v) })
	})
	return errors.Join(err, perr)
}

func printLedgers(w io.Writer, r ledgerReport, v view) error {
	p := &printer{w: w}
	for i, s := range r.Streams {
		if i > 0 {
			p.printf("\n")
		}
		p.printf("stream       %s, of %s; the next bundle is number %d\n", s.Stream, place(s.Config), s.Next)
		if s.SiteList != "" {
			p.printf("sites        %s\n", text.Printable(s.SiteList))
		}
		rows := [][]string{{"SEQ", "BUNDLE", "PACKED (UTC)", "NEEDS", "ARRIVED (UTC)", "FINGERPRINT"}}
		for _, b := range s.Bundles {
			rows = append(rows, []string{strconv.Itoa(b.Sequence), b.Bundle.Bundle, minute(b.Sealed, "not finished"), bundle.FormatSize(b.Count.Bytes), minute(b.Confirmed, "-"), b.Fingerprint.Grouped()})
		}
		if len(rows) > 1 && p.err == nil {
			p.err = v.table(w, "", rows)
		}
	}
	return p.err
}

// minute is a cell of a time, whose time zone the head of the column names.
func minute(t time.Time, none string) string {
	if t.IsZero() {
		return none
	}
	return strings.TrimSuffix(text.Minute(t), " UTC")
}
