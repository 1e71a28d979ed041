package pack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prepare"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/report"
	"github.com/satchel-airgap/satchel/oci"
)

// write puts all blobs, then all manifests, and seals.
func (p *packing) write(ctx context.Context) (bundle.Fingerprint, error) {
	var err error
	if len(p.w.Drives()) > 1 {
		err = p.writeDrives(ctx)
	} else {
		err = p.writeBlobs(ctx, []int{1})
	}
	if err == nil {
		err = p.checkWhole(ctx)
	}
	if err != nil {
		return "", err
	}
	p.lastPlace()
	for _, n := range p.Carried().Manifests {
		if err := p.w.Put(ctx, n.Descriptor, p.Cache.ReadThrough(p.Source(n))); err != nil {
			return "", p.Blame(n, err)
		}
	}
	noted, err := p.noted(p.w.ID())
	if err == nil {
		err = p.w.SetGaps(noted)
	}
	if err != nil {
		return "", err
	}
	inv, err := p.writeDocuments(ctx)
	if err != nil {
		return "", err
	}
	if err := p.number(ctx); err != nil {
		return "", err
	}
	return p.w.Seal(ctx, inv)
}

// writeDocuments puts what was pinned from the start, and what is rendered for the images
// that the bundle really has. It gives the inventory with all of them.
func (p *packing) writeDocuments(ctx context.Context) (*oci.Inventory, error) {
	built := p.Built()
	err := p.WalkDocuments(ctx, func(d oci.Descriptor) error { return p.w.PutDocument(ctx, d, built) })
	if err != nil {
		return nil, fmt.Errorf("write %w", err)
	}
	yaml, err := p.ClusterYAML(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range yaml.Content.Descriptors() {
		if err := p.w.PutDocument(ctx, d, &yaml.Content); err != nil {
			return nil, fmt.Errorf("write the cluster's YAML: %w", err)
		}
	}
	inv := p.Inventory()
	inv.Documents = append(inv.Documents, yaml.Document)
	return inv, nil
}

// writeBlobs puts blobs until the bundle has all: those that shared a segment with a
// wrong one are gone again, and those of a dropped image are no longer needed. Those of the
// drives alone are put that are named by their numbers.
func (p *packing) writeBlobs(ctx context.Context, drives []int) error {
	for {
		if err := p.giveUp(ctx); err != nil {
			return err
		}
		unfinished, err := p.w.Unfinished()
		if err != nil {
			return err
		}
		todo, done, err := p.todo(ctx, unfinished)
		if err != nil {
			return err
		}
		each := p.onEach(todo, drives)
		if len(each) == 0 {
			return nil
		}
		for _, n := range unfinished {
			done += n
		}
		bar := p.Progress("packing", done, report.Size(p.Carried().Blobs))
		err = p.putEach(ctx, bar, each, unfinished)
		bar.End()
		if err == nil {
			continue
		}
		if err := p.Tolerate(ctx, err); err != nil {
			return err
		}
	}
}

// onEach gives what is to be put on each of the drives, in the order of todo; nothing for one
// that has all.
func (p *packing) onEach(todo []oci.Node, drives []int) (each [][]oci.Node) {
	on := map[int][]oci.Node{}
	for _, n := range todo {
		k := p.w.DriveOf(n.Descriptor)
		on[k] = append(on[k], n)
	}
	for _, k := range drives {
		if len(on[k]) > 0 {
			each = append(each, on[k])
		}
	}
	return each
}

// putEach fetches the blobs of several drives at the same time.
func (p *packing) putEach(ctx context.Context, bar notice.Progress, each [][]oci.Node, unfinished map[digest.Digest]int64) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, todo := range each {
		begun := 0
		for _, n := range todo {
			if _, ok := unfinished[n.Descriptor.Digest]; ok {
				begun++
			}
		}
		g.Go(func() error { return p.put(ctx, bar, todo, begun, max(1, p.ParallelBlobs/len(each))) })
	}
	return g.Wait()
}

