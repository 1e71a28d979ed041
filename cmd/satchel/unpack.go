package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

type unpackOptions struct {
	placeFlags
	reader          readerFlags
	parallelLayers  int
	dryRun          bool
	noMirrorReceipt bool
	sign            signFlags
	attachments     string
	verify          string
	restart         bool
	allowShrink     bool
	output          string
	report          *unpack.Report // nil for render
	tagChildren     bool
	moveTagsBack    bool
	keepGoing       bool
	gaps            string
	tmpdir          string
	wide            bool
	registry        registryFlags
	site            siteFlags
}

func newUnpack(a *app) *cobra.Command {
	var o unpackOptions
	cmd := &cobra.Command{
		Use:   "unpack -i KEY --to HOST[:PORT][/NAMESPACE] DIR [DIR ...]",
		Short: "Push a bundle into the mirror registry",
		Long: `unpack opens the bundle in DIR with a key and pushes what the mirror registry does
not have yet: blobs first, in the order as stored on the drive, then
manifests, then tags. Nothing is written to the drive, and no layer to any disk.
Interrupted in any way, the same command pushes what is still missing.

An image keeps its path: quay.io/example/app:1.0 becomes
HOST/NAMESPACE/example/app:1.0, with the same digest. A release goes to
openshift/release-images and openshift/release there.

Of a bundle on several drives, the last one comes first, then the others in any
order: all at once, each with its DIR, or one after another into the same DIR. unpack
asks for them by their labels, if the mirror lacks something that they have. While
the last drive is out, its manifests are kept in --tmpdir, encrypted. If a drive is lost,
--keep-going pushes the images that are whole without it. A damaged bundle and a
supplement of it (repair --from-source) are read together: name the directories of both.

With --output-dir, and when the mirror has every image, unpack writes the YAML
that makes a cluster pull from the mirror, with APPLY.md, the steps to
apply it in order.`,
		Example: "  satchel unpack -i inside.key --to mirror.example:5000/ocp --node-authfile node-auth.json --output-dir cluster /run/media/me/drive",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil // see runUnpack
			}
			return someDirectories(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return runUnpack(cmd.Context(), a, o, args)
		},
	}
	f := cmd.Flags()
	addReaderFlags(f, &o.reader)
	addPlaceFlags(f, &o.placeFlags)
	f.IntVar(&o.parallelLayers, "parallel-layers", 8, "how many blobs, `N`, are pushed at once")
	addSignFlags(f, &o.sign)
	f.BoolVar(&o.noMirrorReceipt, "no-mirror-receipt", false, "keep the receipt on this host and in OUTDIR alone, for a mirror that takes no repository satchel/receipts")
	f.BoolVar(&o.dryRun, "dry-run", false, "show what is missing and what would change, probe the mirror, and stop before the first layer")
	addAttachmentsFlag(f, &o.attachments)
	f.StringVar(&o.verify, "verify", "sizes", "`LEVEL` of looking at the mirror: none asks for manifests, sizes for the last byte of every blob too, full reads every blob back and hashes it; for a bundle that this host has unpacked, full needs no DIR")
	addWide(f, &o.wide)
	f.BoolVar(&o.moveTagsBack, "move-tags-back", false, "of an older bundle of a stream, also move the tags that a newer one has set")
	f.BoolVar(&o.tagChildren, "tag-children", false, "have every image of an index keep a tag of its own, satchel-DIGEST; for registries that collect untagged manifests also where an index names them")
	f.BoolVar(&o.restart, "restart", false, "with --verify full, read again what a run that was interrupted has read back")
	f.BoolVar(&o.allowShrink, "allow-shrink", false, "move a catalog's tag also where packages, channels or versions go from what the mirror serves now")
	f.BoolVar(&o.keepGoing, "keep-going", false, "of a bundle on several drives, push what is whole without a drive that is lost; list the rest, for pack --only, and exit with 3")
	addGaps(f, &o.gaps, "`FILE` that --keep-going writes its list to (default: in the state directory)")
	f.StringVar(&o.tmpdir, "tmpdir", "", "`DIR` for what is needed of the last drive while it is out of its slot (default: TMPDIR)")
	addOutcome(cmd, &o.output)
	addSiteFlags(f, &o.site)
	addRegistryFlags(f, &o.registry, "dest")
	return cmd
}

