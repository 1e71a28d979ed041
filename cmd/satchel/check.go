package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/check"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/outdir"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

type checkOptions struct {
	placeFlags
	outDir     string
	reader     readerFlags
	cluster    clusterFlags
	pullSecret string
	authfile   string // of nodes
	deep       string
	policies   []string
	offline    bool
	parallel   int
	output     string
	wide       bool
	registry   registryFlags
	audit      auditFlags
	given      func(string) bool // whether a flag was
	typed      func(string) bool // and on the command line
}

func newCheck(a *app) *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:   "check --output-dir OUTDIR [-i KEY DIR ...]",
		Short: "Find out, before the cut, what a cluster would not get from the mirror",
		Long: `check pulls every image as a node of the cluster does once it is cut off: with the
rules, the pull secret and the certificate authorities in OUTDIR, which unpack or render
has written, and with nothing else. It sends no request to the registries that images
come from. It asks for the images that the receipts of the mirror name, for each image
that each release names, and for each image that each catalog names which the cluster
is to serve; and for those of bundles that are named in addition.

With --from-cluster (or --from-pods) it also says which containers of the cluster would
not start again, which operators get nothing more from the catalogs, and which settings
of the cluster keep nodes from the mirror; with --target, what holds back an update; and
with --registries-conf and --kubelet-config, how a node differs from what it should have.

It writes nothing to the mirror or the cluster, and needs no connection to the
cluster. It ends with 3 if anything would fail.`,
		Example: `  satchel check --output-dir cluster --from-cluster cluster.yaml
  satchel check --output-dir cluster --deep -o json
  satchel check --output-dir cluster --from-cluster cluster.yaml --target 4.18.21`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return runCheck(cmd.Context(), a, o, args) },
	}
	f := cmd.Flags()
	f.StringVar(&o.outDir, "output-dir", "", "`OUTDIR` that unpack or render has filled for the cluster")
	addReaderFlags(f, &o.reader)
	addPlaceFlags(f, &o.placeFlags)
	addFromCluster(f, &o.cluster)
	f.StringVar(&o.pullSecret, "pull-secret", "", "the cluster's present pull secret, `FILE`: the mirror's entry is added to it (oc extract secret/pull-secret -n openshift-config --to=-)")
	f.StringVar(&o.authfile, "node-authfile", "", "`FILE` with the credential by which nodes pull from the mirror, where OUTDIR has none")
	f.StringVar(&o.deep, "deep", "", "ask for every layer, too, and compare its size; =bytes reads every layer, and compares its digest")
	f.Lookup("deep").NoOptDefVal = string(check.Layers)
	f.StringArrayVar(&o.policies, "image-policies", nil, "also hold images against the ClusterImagePolicy and ImagePolicy objects in `FILE`; those of the releases and of --from-cluster count anyway (may be given more than once)")
	f.BoolVar(&o.offline, "offline", false, "do not ask the mirror: receipts and bundles say what it has")
	f.IntVar(&o.parallel, "parallel-images", 8, "how many images, `N`, the mirror is asked for at once")
	addWide(f, &o.wide)
	addOutput(cmd, &o.output)
	addRegistryFlags(f, &o.registry, "dest")
	addAuditFlags(f, &o.audit)
	forReceipts(f, &o)
	return cmd
}

func runCheck(ctx context.Context, a *app, o checkOptions, args []string) error {
	if err := checkOutput(o.output); err != nil {
		return err
	}
	job, end, err := o.job(ctx, a, args)
	if err != nil {
		return errors.Join(err, end())
	}
	defer func() { _ = end() }() // bundles are read only
	r, err := check.Run(ctx, job)
	if r == nil {
		return err
	}
	v := a.view(o.wide)
	return errors.Join(printReport(a.stdout, o.output, r, func(w io.Writer) error {
		return v.print(w, func(w io.Writer) error { return printCheck(w, r, v) })
	}), err)
}

// depth is what --deep asks for.
func (o checkOptions) depth() (check.Depth, error) {
	switch d := check.Depth(o.deep); d {
	case "":
		return check.Configs, nil
	case check.Layers, check.Bytes:
		return d, nil
	}
	return "", usage(fmt.Errorf("--deep=%s: it is neither layers nor bytes", o.deep), "use --deep, or --deep=bytes")
}

// job reads all files that are named. The caller calls end, also with an error.
func (o checkOptions) job(ctx context.Context, a *app, args []string) (job check.Options, end func() error, err error) {
	end = func() error { return nil }
	node := o.registry.registriesConf // it is a node's here, and not this host's
	o.registry.registriesConf = ""
	if o.outDir == "" && len(args) == 1 && isOutDir(args[0]) { // what is meant is clear
		o.outDir, args = args[0], nil
	}
	job = check.Options{To: a.notices(), Offline: o.offline, Parallel: o.parallel, UserAgent: "satchel/" + version()}
	switch {
	case o.outDir == "" && len(o.cluster.from) == 0:
		return job, end, usage(errors.New("check needs the directory with the files for the cluster"), "name it: --output-dir OUTDIR, as for unpack; or, for what the cluster has now, --from-cluster PATH with --to HOST[:PORT][/NAMESPACE]")
	case o.parallel < 1:
		return job, end, usage(fmt.Errorf("--parallel-images %d: it must be at least 1", o.parallel), "")
	}
	if job.Depth, err = o.depth(); err != nil {
		return job, end, err
	}
	if err := o.idle(); err != nil {
		return job, end, err
	}
	if o.given("retry-times") {
		job.Tries = int(min(o.registry.retryTimes, math.MaxInt32-1)) + 1
	}
	if err := o.site(a, &job); err != nil {
		return job, end, err
	}
	if err := o.audit.into(&job, node); err != nil {
		return job, end, err
	}
	if err := o.receipts(ctx, a, &job); err != nil {
		return job, end, err
	}
	end, err = o.bundles(ctx, a, args, &job)
	return job, end, err
}

