package main

import (
	"fmt"

	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/clusters"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci/text"
)

// clusterFlags say what the clusters are that a mirror serves.
type clusterFlags struct {
	from    []string
	version string
}

func addClusterFlags(f *pflag.FlagSet, c *clusterFlags) {
	addFromCluster(f, c)
	f.StringVar(&c.version, "cluster-version", "", "the version, `X.Y.Z`, that the cluster runs, where --from-cluster does not say so")
}

func addFromCluster(f *pflag.FlagSet, c *clusterFlags) {
	f.StringArrayVar(&c.from, "from-cluster", nil, "what a cluster is: `PATH` is the file that the line of satchel cluster-query wrote, or a must-gather, or a directory with both (once for each cluster)")
}

// given reports whether any of the flags is there.
func (c clusterFlags) given() bool { return len(c.from) > 0 || c.version != "" }

// read gives the clusters, with warnings for what is not known of them.
func (c clusterFlags) read(a *app) ([]*manifests.Cluster, error) {
	list, err := clusters.Read(c.from)
	if err != nil {
		return nil, err
	}
	for _, one := range list {
		for _, note := range one.Notes() {
			a.warn("cluster %s: %s", text.Printable(one.Name), note)
		}
	}
	if c.version == "" {
		return list, nil
	}
	if len(list) == 0 {
		list = []*manifests.Cluster{{}}
	}
	for _, one := range list {
		if err := one.SetVersion(c.version); err != nil {
			return nil, usage(fmt.Errorf("--cluster-version: %w", err), hintOf(err))
		}
	}
	return list, nil
}

// needs gives clusters whose needs are to be carried, and says what was read of them.
func (c clusterFlags) needs(a *app) ([]*manifests.Cluster, error) {
	list, err := c.read(a)
	for _, one := range list {
		seen := one.Namespaces()
		if len(seen) == 0 {
			a.info("cluster %s: no pods were read", text.Printable(one.Name))
			continue
		}
		a.info("cluster %s: pods of %s were read: %s", text.Printable(one.Name), text.Count(len(seen), "namespace", "namespaces"), text.Printable(text.Some(seen, mostNamespaces)))
	}
	return list, err
}

// mostNamespaces is how many namespaces of a cluster are named.
const mostNamespaces = 100
