package main

import (
	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/manifests"
)

// addExtraFlags defines what pack and plan take beside the configuration.
func addExtraFlags(f *pflag.FlagSet, x *manifests.Extra) {
	f.Var(chartValues{&x.HelmValues}, "helm-values", "render the Helm chart of that name with the values in FILE, as `CHART=FILE` (may be given more than once)")
}