// isOutDir reports whether a directory has files for a cluster.
func isOutDir(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "registries.conf"))
	return err == nil
}

// site reads what is known of the cluster.
func (o checkOptions) site(a *app, job *check.Options) (err error) {
	if o.outDir != "" {
		root, err := os.OpenRoot(o.outDir)
		if err != nil {
			return usage(fmt.Errorf("read the files for the cluster: %w", err), "name the directory that was given to unpack or render as --output-dir")
		}
		defer func() { _ = root.Close() }() // it is read only
		if job.Handover, err = manifests.ReadHandover(root.FS()); err != nil {
			return usage(fmt.Errorf("read the files for the cluster in %s: %w", text.Printable(o.outDir), err), hintOf(err))
		}
		became, err := outdir.Look(o.outDir)
		if err != nil {
			return usage(fmt.Errorf("read the list of the files for the cluster: %w", err), "write the files again: satchel render")
		}
		job.Gone, job.Changed, job.Cut = became.Gone, became.Changed, became.Cut
	}
	list, err := o.cluster.read(a)
	switch {
	case err != nil:
		return err
	case len(list) > 1:
		return usage(errors.New("check is for one cluster, and --from-cluster names several"), "run it once for each")
	case len(list) == 1:
		job.Cluster = list[0]
	}
	if two := job.Cluster.Undated(); two != nil {
		return usage(fmt.Errorf("%s are two readings of one cluster, and nothing says which was written later", text.Printable(text.And(two))), "name the newer one alone (--from-cluster PATH)")
	}
	if job.Handover != nil && job.Cluster != nil {
		if err := job.Handover.For(job.Cluster.ID()); err != nil {
			return usage(fmt.Errorf("read the files for the cluster in %s: %w", text.Printable(o.outDir), err), hintOf(err))
		}
	}
	if job.Secret, err = readSite(o.pullSecret, "pull-secret", "pull secret", manifests.ParsePresentPullSecret); err != nil {
		return err
	}
	if job.NodeSecret, err = readSite(o.authfile, "node-authfile", "the nodes' credential", manifests.ParsePullSecret); err != nil {
		return err
	}
	for _, file := range o.policies {
		data, err := durable.Read(file, durable.MaxGiven)
		if err != nil {
			return usage(fmt.Errorf("read signature policies: %w", err), "name a file with ClusterImagePolicy or ImagePolicy objects (--image-policies FILE)")
		}
		list, err := manifests.ParseSignaturePolicies(file, data)
		if err != nil {
			return err
		}
		job.Policies = append(job.Policies, list...)
	}
	return nil
}

// receipts reads those of OUTDIR, and, with --to, those that this host and the mirror keep.
func (o checkOptions) receipts(ctx context.Context, a *app, job *check.Options) error {
	if o.outDir != "" {
		file := filepath.Join(o.outDir, receipt.File)
		switch _, err := os.Stat(file); {
		case err == nil:
			r, err := readReceipt(file)
			if err != nil {
				if hintOf(err) == "" {
					err = usage(err, "name the mirror, which keeps its receipts, and take this file away: --to HOST[:PORT][/NAMESPACE]")
				}
				return err
			}
			job.Receipts = append(job.Receipts, r)
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	if o.to == "" {
		return nil
	}
	place, err := o.place("check")
	if err != nil {
		return err
	}
	job.Mirror = place.Host
	keeper := receipt.Keeper{Look: true, Repo: receipt.RepoIn(place)}
	if state, err := xdg("XDG_STATE_HOME", ".local/state"); err == nil {
		keeper.Dir = receipt.HostDir(state, place)
	}
	if !o.offline {
		client := o.registry.client(a)
		defer client.Close()
		keeper.Mirror = transport.NewMirror(client, place, o.parallel)
	}
	history, err := keeper.History(ctx)
	if err != nil && ctx.Err() == nil && len(job.Receipts) > 0 { // there is one to go by
		job.Unread = append(job.Unread, err)
		return nil
	}
	if err != nil {
		return err
	}
	if history, err = o.readAsNodes(ctx, a, job, place, keeper, history); err != nil {
		return err
	}
	noteOdd(job, history, !o.offline && history.Refused == nil)
	return addKept(ctx, job, place, history)
}

// bundles opens those that are named in addition.
func (o checkOptions) bundles(ctx context.Context, a *app, dirs []string, job *check.Options) (end func() error, err error) {
	var open []*bundle.Reader
	end = func() (err error) {
		for _, r := range open {
			err = errors.Join(err, r.Close())
		}
		return err
	}
	if len(dirs) == 0 {
		return end, nil
	}
	want, ids, err := o.reader.parse(a.ui(ctx))
	if err != nil {
		return end, err
	}
	each, err := a.chooseEach(ctx, dirs, wanted{want.Expect, o.reader.bundle, want.Trust}, false)
	if err != nil {
		return end, err
	}
	for _, c := range each {
		r, err := a.openChoice(c, func(dirs []string) (*bundle.Reader, error) { return a.openBundle(ctx, dirs, want, ids) })
		if err != nil {
			return end, err
		}
		open = append(open, r)
	}
	newest := slices.SortedStableFunc(slices.Values(open), func(a, b *bundle.Reader) int { return b.Created().Compare(a.Created()) })
	for _, r := range newest { // their tags count
		job.Bundles = append(job.Bundles, check.Bundle{Inventory: r.Inventory(), Source: r})
	}
	return end, nil
}
