package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/transport"
)

type renderOptions struct {
	unpackOptions
	offline bool
}

func newRender(a *app) *cobra.Command {
	var o renderOptions
	cmd := &cobra.Command{
		Use:   "render -i KEY --to HOST[:PORT][/NAMESPACE] --output-dir OUTDIR DIR [DIR ...]",
		Short: "Write the cluster's YAML for a bundle that the mirror has",
		Long: `render writes into OUTDIR what unpack --output-dir writes there: the YAML that makes
a cluster pull from the mirror, with APPLY.md, the steps to apply it in order.
Nothing is pushed. The mirror is asked whether it has every image of the bundle,
because rules for missing images stop a cluster: if one is missing, nothing is
written. --offline does not ask. Of a bundle on several drives, the last one is
enough.`,
		Example: "  satchel render -i inside.key --to mirror.example:5000/ocp --node-authfile node-auth.json --output-dir cluster /run/media/me/drive",
		Args:    someDirectories,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runRender(cmd.Context(), a, o, args)
		},
	}
	f := cmd.Flags()
	addReaderFlags(f, &o.reader)
	addPlaceFlags(f, &o.placeFlags)
	f.IntVar(&o.parallelLayers, "parallel-images", 8, "how many images, `N`, the mirror is asked for at once")
	addAttachmentsFlag(f, &o.attachments)
	f.BoolVar(&o.offline, "offline", false, "do not ask the mirror whether it has the images")
	addSiteFlags(f, &o.site)
	addRegistryFlags(f, &o.registry, "dest")
	return cmd
}

func runRender(ctx context.Context, a *app, o renderOptions, dirs []string) error {
	if o.site.outDir == "" {
		return usage(errors.New("render needs --output-dir OUTDIR"), "name a new or empty directory")
	}
	return o.open(ctx, a, "render", dirs, func(r *bundle.Reader, c *transport.Client, job unpack.Options) error {
		job.Unasked = o.offline
		return unpack.Render(ctx, r, c, job)
	})
}
