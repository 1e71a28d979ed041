package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/inuse"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prune"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/renderer"
	"github.com/satchel-airgap/satchel/manifests"
)

// useFlags say what clusters use, and so must stay, and what is to go.
type useFlags struct {
	files     inuse.Files
	versions  []string // each a version, or the name of a file
	noCluster bool
	config    string
}

func addUseFlags(f *pflag.FlagSet, u *useFlags) {
	f.StringArrayVar(&u.files.Whole, "from-cluster", nil, "keep what a cluster uses: `PATH` is the file that the line of satchel cluster-query wrote there (once for each cluster that the mirror serves)")
	f.StringArrayVar(&u.files.Pods, "from-pods", nil, "keep what pods use: `FILE` is what oc get pods -A -o yaml (or json) wrote in a cluster that the mirror serves; other objects may be in it (once for each cluster)")
	f.StringArrayVar(&u.versions, "cluster-version", nil, "keep the release that a cluster runs: its version, `X.Y.Z`, where --from-cluster does not say it; or the file that oc get clusterversion -o yaml wrote, which says too what is wanted (once for each cluster)")
	f.StringArrayVar(&u.files.Subscriptions, "subscriptions", nil, "keep the operators that a cluster has: `FILE` is what oc get subscriptions.operators.coreos.com -A -o yaml wrote (once for each cluster)")
	f.StringVarP(&u.config, "config", "c", "", "delete nothing but what `FILE` names, a DeleteImageSetConfiguration of oc-mirror v2 (- for standard input)")
	f.BoolVar(&u.noCluster, "no-cluster", false, "delete also releases, catalogs and operators, although what clusters use is not known")
}

// ask reads the files and gives the question that they answer, without the mirror.
func (u *useFlags) ask() (q inuse.Question, err error) {
	q.NoCluster = u.noCluster
	if err := u.sortVersions(); err != nil {
		return q, err
	}
	if u.files.None() {
		return q, nil
	}
	if u.noCluster {
		return q, usage(errors.New("--no-cluster says that nothing is known of clusters, and there are files of them"), "leave out one of the two")
	}
	q.Clusters, err = inuse.Read(u.files)
	return q, err
}

// versionLike is what is meant as a version, even if it is none.
var versionLike = regexp.MustCompile(`^v?[0-9]+(\.[0-9]+){1,2}$`)

// sortVersions tells versions from files: --cluster-version took only files before.
func (u *useFlags) sortVersions() error {
	for _, given := range u.versions {
		v, err := manifests.ParseVersion(given)
		switch {
		case err == nil:
			u.files.Versions = append(u.files.Versions, v)
		case versionLike.MatchString(given):
			return usage(fmt.Errorf("--cluster-version %s: it is no version", given), "name it as oc get clusterversion prints it, such as 4.18.21; or name the file that oc get clusterversion -o yaml wrote")
		default:
			u.files.ClusterVersions = append(u.files.ClusterVersions, given)
		}
	}
	return nil
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
		return inuse.Name(ctx, c, job.Place.Host, all, job.Mirror, renderer.New(version()))
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
