package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/satchel-airgap/satchel/manifests"
)

func newClusterQuery(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "cluster-query [FILE]",
		Short: "Print the line that fetches what a cluster is",
		Long: `cluster-query prints one line for a shell in which oc is logged in to a cluster. The
line fetches what --from-cluster reads, into FILE (default cluster.yaml): version,
configuration, operators, and the images that are in use. It changes nothing and asks for
no Secret; the role cluster-reader is enough. It works on every version of OpenShift.`,
		Example: "  satchel cluster-query                        # copy the line, paste it\n  satchel cluster-query prod.yaml | ssh bastion sh",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return exactly(1, "one file")(cmd, args)
		},
		RunE: func(_ *cobra.Command, args []string) error {
			file := "cluster.yaml"
			if len(args) > 0 {
				file = shellWords(args)
			}
			if _, err := fmt.Fprintln(a.stdout, manifests.ClusterQuery(file)); err != nil {
				return fmt.Errorf("write the line: %w", err)
			}
			return nil
		},
	}
}