// giveUp takes back what was begun of blobs that no image needs any more: each
// holds a lane.
func (p *packing) giveUp(ctx context.Context) error {
	unfinished, err := p.w.Unfinished()
	if err != nil {
		return err
	}
	for _, n := range p.Carried().Blobs {
		delete(unfinished, n.Descriptor.Digest)
	}
	for d := range unfinished {
		if err := p.w.GiveUp(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// todo lists the blobs that are not in the bundle yet: those begun first, which
// hold lanes, then by size, the largest first. done is the bytes of the others.
func (p *packing) todo(ctx context.Context, unfinished map[digest.Digest]int64) (todo []oci.Node, done int64, err error) {
	for _, n := range p.Carried().Blobs {
		ok, err := p.w.Has(ctx, n.Descriptor)
		if err != nil {
			return nil, 0, err
		}
		if ok {
			done += n.Descriptor.Size
		} else {
			todo = append(todo, n)
		}
	}
	rank := func(n oci.Node) int {
		if _, ok := unfinished[n.Descriptor.Digest]; ok {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(todo, func(a, b oci.Node) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(b.Descriptor.Size, a.Descriptor.Size))
	})
	return todo, done, nil
}

// put fetches the blobs. The first error ends it, but with --keep-going one that
// is only some images' loss does not: the error then joins their gaps.
func (p *packing) put(ctx context.Context, bar notice.Progress, todo []oci.Node, begun, workers int) error {
	large := 0 // todo has what was begun and what is large first
	for large < len(todo) && (large < begun || todo[large].Descriptor.Size > bundle.SmallBlob) {
		large++
	}
	g, gctx := errgroup.WithContext(ctx)
	lost := make([]error, len(todo))
	queues := [][]int{indexes(0, large), indexes(large, len(todo))}
	var mu sync.Mutex
	for worker := range workers {
		first := 0
		if worker >= p.w.Lanes() {
			first = 1 // beyond the lanes there is only use for small ones
		}
		g.Go(func() error {
			for {
				i, ok := next(&mu, queues[first:])
				if !ok || gctx.Err() != nil {
					return gctx.Err()
				}
				var err error
				if lost[i], err = p.putOne(gctx, bar, todo[i]); err != nil {
					return err
				}
			}
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return errors.Join(lost...)
}

// indexes are the numbers from i up to, and without, j.
func indexes(i, j int) (list []int) {
	for ; i < j; i++ {
		list = append(list, i)
	}
	return list
}

// next takes the next number of the first queue that is not empty.
func next(mu *sync.Mutex, queues [][]int) (int, bool) {
	mu.Lock()
	defer mu.Unlock()
	for q := range queues {
		if len(queues[q]) > 0 {
			i := queues[q][0]
			queues[q] = queues[q][1:]
			return i, true
		}
	}
	return 0, false
}

// putOne fetches one blob. lost joins the gaps that it leaves with --keep-going.
func (p *packing) putOne(ctx context.Context, bar notice.Progress, n oci.Node) (lost, err error) {
	err = p.w.Put(ctx, n.Descriptor, notice.Counted(bar, p.Source(n)))
	switch {
	case err == nil:
		p.Debug("blob %s is in the bundle, %s", n.Descriptor.Digest, bundle.FormatSize(n.Descriptor.Size))
		return nil, nil
	case errors.Is(err, context.Canceled):
		return nil, err
	case errors.Is(err, bundle.ErrStopped):
		p.Debug("blob %s: not written, as another one failed before", n.Descriptor.Digest)
		return nil, err
	case p.KeepGoing && ofSource(err) && prepare.Permanent(err):
		// Other blobs may be waiting for the lane that it holds.
		return p.Lost(ctx, n, err), p.w.GiveUp(ctx, n.Descriptor.Digest)
	}
	p.Debug("blob %s: %v", n.Descriptor.Digest, err)
	if ofSource(err) && prepare.Permanent(err) {
		return nil, p.BlameLost(ctx, n, err)
	}
	return nil, p.Blame(n, err)
}

// ofSource reports whether an error is of the source, and not of the drive or the bundle.
func ofSource(err error) bool {
	var drive *bundle.DriveError
	var large *bundle.TooLargeError
	var damage *bundle.DamageError
	return !errors.As(err, &drive) && !errors.As(err, &large) && !errors.As(err, &damage)
}
