package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

type receiptOptions struct {
	placeFlags
	reader      readerFlags
	ledger      string
	outDir      string
	output      string
	wide        bool
	endIntent   string
	adopt, yes  bool
	notInMirror bool
	sign        signFlags
	registry    registryFlags
}

func newReceipt(a *app) *cobra.Command {
	var o receiptOptions
	cmd := &cobra.Command{
		Use:   "receipt --to HOST[:PORT][/NAMESPACE] [DIR ...]",
		Short: "Fetch the receipts of a mirror, or rebuild one",
		Long: `receipt lists what unpack has kept of a mirror: one receipt for each bundle, with
what the bundle needs there and what of that satchel pushed. They are read from
the mirror and from this host. -o json lists every digest with its size,
repositories, tags and mark (pushed or found). --output-dir writes the receipts
as files.

With DIR and a key, or with --ledger, the receipt is rebuilt: what the bundle needs
is compared with the mirror. What is there is marked as found, so that pack and check
can build on it; it is never satchel's to remove. --adopt lists what would become
satchel's, asks, and marks it as pushed.

--end-intent is for a run of unpack that was killed, where the bundle will never be
unpacked again: what it was about to push, and is there, is satchel's. It is for when
no unpack of that bundle runs.`,
		Example: "  satchel receipt --to mirror.example:5000/ocp --output-dir receipts\n  satchel receipt --to mirror.example:5000/ocp -i inside.key /run/media/me/drive",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runReceipt(cmd, a, o, args)
		},
	}
	f := cmd.Flags()
	addPlaceFlags(f, &o.placeFlags)
	addReaderFlags(f, &o.reader)
	f.StringVar(&o.ledger, "ledger", "", "rebuild from what this packing host's ledger of `STREAM` knows of a bundle (--bundle, else the newest that arrived)")
	f.StringVar(&o.outDir, "output-dir", "", "write the receipts as files into `DIR`, each named after its bundle")
	f.BoolVar(&o.adopt, "adopt", false, "make what a rebuilt receipt found satchel's, after it was listed: prune may remove it later")
	f.BoolVar(&o.yes, "yes", false, "adopt without asking")
	f.BoolVar(&o.notInMirror, "no-mirror-receipt", false, "keep a rebuilt receipt on this host alone")
	f.StringVar(&o.endIntent, "end-intent", "", "end what a killed unpack left open of a bundle: `ID` is that of the bundle, or of the intent")
	addSignFlags(f, &o.sign)
	addWide(f, &o.wide)
	addOutput(cmd, &o.output)
	addRegistryFlags(f, &o.registry, "dest")
	return cmd
}

func runReceipt(cmd *cobra.Command, a *app, o receiptOptions, args []string) error {
	ctx := cmd.Context()
	if err := checkOutput(o.output); err != nil {
		return err
	}
	place, err := o.place("receipt")
	if err != nil {
		return err
	}
	rebuilt := len(args) > 0 || o.ledger != ""
	switch {
	case len(args) > 0 && o.ledger != "":
		return usage(errors.New("a receipt is rebuilt from a bundle or from a ledger, not from both"), "leave out DIR or --ledger")
	case o.endIntent != "" && (rebuilt || o.adopt || o.reader.bundle != ""):
		return usage(errors.New("--end-intent goes with no DIR, --ledger, --adopt or --bundle"), "name the bundle, or the intent, with --end-intent alone")
	case !rebuilt && o.adopt:
		return usage(errors.New("--adopt is for a receipt that is rebuilt"), "name the directory of a bundle, or --ledger STREAM")
	case !rebuilt && o.endIntent == "" && (o.notInMirror || len(o.sign.keys) > 0):
		return usage(errors.New("--no-mirror-receipt and --sign-key are for a receipt that is rebuilt, or that ends an intent"), "name the directory of a bundle, --ledger STREAM, or --end-intent ID")
	case o.yes && !o.adopt:
		return usage(errors.New("--yes is for --adopt"), "")
	}
	client := o.registry.client(a)
	defer client.Close()
	j := &receiptJob{app: a, cmd: cmd, receiptOptions: o, client: client, place: place, mirror: transport.NewMirror(client, place, 8)}
	j.keeper = receipt.Keeper{Mirror: j.mirror, Repo: receipt.RepoIn(place)}
	if state, err := xdg("XDG_STATE_HOME", ".local/state"); err == nil {
		j.keeper.Dir = receipt.HostDir(state, place)
	}
	if j.keeper.Trust, err = o.reader.trust.load(); err != nil {
		return err
	}
	switch {
	case o.endIntent != "":
		return j.endIntents(ctx)
	case rebuilt:
		return j.rebuild(ctx, args)
	}
	return j.list(ctx)
}

