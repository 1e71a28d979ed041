package prune

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

// pruning is one run.
type pruning struct {
	Options
	src  *sources
	f    *facts
	uses Uses // may be nil

	candidates  map[string]map[digest.Digest]bool // by repository
	lacks       map[thing]bool                    // what kept bundles need and was not there before
	receipts    []string                          // that the mirror and this host had
	undeletable bool                              // the registry has refused to delete anything
	alone       *bool                             // whether the registry deletes a tag alone; nil: not known yet
}

// Look finds out what would go. It deletes nothing. An *[OpenError] says that an unpack has not
// ended, an *[UnreadableError] that a receipt cannot be read.
func Look(ctx context.Context, o Options) (*Plan, error) {
	p := &pruning{Options: o, candidates: map[string]map[digest.Digest]bool{}, lacks: map[thing]bool{}}
	var err error
	if p.receipts, err = p.listReceipts(ctx); err != nil {
		return nil, err
	}
	if p.src, err = readSources(ctx, &o); err != nil {
		return nil, err
	}
	plan := &Plan{Mirror: o.Place.String(), Kept: bundlesOf(p.src.kept), Dropped: bundlesOf(p.src.dropped), p: p}
	plan.Unconfirmed, plan.Unknown = p.src.unconfirmed, !pushes(p.src.all)
	if plan.Unknown {
		return plan, nil
	}
	p.f = learn(p.src)
	plan.Manifests, plan.Needed = candidates(p.src, p.f)
	for _, item := range plan.Manifests {
		if p.candidates[item.Repository] == nil {
			p.candidates[item.Repository] = map[digest.Digest]bool{}
		}
		p.candidates[item.Repository][item.Digest] = true
	}
	if len(plan.Dropped)+len(plan.Manifests) == 0 {
		return plan, nil
	}
	if err := p.choose(ctx, plan); err != nil {
		return nil, err
	}
	if p.Only == nil {
		if plan.Tags, err = p.live(ctx, p.staleTags()); err != nil {
			return nil, err
		}
	}
	repos := byRepository(plan.Manifests)
	p.Info("looking at %s of the mirror, for %s that no kept bundle needs", text.Count(len(repos), "repository", "repositories"), text.Count(len(plan.Manifests), "manifest", "manifests"))
	for _, items := range repos {
		if err := p.plan(ctx, items); err != nil {
			return nil, err
		}
	}
	for _, item := range plan.Manifests {
		if item.State == Stays && len(item.Tags) == 0 { // it was not looked at
			item.Tags = p.f.givenTo(item)
		}
	}
	if p.lacks, err = p.missing(ctx); err != nil {
		return nil, err
	}
	plan.Lacks = p.names(p.lacks)
	plan.Blobs = freed(p.src)
	return plan, nil
}

// choose takes out what is in use, and what is not asked for.
func (p *pruning) choose(ctx context.Context, plan *Plan) (err error) {
	var only Choice
	if p.InUse != nil {
		if p.uses, err = p.InUse(ctx, p.src.all); err != nil {
			return err
		}
		if p.uses != nil {
			plan.Notes = append(plan.Notes, p.uses.Notes()...)
		}
	}
	if p.Only != nil {
		if only, err = p.Only(ctx, p.src.all); err != nil {
			return err
		}
		plan.Notes = append(plan.Notes, only.Notes()...)
	}
	for _, item := range plan.Manifests {
		if p.uses != nil {
			item.stay(p.uses.Digest(item.Repository, item.Digest))
		}
		if only != nil && !only.Goes(item.Repository, item.Digest) {
			item.stay(NotAsked)
		}
	}
	return nil
}

// NotAsked is why something stays that [Options].Only does not choose.
const NotAsked = "the delete configuration does not name it"

// stay has an item stay, if there is a reason.
func (i *Item) stay(why string) {
	if why != "" && i.State == Goes {
		i.State, i.Why = Stays, why
	}
}

// byRepository divides items that are sorted.
func byRepository(items []*Item) (repos [][]*Item) {
	for i, item := range items {
		if i == 0 || item.Repository != items[i-1].Repository {
			repos = append(repos, nil)
		}
		repos[len(repos)-1] = append(repos[len(repos)-1], item)
	}
	return repos
}

// pending lists the items that may go.
func pending(items []*Item) []*Item {
	return slices.DeleteFunc(slices.Clone(items), func(i *Item) bool { return i.State != Goes })
}