func addAttachmentsFlag(f *pflag.FlagSet, to *string) {
	f.StringVar(to, "attachments", "", "`LEVEL`: required, optional or none, whether the mirror must take signatures, attestations and SBOMs; what it refuses of optional ones is left out and listed (default: required for cosign's tags, which policies of nodes read, optional for the rest)")
}

func runUnpack(ctx context.Context, a *app, o unpackOptions, args []string) error {
	said := &unpacked{}
	if err := a.tellMachines(o.output, said); err != nil {
		return err
	}
	o.report = &said.Report
	defer func() { said.Gaps = gapsOf(said.Report.Gaps, "") }()
	if o.gaps != "" && !o.keepGoing {
		return usage(errors.New("--gaps is for the list of --keep-going"), "add --keep-going, or leave out --gaps")
	}
	if err := checkGapsFile(o.gaps); err != nil {
		return err
	}
	full := o.verify == "full"
	switch {
	case len(args) == 0 && full:
		return o.withoutDrive(ctx, a, o.reader.bundle)
	case len(args) == 0:
		return usage(errors.New("unpack needs the directory of a bundle"), "only --verify full does without, for a bundle that this host has unpacked before")
	}
	if o.wide && !o.dryRun {
		return usage(errors.New("--wide is for what --dry-run prints"), "")
	}
	err := o.open(ctx, a, "unpack", args, func(r *bundle.Reader, c *transport.Client, job unpack.Options) error {
		err := o.listLost(said, unpack.Run(ctx, r, c, job))
		if o.output == "table" && said.Report.Changes != nil {
			err = errors.Join(err, a.printChanges(said.Report.Changes, o.output, o.wide))
		}
		return err
	})
	if o.keepGoing {
		err = mayBeLost(err)
	}
	id := o.reader.bundle
	if id == "" {
		id = idIn(args[0])
	}
	if !full || o.dryRun || o.site.outDir != "" || o.reader.expect != "" || id == "" || !unpack.Unreadable(err) {
		return err
	}
	kept := o.withoutDrive(ctx, a, id)
	var none *unpack.NotKeptError
	if errors.As(kept, &none) {
		return err
	}
	a.warn("the bundle itself was not read: %s", text.Joined(err.Error()))
	return kept
}

// listLost writes the list of what was not pushed, because its drive is lost.
func (o unpackOptions) listLost(said *unpacked, err error) error {
	file, werr := writeWithout(o.gaps, said.Report.Bundle, said.Report.Lost)
	if said.Report.Lost != nil {
		said.Lost = gapsOf(said.Report.Lost.Images, file)
	}
	if lost, ok := errors.AsType[*unpack.LostError](err); ok && werr == nil {
		err = &lostDrivesError{lost, file}
	}
	return errors.Join(err, werr)
}

// idIn is the ID of the only bundle in dir, "" if there is none or more than one.
func idIn(dir string) string {
	list, _, err := bundle.List(dir, "")
	if err != nil || len(list) != 1 {
		return ""
	}
	return list[0].Bundle
}

// withoutDrive reads the mirror back by what this host has noted of a bundle.
func (o unpackOptions) withoutDrive(ctx context.Context, a *app, id string) error {
	if o.dryRun || o.site.outDir != "" || o.reader.expect != "" || len(o.reader.trust.files) > 0 {
		return usage(errors.New("--dry-run, --output-dir, --expect and --trust need the bundle"), "name its directory")
	}
	job, err := o.job(a, "unpack")
	if err != nil {
		return err
	}
	client := o.registry.client(a)
	defer client.Close()
	err = unpack.WithoutDrive(ctx, id, client, job)
	var none *unpack.NotKeptError
	if errors.As(err, &none) {
		return usage(err, none.Hint())
	}
	return err
}

