package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/baseline"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/changes"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

type diffOptions struct {
	unpackOptions
	since  string
	output string
}

func newDiff(a *app) *cobra.Command {
	var o diffOptions
	cmd := &cobra.Command{
		Use:   "diff -i KEY DIR --to HOST[:PORT][/NAMESPACE] | --since RECEIPT | DIR2",
		Short: "Show what a bundle would change",
		Long: `diff opens the bundle in DIR and shows what it would change: images that are new, tags
that name another image there, releases, and for each catalog the packages, channels
and versions that come and go. It compares with what the mirror of --to has, with the
receipt that unpack has written of a mirror (receipt.json), or with another bundle, in
DIR2, as if the mirror had exactly that. Nothing is written.

A receipt does not say what is in a catalog: there, only that its tag moves is shown.`,
		Example: `  satchel diff -i inside.key --to mirror.example:5000/ocp /run/media/me/drive
  satchel diff -i inside.key /run/media/me/drive lastweek`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				return nil
			}
			return checkCount(cmd, args, 1, "one or two directories")
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runDiff(cmd.Context(), a, o, args) },
	}
	f := cmd.Flags()
	addReaderFlags(f, &o.reader)
	addPlaceFlags(f, &o.placeFlags)
	f.StringVar(&o.since, "since", "", "compare with this receipt `FILE`")
	f.IntVar(&o.parallelLayers, "parallel-images", 8, "how many images, `N`, the mirror is asked for at once")
	f.BoolVar(&o.moveTagsBack, "move-tags-back", false, "as for unpack: tags that a newer bundle has set move too")
	addAttachmentsFlag(f, &o.attachments)
	addWide(f, &o.wide)
	addOutput(cmd, &o.output)
	addRegistryFlags(f, &o.registry, "dest")
	return cmd
}

func runDiff(ctx context.Context, a *app, o diffOptions, args []string) error {
	ways := len(args) - 1
	for _, given := range []string{o.to, o.since} {
		if given != "" {
			ways++
		}
	}
	if ways != 1 {
		return usage(errors.New("diff compares a bundle with one thing: a mirror, a receipt, or another bundle"), "name one of --to HOST[:PORT][/NAMESPACE], --since RECEIPT, DIR2")
	}
	if err := checkOutput(o.output); err != nil {
		return err
	}
	c, err := o.compare(ctx, a, args)
	if err != nil {
		return err
	}
	return a.printChanges(c, o.output, o.wide)
}

func (o diffOptions) compare(ctx context.Context, a *app, args []string) (c *changes.Changes, err error) {
	if o.to != "" {
		o.dryRun, o.verify = true, "none"
		err := o.open(ctx, a, "diff", args[:1], func(r *bundle.Reader, client *transport.Client, job unpack.Options) (err error) {
			c, err = unpack.Changes(ctx, r, client, job)
			return err
		})
		return c, err
	}
	var since *receipt.Receipt
	if o.since != "" {
		if since, err = readReceipt(o.since); err != nil {
			return nil, err
		}
	}
	want, ids, err := o.reader.parse(a.ui(ctx))
	if err != nil {
		return nil, err
	}
	chosen, err := a.chooseToRead(ctx, args[:1], wanted{want.Expect, o.reader.bundle, want.Trust})
	if err != nil {
		return nil, err
	}
	r, err := a.openChoice(chosen, func(dirs []string) (*bundle.Reader, error) { return a.openBundle(ctx, dirs, want, ids) })
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if since != nil {
		return changes.ToReceipt(ctx, r, since, o.moveTagsBack), nil
	}
	if chosen, err = a.chooseToRead(ctx, args[1:], wanted{}); err != nil {
		return nil, err
	}
	other, err := a.openChoice(chosen, func(dirs []string) (*bundle.Reader, error) {
		return a.openBundle(ctx, dirs, bundle.Wanted{Trust: want.Trust, Plain: want.Plain}, ids)
	})
	if err != nil {
		return nil, fmt.Errorf("the other bundle: %w", err)
	}
	defer func() { err = errors.Join(err, other.Close()) }()
	c, err = changes.ToBundle(ctx, r, other, o.moveTagsBack)
	return c, unpack.Blamed(r, err)
}

// readReceipt reads a receipt that stands in a file.
func readReceipt(file string) (*receipt.Receipt, error) {
	body, err := durable.Read(file, receipt.MaxSize)
	if err != nil {
		return nil, usage(fmt.Errorf("read the receipt: %w", err), "unpack writes it into its output directory, as "+receipt.File)
	}
	r, err := receipt.Decode(body)
	if newer, is := errors.AsType[*oci.VersionError](err); is {
		newer.File = file
		return nil, newer
	}
	if err != nil {
		return nil, fmt.Errorf("read the receipt %s: %w", text.Printable(file), err)
	}
	if r.State != receipt.Done {
		return nil, fmt.Errorf("read the receipt %s: %w", text.Printable(file), &baseline.IntentError{Bundle: r.Bundle, Mirror: r.Mirror.String()})
	}
	if r.From == receipt.Pruned {
		return nil, fmt.Errorf("read the receipt %s: %w", text.Printable(file), &baseline.PrunedError{Mirror: r.Mirror.String()})
	}
	return r, nil
}
