package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

type renderOptions struct {
	unpackOptions
	offline bool
}

func newRender(a *app) *cobra.Command {
	var o renderOptions
	cmd := &cobra.Command{
		Use:   "render -i KEY --to HOST[:PORT][/NAMESPACE] --output-dir OUTDIR DIR",
		Short: "Write the cluster's YAML for a bundle that the mirror has",
		Long: `render writes into OUTDIR what unpack --output-dir writes there: the YAML that makes
a cluster pull from the mirror, with APPLY.md, which says in which order to apply
it. Nothing is pushed. The mirror is asked whether it has every image of the
bundle, because rules for images that are not there stop a cluster: without all
of them nothing is written. --offline does not ask.`,
		Example: "  satchel render -i inside.key --to mirror.example:5000/ocp --pull-secret pull-secret.json --output-dir cluster /run/media/me/drive",
		Args:    exactly(1, "one directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runRender(cmd.Context(), a, o, args[0])
		},
	}
	f := cmd.Flags()
	addReaderFlags(f, &o.reader)
	addPlaceFlags(f, &o.unpackOptions)
	f.IntVar(&o.parallelLayers, "parallel-images", 8, "how many images the mirror is asked for at once")
	f.BoolVar(&o.offline, "offline", false, "do not ask the mirror whether the images are there")
	addSiteFlags(f, &o.site)
	addRegistryFlags(f, &o.registry, "dest")
	return cmd
}

// absentError says that the mirror lacks images of a bundle.
type absentError struct {
	mirror string
	images []oci.Image
	all    int
}

func (e *absentError) Error() string {
	return fmt.Sprintf("%s lacks %d of %d images of this bundle, %s among them; no cluster YAML was written", e.mirror, len(e.images), e.all, e.images[0].Source)
}

func runRender(ctx context.Context, a *app, o renderOptions, dir string) error {
	if o.site.outDir == "" {
		return usage(errors.New("render needs --output-dir OUTDIR"), "name a new or empty directory")
	}
	u, err := o.open(ctx, a, "render", dir)
	if err != nil {
		return err
	}
	u.warnGaps()
	u.cluster.site.Unchecked = o.offline
	err = u.known(ctx)
	if err == nil {
		err = u.cluster.emit(ctx, u.r)
	}
	if err == nil && !o.offline {
		err = u.complete(ctx)
	}
	if err == nil {
		err = u.writeCluster()
	}
	return u.close(err)
}

// cluster is the YAML of one run: where it goes and what it says.
type cluster struct {
	site  manifests.Site
	out   *outDir // nil: none is asked for
	files []manifests.File
	notes []string
}

// cluster reads what the flags name and looks whether it can be written.
func (o unpackOptions) cluster(command string) (*cluster, error) {
	place, err := o.place(command)
	if err != nil {
		return nil, err
	}
	c := &cluster{}
	if o.site.outDir == "" {
		if o.site.given() {
			return nil, usage(errors.New("--pull-secret, --present-registry-ca, --present-image-config and --catalog-name say what the cluster's YAML is made from, and there is no --output-dir for it"), "add --output-dir OUTDIR")
		}
		c.site.Mirror = place
		return c, nil
	}
	if c.site, err = o.site.read(); err != nil {
		return nil, err
	}
	c.site.Mirror = place
	c.out, err = openOut(o.site.outDir)
	return c, err
}

// emit makes the files and keeps them, so that whatever is wrong shows before
// anything is pushed.
func (c *cluster) emit(ctx context.Context, r *bundle.Reader) (err error) {
	if c.out == nil {
		return nil
	}
	if c.site.Templates, err = templates(ctx, r); err != nil {
		return err
	}
	if c.files, c.notes, err = manifests.Emit(r.Inventory(), c.site); err != nil {
		return err
	}
	return c.out.untouched(c.files)
}

// known adds what this host knows of the mirror, and the bundle of releases, to
// what the flags said.
func (u *unpacking) known(ctx context.Context) (err error) {
	if u.cluster.out == nil {
		return nil
	}
	if u.cluster.site.Signatures, err = manifests.ReadSignatures(ctx, u.r.Inventory(), u.r); err != nil {
		return err
	}
	if err := u.cluster.out.apart(u.r.Dir()); err != nil {
		return err
	}
	return mirrorKnown(&u.cluster.site, u.client, u.place)
}

// complete asks the mirror for every image of the bundle.
func (u *unpacking) complete(ctx context.Context) error {
	inv := u.r.Inventory()
	lacking, err := u.mirror.Lacks(ctx, u.r, inv)
	if err != nil {
		return err
	}
	if len(lacking) > 0 {
		return &absentError{u.place.String(), lacking, len(inv.Images)}
	}
	return nil
}

// writeCluster writes the YAML, now that every image is in the mirror.
func (u *unpacking) writeCluster() error {
	c := u.cluster
	if c.out == nil {
		return nil
	}
	if err := c.out.write(c.files); err != nil {
		return err
	}
	if gone := c.out.gone(c.files); len(gone) > 0 {
		u.warn("this set replaces an earlier one in %s, and does not have its %s: they are gone from there, not from a cluster that has them", c.out.dir, strings.Join(gone, ", "))
	}
	for _, note := range c.notes {
		u.warn("%s", note)
	}
	u.info("wrote %d files for the cluster into %s: go on with %s", len(c.files), c.out.dir, "APPLY.md there")
	return nil
}
