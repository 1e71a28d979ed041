package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prune"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

type pruneOptions struct {
	placeFlags
	useFlags
	keep        int
	dryRun, yes bool
	parallel    int
	notInMirror bool
	output      string
	wide        bool
	trust       trustFlags
	sign        signFlags
	registry    registryFlags
}

func newPrune(a *app) *cobra.Command {
	var o pruneOptions
	cmd := &cobra.Command{
		Use:   "prune --to HOST[:PORT][/NAMESPACE]",
		Short: "Delete from a mirror what only older bundles brought",
		Long: `prune deletes from the mirror what satchel pushed and no bundle needs any more that
is kept: the newest bundles of each stream (--keep). Which these are, and what satchel
pushed, the receipts say that unpack has kept. What has a tag of somebody else, is a
part of somebody else's index, or is in doubt stays.

Releases, catalogs and operators go only when files say what the clusters use that the
mirror serves (--from-cluster, or --from-pods, --cluster-version and --subscriptions, once
for each cluster), or with --no-cluster. Without these, only other images go. With -c,
nothing goes that the DeleteImageSetConfiguration does not name.

First it shows what would go. On a terminal it asks then; elsewhere nothing is deleted
without --yes. How the registry gives the space back is shown at the end.`,
		Example: `  satchel cluster-query                        # the line that writes cluster.yaml
  satchel prune --to mirror.example:5000/ocp --from-cluster cluster.yaml --dry-run`,
		Args: exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withLines(cmd, runPrune(cmd.Context(), a, o))
		},
	}
	f := cmd.Flags()
	addPlaceFlags(f, &o.placeFlags)
	f.IntVar(&o.keep, "keep", 3, "keep what the newest `N` bundles of each stream need")
	addUseFlags(f, &o.useFlags)
	f.BoolVar(&o.dryRun, "dry-run", false, "show what would be deleted, and end")
	f.BoolVar(&o.yes, "yes", false, "delete without asking")
	f.IntVar(&o.parallel, "parallel-requests", 8, "send `N` requests at once")
	f.BoolVar(&o.notInMirror, "no-mirror-receipt", false, "keep the receipt of what is left on this host alone")
	addTrustFlags(f, &o.trust)
	f.Lookup("trust").Usage = "count receipts that somebody in `FILE` has signed, beside those of this host: allowed signers, as ssh-keygen(1) describes them (may be given more than once)"
	addSignFlags(f, &o.sign)
	addWide(f, &o.wide)
	addOutcome(cmd, &o.output)
	addRegistryFlags(f, &o.registry, "dest")
	return cmd
}

// pruned is what prune has done.
type pruned struct {
	ended
	DryRun bool     `json:"dryRun,omitempty"` // nothing was deleted, as it was not asked for
	Space  []string `json:"space,omitempty"`  // how the registry gives space back
	*prune.Plan
}

func runPrune(ctx context.Context, a *app, o pruneOptions) error {
	said := &pruned{DryRun: true}
	if err := a.tellMachines(o.output, said); err != nil {
		return err
	}
	place, err := o.place("prune")
	switch {
	case err != nil:
		return err
	case o.keep < 1:
		return usage(fmt.Errorf("--keep %d: it must be at least 1", o.keep), "")
	case o.parallel < 1:
		return usage(fmt.Errorf("--parallel-requests %d: it must be at least 1", o.parallel), "")
	case o.yes && o.dryRun:
		return usage(errors.New("--dry-run deletes nothing, and --yes is for what deletes"), "leave out one of them")
	}
	client := o.registry.client(a)
	defer client.Close()
	job, err := o.job(ctx, a, client, place)
	if err != nil {
		return err
	}
	plan, err := prune.Look(ctx, job)
	if err != nil {
		return err
	}
	said.Plan = plan
	if err := a.showPlan(o, plan); err != nil {
		return err
	}
	if plan.Count(prune.Goes) > 0 {
		said.Space = prune.Space(job.Mirror.Product(ctx))
	}
	if o.dryRun {
		a.saySpace(said.Space)
	}
	if agreed, err := a.mayPrune(ctx, o, plan); err != nil || !agreed {
		return err
	}
	before := len(plan.Notes)
	err = plan.Do(ctx)
	if said.DryRun = !plan.Began(); said.DryRun {
		return err
	}
	a.sayPruned(plan, plan.Notes[before:])
	if plan.Count(prune.Deleted) > 0 {
		a.saySpace(said.Space)
	}
	return err
}

