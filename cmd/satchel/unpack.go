package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

type unpackOptions struct {
	reader         readerFlags
	to             string
	maxNestedPaths int
	parallelLayers int
	dryRun         bool
	registry       registryFlags
	site           siteFlags
}

func newUnpack(a *app) *cobra.Command {
	var o unpackOptions
	cmd := &cobra.Command{
		Use:   "unpack -i KEY --to HOST[:PORT][/NAMESPACE] DIR",
		Short: "Push a bundle into the mirror registry",
		Long: `unpack opens the bundle in DIR with a key and pushes what the mirror registry does
not have yet: blobs first, in the order in which they lie on the drive, then
manifests, then tags. Nothing is written to the drive, and no layer to any disk.
Interrupted in any way, the same command pushes what is still missing.

An image keeps its path: quay.io/example/app:1.0 becomes
HOST/NAMESPACE/example/app:1.0, with the same digest. A release goes to
openshift/release-images and openshift/release there.

With --output-dir, and when the mirror has every image, unpack writes the YAML
that makes a cluster pull from the mirror, with APPLY.md, which says in which
order to apply it.`,
		Example: "  satchel unpack -i inside.key --to mirror.example:5000/ocp --pull-secret pull-secret.json --output-dir cluster /run/media/me/drive",
		Args:    exactly(1, "one directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runUnpack(cmd.Context(), a, o, args[0])
		},
	}
	f := cmd.Flags()
	addReaderFlags(f, &o.reader)
	addPlaceFlags(f, &o)
	f.IntVar(&o.parallelLayers, "parallel-layers", 8, "how many blobs are pushed at once")
	f.BoolVar(&o.dryRun, "dry-run", false, "say what is missing, probe the mirror, and stop before the first layer")
	addSiteFlags(f, &o.site)
	addRegistryFlags(f, &o.registry, "dest")
	return cmd
}

func addPlaceFlags(f *pflag.FlagSet, o *unpackOptions) {
	f.StringVar(&o.to, "to", "", "`MIRROR` registry, HOST[:PORT][/NAMESPACE]")
	f.IntVar(&o.maxNestedPaths, "max-nested-paths", 0, "join what goes beyond `N` path components by hyphens; 0 is no limit")
}

func (o unpackOptions) place(command string) (oci.Mirror, error) {
	if o.to == "" {
		return oci.Mirror{}, usage(fmt.Errorf("%s needs --to HOST[:PORT][/NAMESPACE]", command), "name the mirror registry")
	}
	if o.maxNestedPaths < 0 || o.parallelLayers < 1 {
		return oci.Mirror{}, usage(errors.New("--max-nested-paths must not be negative, and what runs at once at least 1"), "")
	}
	place, err := oci.ParseMirror(o.to)
	place.MaxNestedPaths = o.maxNestedPaths
	return place, usage(err, "for example --to mirror.example:5000/ocp")
}

func runUnpack(ctx context.Context, a *app, o unpackOptions, dir string) error {
	u, err := o.open(ctx, a, "unpack", dir)
	if err != nil {
		return err
	}
	err = u.known(ctx)
	if err == nil {
		err = u.cluster.emit(ctx, u.r)
	}
	if err == nil {
		err = u.run(ctx)
	}
	return u.close(err)
}

// open reads what the flags name and opens the bundle, for unpack and render.
func (o unpackOptions) open(ctx context.Context, a *app, command, dir string) (*unpacking, error) {
	c, err := o.cluster(command)
	if err != nil {
		return nil, err
	}
	expect, ids, err := o.reader.parse(a.ui(ctx))
	if err != nil {
		return nil, err
	}
	r, err := bundle.Open(ctx, dir, expect, ids)
	if err != nil {
		return nil, err
	}
	client := o.registry.client(a)
	return &unpacking{app: a, r: r, dryRun: o.dryRun, place: c.site.Mirror, cluster: c, client: client,
		mirror: transport.NewMirror(client, c.site.Mirror, o.parallelLayers)}, nil
}

// close ends a run with its error.
func (u *unpacking) close(err error) error {
	u.client.Close()
	return errors.Join(blamed(u.r, err), u.r.Close())
}

// unpacking is one run of unpack.
type unpacking struct {
	*app
	r       *bundle.Reader
	place   oci.Mirror
	client  *transport.Client
	mirror  *transport.Mirror
	dryRun  bool
	cluster *cluster
}