// plan looks at one repository and notes in its items what would become of them.
func (p *pruning) plan(ctx context.Context, items []*Item) error {
	may := pending(items)
	if len(may) == 0 {
		return nil
	}
	v := newView(&p.Options, p.f, items[0].Repository)
	if err := v.refresh(ctx, may); unjudged(err) {
		for _, item := range may {
			item.stay("its repository cannot be judged: " + text.Joined(err.Error()))
		}
		return nil
	} else if err != nil {
		return err
	}
	j := v.judge(may, p.uses, p.candidates[v.repo], nil)
	for _, item := range may {
		item.Tags = v.on(item.Digest)
		switch {
		case j.going[item.Digest]:
		case !v.there(item.Digest):
			item.State = Gone
		default:
			item.stay(j.why[item.Digest])
			item.Untagged = j.spare(item.Digest)
		}
	}
	return nil
}

// recheckGone asks once more for what was not there, and takes back what is.
func (p *pruning) recheckGone(ctx context.Context, plan *Plan) error {
	wanted := map[thing]bool{}
	for _, item := range plan.Manifests {
		if item.State == Gone {
			wanted[thing{item.Repository, item.Digest}] = true
		}
	}
	absent, err := p.absent(ctx, wanted)
	if err != nil {
		return err
	}
	for _, item := range plan.Manifests {
		if item.State == Gone && !absent[thing{item.Repository, item.Digest}] {
			item.State, item.Why = Stays, "the registry did not give it before, and does now"
		}
	}
	return nil
}

// listReceipts lists the receipts that the mirror and this host have.
func (p *pruning) listReceipts(ctx context.Context) ([]string, error) {
	tags, err := p.Mirror.Tags(ctx, p.Keeper.Repo)
	var answer *transport.RegistryError
	if errors.As(err, &answer) && !answer.Away() && ctx.Err() == nil && p.Apart { // the mirror keeps none
		tags, err = nil, nil
	}
	tags = slices.DeleteFunc(tags, func(tag string) bool { return !receipt.IsTag(tag) })
	here, herr := p.Keeper.Here()
	all := append(tags, here...)
	slices.Sort(all)
	return all, errors.Join(err, herr)
}

// missing finds out what the mirror lacks of what the kept bundles need.
func (p *pruning) missing(ctx context.Context) (map[thing]bool, error) {
	wanted := map[thing]bool{}
	for _, r := range p.src.kept {
		for _, m := range r.Manifests {
			wanted[thing{m.Repo, m.Digest}] = true
		}
	}
	return p.absent(ctx, wanted)
}

// absent asks the mirror for manifests, and gives those that it does not have.
func (p *pruning) absent(ctx context.Context, wanted map[thing]bool) (map[thing]bool, error) {
	absent := map[thing]bool{}
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(p.Parallel)
	for t := range wanted {
		g.Go(func() error {
			there, err := p.Mirror.Has(gctx, oci.Ref{Registry: p.Place.Host, Repository: t.repo, Digest: t.d})
			if err == nil && !there {
				mu.Lock()
				defer mu.Unlock()
				absent[t] = true
			}
			return err
		})
	}
	return absent, g.Wait()
}

// names writes manifests for people, sorted.
func (p *pruning) names(things map[thing]bool) (list []string) {
	for t := range things {
		list = append(list, oci.Ref{Registry: p.Place.Host, Repository: t.repo, Digest: t.d}.String())
	}
	slices.Sort(list)
	return list
}

// ChangedError says that the receipts of the mirror changed while it was pruned.
type ChangedError struct{ Deleted int }

func (e *ChangedError) Error() string {
	return fmt.Sprintf("another run has begun or ended to write into this mirror: stopped, after %s deleted", text.Count(e.Deleted, "manifest was", "manifests were"))
}

// Hint says what to do now.
func (e *ChangedError) Hint() string {
	return "when the other run has ended, run the same command again: it deletes what is left"
}

// unchanged makes sure that no other run has begun, or ended, since the receipts were read.
func (p *pruning) unchanged(ctx context.Context, plan *Plan) error {
	now, err := p.listReceipts(ctx)
	if err != nil {
		return err
	}
	same := slices.Equal(now, p.receipts) // a list that lacks some is not whole
	if same {
		same, err = p.src.sameElsewhere(ctx, p.Mirror)
	}
	if err != nil {
		return err
	}
	if !same {
		return &ChangedError{plan.Count(Deleted)}
	}
	return nil
}

// compareRefusals orders refusals, the most frequent first.
func compareRefusals(a, b Refusal) int {
	return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Why, b.Why))
}