// receiptJob is one run of receipt.
type receiptJob struct {
	*app
	cmd *cobra.Command
	receiptOptions
	client *transport.Client
	mirror *transport.Mirror
	place  oci.Mirror
	keeper receipt.Keeper
}

// history reads what is kept, and says what does not count.
func (j *receiptJob) history(ctx context.Context) (*receipt.History, error) {
	h, err := j.keeper.History(ctx)
	if err != nil {
		return nil, err
	}
	if h.Host != nil {
		j.warn("%v", h.Host)
	}
	if h.Refused != nil {
		j.warn("only receipts of this host are listed: the mirror does not say which it has: %s", text.Joined(h.Refused.Error()))
	}
	for _, odd := range h.Odd {
		j.warn("a receipt does not count: %s", text.Joined(odd.Error()))
	}
	return h, nil
}

func (j *receiptJob) list(ctx context.Context) error {
	h, err := j.history(ctx)
	if err != nil {
		return err
	}
	chosen := h.Done
	if j.reader.bundle != "" {
		if chosen = h.Of(j.reader.bundle); len(chosen) == 0 {
			return errors.Join(append([]error{fmt.Errorf("read receipts: neither %s nor this host has one of bundle %s", j.place, j.reader.bundle)}, h.Odd...)...)
		}
	}
	if len(chosen) == 0 && len(h.Odd) > 0 {
		return errors.Join(h.Odd...)
	}
	if err := j.writeFiles(chosen); err != nil {
		return err
	}
	rep := receiptsReport{Mirror: j.place.String(), Receipts: []receiptReport{}, endLine: func(id string) string { return j.endLine(j.cmd, id) }}
	for _, one := range chosen {
		r, err := j.report(ctx, h, one)
		if err != nil {
			return err
		}
		rep.Receipts = append(rep.Receipts, r)
	}
	for _, open := range h.Open() {
		if j.reader.bundle == "" || open.Head.Bundle == j.reader.bundle {
			rep.Open = append(rep.Open, headReport(open))
		}
	}
	return j.print(rep)
}

func (j *receiptJob) print(rep receiptsReport) error {
	v := j.view(j.wide)
	return printReport(j.stdout, j.output, rep, func(w io.Writer) error {
		return v.print(w, func(w io.Writer) error { return printReceipts(w, rep, v) })
	})
}

// writeFiles writes receipts and their signatures into --output-dir.
func (j *receiptJob) writeFiles(list []*receipt.Kept) error {
	if j.outDir == "" {
		return nil
	}
	if _, err := bundle.MakeDir(j.outDir); err != nil {
		return fmt.Errorf("write receipts: %w", err)
	}
	names := map[string]bool{}
	for _, one := range slices.Backward(list) { // the oldest has the bundle's name alone
		body, err := one.Body()
		if err != nil {
			return err
		}
		name := one.Head.Bundle + ".json"
		for n := 2; names[name]; n++ {
			name = fmt.Sprintf("%s.%d.json", one.Head.Bundle, n)
		}
		names[name] = true
		if err := writeReceipt(j.outDir, name, body, one.Signatures()); err != nil {
			return fmt.Errorf("write receipts: %w", err)
		}
	}
	j.info("wrote %s into %s", text.Count(len(list), "receipt", "receipts"), j.outDir)
	return nil
}