// open reads what the flags name, opens the bundle, for unpack and render, and runs.
func (o unpackOptions) open(ctx context.Context, a *app, command string, dirs []string, run func(*bundle.Reader, *transport.Client, unpack.Options) error) error {
	job, err := o.job(a, command)
	if err != nil {
		return err
	}
	want, ids, err := o.reader.parse(a.ui(ctx))
	if err != nil {
		return err
	}
	if job.Receipts, err = o.receipts(ctx, a, want.Trust); err != nil {
		return err
	}
	r, err := a.openDrives(ctx, dirs, wanted{want.Expect, o.reader.bundle, want.Trust}, want, ids)
	if err != nil {
		return err
	}
	a.saySigned(r)
	if len(r.Drives()) > 0 {
		job.Drives = a.slotsFor(r, dirs, o.tmpdir)
	}
	client := o.registry.client(a)
	err = run(r, client, job)
	client.Close()
	return errors.Join(err, r.Close())
}

// receipts reads how receipts are kept. Those of the mirror must be signed where this run signs
// too: the keys of those who pack are not asked for otherwise.
func (o unpackOptions) receipts(ctx context.Context, a *app, trust *bundle.Trust) (r unpack.Receipts, err error) {
	r.NotInMirror = o.noMirrorReceipt
	if o.dryRun {
		return r, nil
	}
	if r.Signers, err = o.sign.load(ctx, a, a.ui(ctx)); len(r.Signers) > 0 {
		r.Trust = trust
	}
	return r, err
}

// job reads what the flags name and looks whether the cluster's YAML can be written.
func (o unpackOptions) job(a *app, command string) (job unpack.Options, err error) {
	place, err := o.place(command)
	if err != nil {
		return job, err
	}
	if o.parallelLayers < 1 {
		return job, usage(errors.New("what runs at once must be at least 1"), "")
	}
	job.Layouts = o.others()
	if err := o.modes(&job); err != nil {
		return job, err
	}
	job.AllowShrink, job.Report = o.allowShrink, o.report
	job.To, job.Parallel, job.DryRun, job.TagChildren = a.notices(), o.parallelLayers, o.dryRun, o.tagChildren
	job.MoveTagsBack, job.KeepGoing = o.moveTagsBack, o.keepGoing
	job.AsNodes = func(credentials []byte) *transport.Client { return o.registry.clientWith(a, credentials) }
	if o.site.outDir == "" {
		if o.site.given() && !o.dryRun {
			return job, usage(errors.New("--pull-secret, --present-registry-ca, --present-image-config, --present-rules, --present-catalog-sources, --mirror-api, --mirror-source-policy, --from-cluster, --cluster-version, --catalog-name, --node-authfile, --push-credential-on-nodes and --pull-from are for the cluster's YAML, and there is no --output-dir for it"), "add --output-dir OUTDIR")
		}
	}
	if job.Site, err = o.site.read(); err != nil { // a dry run looks at the same files
		return job, err
	}
	job.Site.Mirror = place
	if o.site.outDir != "" {
		o.site.nodes.warnLoopback(a, place)
	}
	return job, o.site.outputs(a, &job)
}

// modes reads the flags that name one of several ways.
func (o unpackOptions) modes(job *unpack.Options) error {
	switch job.Attachments = unpack.Attachments(o.attachments); job.Attachments {
	case unpack.AttachmentsUsual, unpack.AttachmentsRequired, unpack.AttachmentsOptional, unpack.AttachmentsNone:
	default:
		return usage(fmt.Errorf("--attachments %q is not one of required, optional, none", o.attachments), "")
	}
	job.State, _ = xdg("XDG_STATE_HOME", ".local/state") // without it, an interrupted run is not known
	switch o.verify {
	case "", "sizes": // render has no such flag
	case "none":
		job.Verify = transport.VerifyManifests
	case "full":
		job.Verify = transport.VerifyFull
	default:
		return usage(fmt.Errorf("--verify %q is not one of none, sizes, full", o.verify), "")
	}
	if job.Restart = o.restart; o.restart && job.Verify != transport.VerifyFull {
		return usage(errors.New("--restart is for what a run with --verify full has read back"), "add --verify full, or leave out --restart")
	}
	return nil
}
