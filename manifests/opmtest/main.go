// Opmtest is the server of operator-registry for tests: opm, of which it has "serve"
// alone.
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
