package main

import (
	"os"

	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/manifests"
)

// addExtraFlags defines what pack and plan take beside the configuration.
func addExtraFlags(f *pflag.FlagSet, x *manifests.Extra) {
	x.UpdateURL = os.Getenv("UPDATE_URL_OVERRIDE") // as for oc-mirror
	f.StringArrayVar(&x.AcceptRisks, "accept-risk", nil, "with shortestPath, take conditional updates that have the risk `NAME`, and no other that is not accepted; may be repeated")
}
