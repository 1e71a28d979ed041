package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/satchel-airgap/satchel/manifests"
)

func newInit(a *app) *cobra.Command {
	var c clusterFlags
	var to string
	cmd := &cobra.Command{
		Use:   "init --from-cluster PATH",
		Short: "Print the configuration that a running cluster needs",
		Long: `init prints the ImageSetConfiguration that clusters need to be cut off: the releases
that they run, their catalogs from the installed versions on, and the images of their
applications. With --to-version it leads to that release. It makes no requests; the same
clusters give the same text. What is not known is listed on stderr, and if it is what
applications use, or a release, the exit status is 3.`,
		Example: "  satchel init --from-cluster cluster.yaml > imageset.yaml",
		Args:    exactly(0, ""),
		RunE: func(*cobra.Command, []string) error {
			if len(c.from) == 0 {
				return usage(errors.New("init needs --from-cluster PATH"), "fetch what a cluster is with the line of satchel cluster-query")
			}
			return runInit(a, c, to)
		},
	}
	addClusterFlags(cmd.Flags(), &c)
	cmd.Flags().StringVar(&to, "to-version", "", "lead the clusters to the release `X.Y.Z`, by a shortest path")
	return cmd
}

func runInit(a *app, c clusterFlags, to string) error {
	list, err := c.needs(a)
	if err != nil {
		return err
	}
	body, notes, err := manifests.Draft(list, to)
	for _, n := range notes {
		a.warn("%s", n)
	}
	if err != nil {
		return err
	}
	if _, err := a.stdout.Write(body); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	a.info("look it over, then see what it means with: satchel plan -c FILE")
	return manifests.ApplicationsKnown(list)
}
