package main

import (
	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/manifests"
)

// addExtraFlags defines what pack and plan take beside the configuration.
func addExtraFlags(f *pflag.FlagSet, e *manifests.Extra) {
	f.BoolVar(&e.WithDependencies, "with-dependencies", false, "add the operators that the chosen ones require, from the same catalogs")
}