// job is what is asked for. It reads all files that are named, and makes no requests.
func (o *pruneOptions) job(ctx context.Context, a *app, client *transport.Client, place oci.Mirror) (job prune.Options, err error) {
	job = prune.Options{To: a.notices(), Place: place, Mirror: transport.NewMirror(client, place, o.parallel), Apart: o.notInMirror, Keep: o.keep, Parallel: o.parallel}
	job.Keeper = receipt.Keeper{Mirror: job.Mirror, Repo: receipt.RepoIn(place)}
	if state, err := xdg("XDG_STATE_HOME", ".local/state"); err == nil {
		job.Keeper.Dir = receipt.HostDir(state, place)
	}
	question, err := o.ask()
	if err != nil {
		return job, err
	}
	named, err := o.chosen()
	if err != nil {
		return job, err
	}
	if job.Keeper.Trust, err = o.trust.load(); err != nil {
		return job, err
	}
	if job.Keeper.Signers, err = o.sign.load(ctx, a, a.ui(ctx)); err != nil {
		return job, err
	}
	job.InUse = usesOf(&job, question)
	if named != nil {
		job.Only = choiceOf(&job, named)
	}
	return job, nil
}

// saySpace says how the registry gives space back.
func (a *app) saySpace(list []string) {
	if len(list) == 1 {
		a.info("what is deleted takes space until the registry collects it. %s", list[0])
		return
	}
	for i, line := range list {
		if i == 0 {
			a.info("what is deleted takes space until the registry collects it; how depends on what it is:")
		}
		a.info("- %s", line)
	}
}

// showPlan prints what would go, for people.
func (a *app) showPlan(o pruneOptions, plan *prune.Plan) error {
	for _, note := range plan.Notes {
		a.warn("%s", text.Printable(note))
	}
	if len(plan.Lacks) > 0 {
		a.warn("the mirror lacks %s that bundles need which are kept, such as %s: unpack the newest bundle again", text.Count(len(plan.Lacks), "manifest", "manifests"), plan.Lacks[0])
	}
	if plan.Unconfirmed > 0 {
		a.warn("%s", strangersText(plan.Unconfirmed))
	}
	if a.machines() || plan.Unknown {
		return nil
	}
	out := a.stdout
	if o.yes || a.asksPrune(o) { // what is shown is no result then
		out = a.stderr
	}
	v := a.view(o.wide)
	return v.print(out, func(w io.Writer) error { return printPruning(w, plan, v) })
}

// asksPrune reports whether somebody is there who can be asked.
func (a *app) asksPrune(o pruneOptions) bool {
	f, ok := a.stderr.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && !a.machines() && !o.dryRun
}

// mayPrune finds out whether anything is to be deleted.
func (a *app) mayPrune(ctx context.Context, o pruneOptions, plan *prune.Plan) (bool, error) {
	switch {
	case plan.Unknown:
		a.warn("nothing was deleted: no receipt says that satchel pushed anything into %s; --to names the same namespace as for unpack", plan.Mirror)
		return false, nil
	case plan.Idle():
		a.info("nothing to delete")
		return false, nil
	case o.dryRun:
		a.info("nothing was deleted: this was a dry run")
		return false, nil
	case o.yes:
		return true, nil
	}
	if a.asksPrune(o) {
		agreed, err := a.ui(ctx).Confirm("Delete this?", "yes", "no")
		if err == nil && !agreed {
			a.info("nothing was deleted")
		}
		if !errors.Is(err, bundle.ErrNoTerminal) {
			return agreed, err
		}
	}
	a.info("nothing was deleted: the same command with --yes deletes")
	return false, nil
}

// sayPruned says what was done.
func (a *app) sayPruned(plan *prune.Plan, notes []string) {
	for _, note := range notes {
		a.warn("%s", text.Printable(note))
	}
	a.info("deleted: %s", text.Count(plan.Count(prune.Deleted), "manifest", "manifests"))
	if n := plan.Untagged(); n > 0 {
		a.info("deleted: %s of manifests that stay", text.Count(n, "tag", "tags"))
	}
	if n := plan.Count(prune.Gone); n > 0 {
		a.info("%s not there any more", text.Count(n, "manifest was", "manifests were"))
	}
	if n := plan.Count(prune.Refused); n > 0 {
		a.info("refused: %s", text.Count(n, "manifest", "manifests"))
	}
}
