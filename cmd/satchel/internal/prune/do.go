package prune

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

// atOnce is how many manifests are deleted between two looks at the tags of their repository.
const atOnce = 32

// Do deletes what the plan says, as far as a fresh look at each repository agrees. The plan says
// then what was done. A *[RefusedError] says that the registry refused something and all else is
// done; run again, it goes on where it stopped.
func (plan *Plan) Do(ctx context.Context) error {
	p := plan.p
	if plan.Idle() {
		return nil
	}
	release, err := p.Keeper.Hold(true)
	if err != nil {
		return err
	}
	defer release()
	end, err := p.mark(ctx, plan)
	if err != nil {
		return err
	}
	plan.begin()
	err = p.delete(ctx, plan)
	end()
	var refused *RefusedError
	if err != nil && !errors.As(err, &refused) && plan.Count(Deleted) > 0 {
		p.note(ctx, plan)
	}
	return err
}

// mark says in the mirror that it is deleted from, until end is called. Other runs may have begun
// before they could see that: the receipts are listed once more then.
func (p *pruning) mark(ctx context.Context, plan *Plan) (end func(), err error) {
	if p.Apart || plan.Count(Goes)+plan.Untagged()+len(plan.Tags) == 0 {
		return func() {}, nil
	}
	before, err := p.Mirror.Tags(ctx, p.Keeper.Repo)
	if err != nil {
		return nil, err
	}
	ref, err := p.Keeper.BeginPrune(ctx)
	if err != nil {
		return nil, err
	}
	end = func() {
		ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), noteFor)
		defer stop()
		if err := p.Keeper.EndPrune(ctx, ref, before); err != nil {
			p.Debug("%s stays: the next prune takes it away: %v", ref, err)
		}
	}
	if err := p.unchanged(ctx, plan); err != nil {
		end()
		return nil, err
	}
	return end, nil
}

// begin takes from the plan what has yet to be done.
func (plan *Plan) begin() {
	plan.began = true
	for _, item := range plan.Manifests {
		item.spare, item.Untagged = item.Untagged, nil
	}
}

// Began reports whether [Plan.Do] has begun to delete.
func (plan *Plan) Began() bool { return plan.began }

// noteFor is how long a run that ends early may take to note what it has done.
const noteFor = 20 * time.Second

// note keeps what a run that ends early has deleted, at least on this host: it is not satchel's any
// more if somebody else brings it again. Else the next run finds out.
func (p *pruning) note(ctx context.Context, plan *Plan) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), noteFor)
	defer stop()
	left := &remains{gone: p.goneThings(plan), tags: map[receipt.Tagged]digest.Digest{}}
	for tag, fact := range p.f.tags {
		if !left.gone[thing{tag.Repo, fact.d}] {
			left.tags[tag] = fact.d // as far as is known
		}
	}
	if err := p.replace(ctx, plan, left); err != nil {
		p.Debug("what was deleted is noted by the next run: %v", err)
	}
}

// delete deletes, and puts the receipts in order.
func (p *pruning) delete(ctx context.Context, plan *Plan) error {
	for _, items := range byRepository(plan.Manifests) {
		if err := p.unchanged(ctx, plan); err != nil {
			return err
		}
		if err := p.repository(ctx, plan, items); err != nil {
			return err
		}
	}
	if err := p.unchanged(ctx, plan); err != nil {
		return err
	}
	if err := p.untagStale(ctx, plan); err != nil {
		return err
	}
	if err := p.confirm(ctx); err != nil {
		return err
	}
	if err := p.recheckGone(ctx, plan); err != nil {
		return err
	}
	if err := p.finish(ctx, plan); err != nil {
		return err
	}
	slices.SortFunc(plan.Refusals, compareRefusals)
	if len(plan.Refusals) > 0 {
		e := &RefusedError{Refusals: plan.Refusals}
		for _, r := range plan.Refusals {
			e.Count += r.Count
		}
		return e
	}
	return nil
}

// repository deletes what goes of one repository.
func (p *pruning) repository(ctx context.Context, plan *Plan, items []*Item) error {
	may := pending(items)
	if len(may) == 0 && !slices.ContainsFunc(items, func(i *Item) bool { return len(i.spare) > 0 }) {
		return nil
	}
	v := newView(&p.Options, p.f, items[0].Repository)
	if err := v.refresh(ctx, items); unjudged(err) {
		for _, item := range may {
			item.stay("its repository cannot be judged: " + text.Joined(err.Error()))
		}
		return nil
	} else if err != nil {
		return err
	}
	d := &deleting{p: p, plan: plan, v: v, items: map[digest.Digest]*Item{}, all: items, refused: map[digest.Digest]bool{}}
	for _, item := range items {
		d.items[item.Digest] = item
	}
	if err := d.run(ctx); err != nil {
		return err
	}
	if err := d.untag(ctx); err != nil {
		return err
	}
	if d.brought > 0 {
		p.Info("deleted from %s: %s", oci.Ref{Registry: p.Place.Host, Repository: v.repo}, text.Count(d.brought, "manifest", "manifests"))
	}
	return nil
}

