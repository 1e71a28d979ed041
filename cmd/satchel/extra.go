package main

import (
	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/manifests"
)

// addExtraFlags defines what pack and plan take beside the configuration.
func addExtraFlags(_ *pflag.FlagSet, _ *manifests.Extra) {}
