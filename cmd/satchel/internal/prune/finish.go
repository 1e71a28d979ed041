package prune

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// LostError says that something that should stay is not there any more.
type LostError struct{ Things []string }

func (e *LostError) Error() string {
	return fmt.Sprintf("the mirror does not have any more what should stay: %s", text.Some(e.Things, 5))
}

// Hint says what to do now.
func (e *LostError) Hint() string {
	return "unpack the newest bundle again: it pushes what is missing; and look into the registry's log, as somebody else may have deleted it"
}

// Permanent is true: it was looked at.
func (e *LostError) Permanent() bool { return true }

// confirm makes sure that the mirror has what the kept bundles need, as far as it had that before.
func (p *pruning) confirm(ctx context.Context) error {
	now, err := p.missing(ctx)
	if err != nil {
		return err
	}
	for t := range p.lacks {
		delete(now, t)
	}
	if len(now) > 0 {
		return &LostError{Things: p.names(now)}
	}
	return nil
}

// finish puts one receipt in the place of those that are kept no longer. Where the registry
// deletes nothing, they stay as they are.
func (p *pruning) finish(ctx context.Context, plan *Plan) error {
	done := plan.Count(Deleted) + plan.Count(Gone) + plan.Untagged()
	if done > 0 || len(plan.Dropped) > 0 && plan.Count(Refused) == 0 {
		there, err := p.remains(ctx, plan)
		if err == nil {
			err = p.replace(ctx, plan, there)
		}
		if err != nil {
			return err
		}
	}
	if len(p.src.history.Replaced) == 0 { // of this run, and of one that was killed
		return nil
	}
	k := p.Keeper
	if p.Apart { // other hosts know nothing else than what the mirror has
		k.Mirror = nil
	}
	refused, err := k.Remove(ctx, p.src.history)
	if len(refused) > 0 {
		plan.Notes = append(plan.Notes, fmt.Sprintf("%s of bundles that are kept no longer stay in the mirror and count no longer: %s", text.Count(len(refused), "receipt", "receipts"), text.Joined(refused[0].Error())))
	}
	return err
}

// replace keeps what is left of what dropped receipts name.
func (p *pruning) replace(ctx context.Context, plan *Plan, there *remains) error {
	k := p.Keeper
	if p.Apart {
		k.Mirror = nil
	}
	one, err := k.Replace(ctx, p.src.history, receipt.Left(p.Place, p.src.dropped, there), p.src.replaced)
	if err != nil {
		return err
	}
	plan.Receipt = one.Digest.String()
	return nil
}

// remains is what is left of what dropped receipts name.
type remains struct {
	gone map[thing]bool
	tags map[receipt.Tagged]digest.Digest
}

func (r *remains) Manifest(repo string, d digest.Digest) bool { return !r.gone[thing{repo, d}] }

func (r *remains) Tag(repo, tag string, d digest.Digest) bool {
	return r.tags[receipt.Tagged{Repo: repo, Tag: tag}] == d
}

// goneThings lists what is not there any more.
func (p *pruning) goneThings(plan *Plan) map[thing]bool {
	gone := maps.Clone(p.lacks)
	for _, item := range plan.Manifests {
		if item.State == Deleted || item.State == Gone {
			gone[thing{item.Repository, item.Digest}] = true
		}
	}
	return gone
}

// remains finds out what is left.
func (p *pruning) remains(ctx context.Context, plan *Plan) (*remains, error) {
	r := &remains{gone: p.goneThings(plan), tags: map[receipt.Tagged]digest.Digest{}}
	ask := map[receipt.Tagged]bool{}
	for _, from := range p.src.dropped {
		for _, img := range from.Images {
			for _, tag := range img.Tags {
				if tag.Mark == receipt.Pushed && !r.gone[thing{img.Repo, img.Digest}] {
					ask[receipt.Tagged{Repo: img.Repo, Tag: tag.Name}] = true
				}
			}
		}
	}
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(p.Parallel)
	for t := range ask {
		g.Go(func() error {
			d, err := p.Mirror.TagDigest(gctx, oci.Ref{Registry: p.Place.Host, Repository: t.Repo, Tag: t.Tag})
			mu.Lock()
			defer mu.Unlock()
			r.tags[t] = d
			return err
		})
	}
	return r, g.Wait()
}