// deleting is the work in one repository.
type deleting struct {
	p     *pruning
	plan  *Plan
	v     *view
	items map[digest.Digest]*Item
	all   []*Item

	mu      sync.Mutex
	deleted int // lists of referrers too
	brought int // the same without them
	refused map[digest.Digest]bool
	never   *transport.DeleteError // the registry would refuse all that is left in the same way
}

// run deletes in turns: what nothing that is there leads to, then what that led to.
func (d *deleting) run(ctx context.Context) error {
	for {
		j := d.judge()
		turn := j.ready()
		if len(turn) == 0 {
			return nil
		}
		turn = turn[:min(len(turn), atOnce)]
		if d.deleted > 0 { // else it was looked at just now
			if err := d.p.unchanged(ctx, d.plan); err != nil {
				return err
			}
			if err := d.v.refresh(ctx, d.of(turn)); err != nil {
				return err
			}
			j = d.judge()
			turn = slices.DeleteFunc(turn, func(x digest.Digest) bool { return !j.going[x] })
		}
		if err := d.turn(ctx, turn); err != nil {
			return err
		}
	}
}

// of lists the items of digests.
func (d *deleting) of(list []digest.Digest) (items []*Item) {
	for _, x := range list {
		if item := d.items[x]; item != nil {
			items = append(items, item)
		}
	}
	return items
}

// judge decides afresh what goes of what is left.
func (d *deleting) judge() *judgement {
	may := pending(d.all)
	j := d.v.judge(may, d.p.uses, d.p.candidates[d.v.repo], d.refused)
	for _, item := range may {
		switch {
		case j.going[item.Digest]:
		case !d.v.there(item.Digest):
			item.State = Gone
		default:
			item.stay(j.why[item.Digest])
		}
	}
	return j
}

// turn deletes manifests, the first of a repository alone: the registry may delete nothing there.
func (d *deleting) turn(ctx context.Context, turn []digest.Digest) error {
	if d.deleted == 0 && d.never == nil && len(turn) > 0 {
		if err := d.one(ctx, turn[0]); err != nil {
			return err
		}
		turn = turn[1:]
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(d.p.Parallel)
	for _, x := range turn {
		g.Go(func() error { return d.one(gctx, x) })
	}
	return g.Wait()
}

// one deletes one manifest, and notes what became of it.
func (d *deleting) one(ctx context.Context, x digest.Digest) error {
	d.mu.Lock()
	refused := d.never
	d.mu.Unlock()
	var err error
	if refused == nil {
		err = d.p.Mirror.Delete(ctx, d.v.ref.WithDigest(x))
	}
	if err != nil && !errors.As(err, &refused) {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	item := d.items[x] // nil for a list of referrers
	if refused != nil {
		d.refused[x] = true
		if refused.Everywhere() && d.deleted == 0 {
			d.never = refused
		}
		if item != nil {
			item.State, item.Why = Refused, string(refused.Trouble)
		}
		d.p.undeletable = d.p.undeletable || refused.Trouble == transport.DeleteUnsupported
		d.plan.refuse(refused)
		return nil
	}
	d.v.gone(x)
	d.deleted++
	if item != nil {
		item.State = Deleted
		d.brought++
	}
	return nil
}

// refuse counts a refusal.
func (plan *Plan) refuse(err *transport.DeleteError) {
	i := slices.IndexFunc(plan.Refusals, func(r Refusal) bool { return r.Why == string(err.Trouble) })
	if i < 0 {
		i = len(plan.Refusals)
		plan.Refusals = append(plan.Refusals, Refusal{Why: string(err.Trouble), Such: such(err), Hint: err.Hint()})
	}
	plan.Refusals[i].Count++
}

// such names what was refused, and what the registry answered.
func such(err *transport.DeleteError) string {
	if answer, ok := errors.AsType[*transport.RegistryError](err.Err); ok {
		return err.Ref.String() + ": " + text.Joined(answer.Cause())
	}
	return err.Ref.String()
}

// RefusedError says that a registry did not delete what should go, and that all else is done.
type RefusedError struct {
	Count    int
	Refusals []Refusal // by kind
}

func (e *RefusedError) Error() string {
	var kinds []string
	for _, r := range e.Refusals {
		kinds = append(kinds, fmt.Sprintf("%d: %s (such as %s)", r.Count, r.Why, r.Such))
	}
	return fmt.Sprintf("%s not deleted, as the registry refuses it: %s", text.Count(e.Count, "manifest or tag was", "manifests or tags were"), strings.Join(kinds, "; "))
}

// Hint says what to do now.
func (e *RefusedError) Hint() string {
	for _, r := range e.Refusals {
		if r.Hint != "" {
			return r.Hint
		}
	}
	return ""
}

// Permanent is true: the registry answered.
func (e *RefusedError) Permanent() bool { return true }
