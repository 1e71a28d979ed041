package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/inuse"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prune"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/manifests"
)

// useFlags say what clusters use, and so must stay, and what is to go.
type useFlags struct {
	files     inuse.Files
	noCluster bool
	config    string
}

func addUseFlags(f *pflag.FlagSet, u *useFlags) {
	f.StringArrayVar(&u.files.Whole, "from-cluster", nil, "keep what a cluster uses: `PATH` is the file that the line of satchel cluster-query wrote there (once for each cluster that the mirror serves)")
	f.StringArrayVar(&u.files.Pods, "from-pods", nil, "keep what pods use: `FILE` is what oc get pods -A -o yaml (or json) wrote in a cluster that the mirror serves; other objects may be in it (once for each cluster)")
	f.StringArrayVar(&u.files.ClusterVersions, "cluster-version", nil, "keep the releases that a cluster runs and wants: `FILE` is what oc get clusterversion -o yaml wrote (once for each cluster)")
	f.StringArrayVar(&u.files.Subscriptions, "subscriptions", nil, "keep the operators that a cluster has: `FILE` is what oc get subscriptions.operators.coreos.com -A -o yaml wrote (once for each cluster)")
	f.StringVarP(&u.config, "config", "c", "", "delete nothing but what `FILE` names, a DeleteImageSetConfiguration of oc-mirror v2 (- for standard input)")
	f.BoolVar(&u.noCluster, "no-cluster", false, "delete also releases, catalogs and operators, although what clusters use is not known")
}

// ask reads the files and gives the question that they answer, without the mirror.
func (u *useFlags) ask() (q inuse.Question, err error) {
	q.NoCluster = u.noCluster
	if u.files.None() {
		return q, nil
	}
	if u.noCluster {
		return q, usage(errors.New("--no-cluster says that nothing is known of clusters, and there are files of them"), "leave out one of the two")
	}
	q.Clusters, err = inuse.Read(u.files)
	return q, err
}

// chosen reads the delete configuration; nil where none is given.
func (u *useFlags) chosen() (*manifests.DeleteConfig, error) {
	if u.config == "" {
		return nil, nil
	}
	data, err := readConfig(u.config)
	if err != nil {
		return nil, usage(fmt.Errorf("read configuration: %w", err), "name a DeleteImageSetConfiguration (-c FILE)")
	}
	return manifests.ParseDelete(u.config, data)
}

// choiceOf asks for a prune what the configuration names.
func choiceOf(job *prune.Options, c *manifests.DeleteConfig) func(context.Context, []*receipt.Receipt) (prune.Choice, error) {
	return func(ctx context.Context, all []*receipt.Receipt) (prune.Choice, error) {
		return inuse.Name(ctx, c, job.Place.Host, all, job.Mirror)
	}
}

// usesOf asks for a prune what stays.
func usesOf(job *prune.Options, q inuse.Question) func(context.Context, []*receipt.Receipt) (prune.Uses, error) {
	q.Host, q.Mirror = job.Place.Host, job.Mirror
	return func(ctx context.Context, all []*receipt.Receipt) (prune.Uses, error) {
		q.Receipts = all
		return inuse.Keep(ctx, q)
	}
}