// blamed makes damage of what can only come from a bundle that is not as it was
// packed: its bytes are authenticated, and yet they are not what they are called.
func blamed(r *bundle.Reader, err error) error {
	if as[*oci.DigestError](err) || as[*oci.UnsupportedError](err) {
		return &bundle.DamageError{Dir: r.Dir(), Faults: []bundle.Fault{{File: "its content", What: "is not what the format allows"}}, Err: err}
	}
	return err
}

// warnGaps says what the bundle goes without.
func (u *unpacking) warnGaps() {
	for _, g := range u.r.Inventory().Gaps {
		named := g.Image.Describe()
		if unlisted(g) { // its source is the image, which is there
			named = "the signatures of " + g.Image.Source.String()
		}
		u.warn("not in this bundle: %s, which could not be had when it was packed", named)
	}
}

func (u *unpacking) run(ctx context.Context) error {
	inv := u.r.Inventory()
	if err := u.place.CheckCollisions(inv); err != nil {
		return err
	}
	u.info("bundle %s, %d images, to %s", u.r.ID(), len(inv.Images), u.place)
	u.warnGaps()
	missing, err := u.mirror.Missing(ctx, u.r, inv)
	if err != nil {
		return err
	}
	if len(missing.Images) == 0 {
		u.info("nothing to do: all %d images are in the mirror", missing.Present)
		if u.dryRun {
			return nil
		}
		return u.writeCluster()
	}
	u.info("%d images are in the mirror, %d are not", missing.Present, len(missing.Images))
	for _, img := range missing.Images {
		u.debug("not in the mirror: %s", img.Source)
	}
	blobs, err := u.carried(missing.Blobs)
	if err != nil {
		return err
	}
	if err := u.probe(ctx, missing); err != nil {
		return err
	}
	if u.dryRun {
		u.info("the mirror takes all of it: %d blobs, %s", len(blobs), bundle.FormatSize(total(blobs)))
		return nil
	}
	if err := u.push(ctx, blobs); err != nil {
		return err
	}
	if err := u.mirror.Manifests(ctx, u.r, missing.Images); err != nil {
		return err
	}
	u.info("pushed %d images; %d were in the mirror already", len(missing.Images), missing.Present)
	if u.cluster.out == nil {
		return nil
	}
	if err := u.complete(ctx); err != nil { // as the cluster will see it
		return err
	}
	return u.writeCluster()
}

// probe finds out whether the mirror takes what it lacks.
func (u *unpacking) probe(ctx context.Context, missing *transport.Missing) error {
	sparse, err := u.mirror.Sparse(ctx, u.r, missing.Images)
	if err != nil {
		return err
	}
	return u.mirror.Probe(ctx, u.mirror.Repos(missing), sparse)
}

// carried leaves out foreign layers that the bundle does not have. Anything else
// that it lacks is its fault, and found before the first push.
func (u *unpacking) carried(list []transport.Delivery) ([]transport.Delivery, error) {
	var blobs []transport.Delivery
	var faults []bundle.Fault
	for _, d := range list {
		switch {
		case u.r.Has(d.Blob):
			blobs = append(blobs, d)
		case oci.IsForeign(d.Blob.MediaType):
			u.info("not pushed: foreign layer %s, which the bundle does not carry", d.Blob.Digest)
		default:
			faults = append(faults, bundle.Fault{File: d.Blob.Digest.String(), What: "is needed and not in it"})
		}
	}
	if len(faults) > 0 {
		return nil, &bundle.DamageError{Dir: u.r.Dir(), Faults: faults}
	}
	return blobs, nil
}

func total(list []transport.Delivery) (n int64) {
	for _, d := range list {
		n += d.Blob.Size
	}
	return n
}

// push makes the deliveries in the drive's order.
func (u *unpacking) push(ctx context.Context, list []transport.Delivery) error {
	byDigest := make(map[digest.Digest]transport.Delivery, len(list))
	blobs := make([]oci.Descriptor, 0, len(list))
	for _, d := range list {
		byDigest[d.Blob.Digest] = d
		blobs = append(blobs, d.Blob)
	}
	u.info("%d blobs to push, %s", len(list), bundle.FormatSize(total(list)))
	bar := u.progress("pushing", 0, total(list))
	defer bar.end()
	return u.mirror.Blobs(ctx, bar.source(u.r), func(yield func(transport.Delivery) bool) {
		for d := range u.r.Order(blobs) {
			if !yield(byDigest[d.Digest]) {
				return
			}
		}
	})
}
