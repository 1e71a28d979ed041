// Oldest is the oldest opm that a supported OpenShift ships, for tests: version 1.26, of
// which it has "serve" alone.
package main

import (
	"os"

	"github.com/operator-framework/operator-registry/cmd/opm/serve"
	"github.com/spf13/cobra"
)

func main() {
	root := &cobra.Command{Use: "opm"}
	root.AddCommand(serve.NewCmd())
	if err := root.Execute(); err != nil {
		os.Exit(1)
	}
}
