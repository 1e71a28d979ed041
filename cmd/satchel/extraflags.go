package main

import (
	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/manifests"
)

// addExtraFlags defines what pack and plan take in addition to the configuration.
func addExtraFlags(f *pflag.FlagSet, x *manifests.Extra) {
	f.BoolVar(&x.IgnoreReleaseSignature, "ignore-release-signature", false, "carry releases without checking their signature: nothing then shows that they are genuine ("+manifests.EnvSignatureURL+" and "+manifests.EnvSignatureKey+" name another store and key)")
	f.BoolVar(&x.Tools, "with-tools", false, "carry oc and openshift-install of each release: unpack and render write them into OUTDIR/tools (they are in images of the release; pack takes them out once, to see that they are there)")
	f.Var(graphData{&x.GraphData}, "graph-data", "build the graph image (mirror.platform.graph) from the graph data at another address or in a file, `URL|FILE` (default: what Red Hat publishes, or what stands next to the graph of UPDATE_URL_OVERRIDE)")
	f.Var(graphBase{&x.GraphBase}, "graph-base", "build the graph image from `IMAGE`, which has bash and cp (default: registry.access.redhat.com/ubi9/ubi-minimal:latest)")
	f.StringArrayVar(&x.AcceptRisks, "accept-risk", nil, "with shortestPath, take conditional updates that have the risk `NAME`, and no other that is not accepted; may be repeated")
	f.BoolVar(&x.WithDependencies, "with-dependencies", false, "add the operators that the chosen ones require, from the same catalogs")
	f.Var(chartValues{&x.HelmValues}, "helm-values", "render the Helm chart of that name with the values in FILE, as `CHART=FILE` (may be given more than once)")
	f.StringArrayVar(&x.PodFiles, "from-pods", nil, "also carry what the pods of a running cluster use: `FILE` is what oc get pods -A -o json wrote, or a must-gather directory (may be given more than once)")
}
