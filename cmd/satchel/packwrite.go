package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// repos gives the source repositories that a node can be had from, each once.
func (p *packing) repos(n oci.Node) []oci.Ref {
	var list []oci.Ref
	for _, i := range n.Images {
		if ref := p.inv.Images[i].Source.Repo(); !slices.Contains(list, ref) {
			list = append(list, ref)
		}
	}
	return list
}

// checkSources asks for every blob once, before the first one is fetched.
func (p *packing) checkSources(ctx context.Context) error {
	if err := p.checkForeign(ctx); err != nil {
		return err
	}
	absent, err := p.absent(ctx, p.graph.Blobs)
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range absent {
		errs = append(errs, p.refused(n.Node, n.why))
	}
	if len(errs) == 0 {
		return nil
	}
	if err := p.tolerate(errors.Join(errs...)); err != nil {
		return err
	}
	return errors.Join(p.survey(ctx), p.checkForeign(ctx))
}

// checkForeign takes foreign layers that their registry does not have out of
// what is fetched, and lists them. They are never fetched from elsewhere.
func (p *packing) checkForeign(ctx context.Context) error {
	foreign := slices.DeleteFunc(slices.Clone(p.graph.Blobs), func(n oci.Node) bool { return !oci.IsForeign(n.Descriptor.MediaType) })
	absent, err := p.absent(ctx, foreign)
	if err != nil {
		return err
	}
	for _, n := range absent {
		if !p.foreign[n.Descriptor.Digest] {
			p.foreign[n.Descriptor.Digest] = true
			p.info("not carried: foreign layer %s of %s, which its registry does not have", n.Descriptor.Digest, p.inv.Images[n.Images[0]].Source)
		}
	}
	p.graph.Blobs = slices.DeleteFunc(p.graph.Blobs, func(n oci.Node) bool {
		return slices.ContainsFunc(absent, func(a lost) bool { return a.Descriptor.Digest == n.Descriptor.Digest })
	})
	return nil
}

// lost is content that its repositories definitely do not give.
type lost struct {
	oci.Node
	why error
}

// absent finds the blobs that none of their repositories has.
func (p *packing) absent(ctx context.Context, nodes []oci.Node) ([]lost, error) {
	why := make([]error, len(nodes))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(p.opts.parallelLayers * 2)
	for i, n := range nodes {
		g.Go(func() error {
			why[i] = p.look(ctx, n)
			if why[i] == nil || definite(why[i]) {
				return nil
			}
			return p.blame(n, why[i])
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var list []lost
	for i, n := range nodes {
		if why[i] != nil {
			list = append(list, lost{n, why[i]})
		}
	}
	return list, nil
}

// look asks the node's repositories whether they have it, until one does.
func (p *packing) look(ctx context.Context, n oci.Node) error {
	var errs []error
	for _, ref := range p.repos(n) {
		repo, err := p.client.Repository(ref)
		if err != nil {
			return err
		}
		ok, err := repo.Has(ctx, n.Descriptor)
		if ok || ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			err = &transport.RegistryError{Op: "check", Ref: ref.WithDigest(n.Descriptor.Digest).String(), Status: 404,
				Message: "the registry has the manifest but not this blob"}
		}
		errs = append(errs, err)
	}
	return decisive(errs)
}

// decisive picks, of what several repositories said, an error that may pass:
// content is only lost when all of them have definitely refused it.
func decisive(errs []error) error {
	for _, err := range errs {
		if !definite(err) {
			return err
		}
	}
	return errs[0]
}

// refused makes a gap of every image that needs the node.
func (p *packing) refused(n oci.Node, err error) error {
	errs := make([]error, len(n.Images))
	for i, image := range n.Images {
		errs[i] = &oci.GapError{Image: p.inv.Images[image], Err: err}
	}
	return errors.Join(errs...)
}

// blame names an image that needs the node.
func (p *packing) blame(n oci.Node, err error) error {
	if err == nil || len(n.Images) == 0 {
		return err
	}
	more := ""
	if k := len(n.Images) - 1; k > 0 {
		more = fmt.Sprintf(" (and %d more)", k)
	}
	return fmt.Errorf("image %s%s: %w", p.inv.Images[n.Images[0]].Source, more, err)
}

// source gives a node's content from whichever of its repositories has it.
func (p *packing) source(n oci.Node) oci.Source {
	return p.cache.Before(oci.SourceFunc(func(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
		var errs []error
		for _, ref := range p.repos(n) {
			repo, err := p.client.Repository(ref)
			if err == nil {
				var rc io.ReadCloser
				if rc, err = repo.Open(ctx, d, off); err == nil {
					return rc, nil
				}
			}
			errs = append(errs, err)
			if ctx.Err() != nil {
				break
			}
		}
		return nil, decisive(errs)
	}))
}

// write puts all blobs, then all manifests, and seals.
func (p *packing) write(ctx context.Context) (bundle.Fingerprint, error) {
	if err := p.writeBlobs(ctx); err != nil {
		return "", err
	}
	for _, n := range p.graph.Manifests {
		if err := p.w.Put(ctx, n.Descriptor, p.cache.Filled(p.source(n))); err != nil {
			return "", p.blame(n, err)
		}
	}
	gaps, err := p.gaps.marshal(p.w.ID())
	if err == nil {
		err = p.w.SetGaps(gaps)
	}
	if err != nil {
		return "", err
	}
	p.inv.Gaps = p.gaps.Images
	if err := p.writeDocuments(ctx); err != nil {
		return "", err
	}
	return p.w.Seal(ctx, p.inv)
}

// writeBlobs puts blobs until all are there: those that shared a segment with a
// wrong one are gone again, and those of a dropped image are not needed any more.
func (p *packing) writeBlobs(ctx context.Context) error {
	for {
		if err := p.giveUp(ctx); err != nil {
			return err
		}
		unfinished, err := p.w.Unfinished()
		if err != nil {
			return err
		}
		todo, done, err := p.todo(ctx, unfinished)
		if err != nil || len(todo) == 0 {
			return err
		}
		for _, n := range unfinished {
			done += n
		}
		bar := p.progress("packing", done, size(p.graph.Blobs))
		err = p.put(ctx, bar, todo, len(unfinished))
		bar.end()
		if err == nil {
			continue
		}
		if err := p.tolerate(err); err != nil {
			return err
		}
		if err := errors.Join(p.survey(ctx), p.checkForeign(ctx)); err != nil {
			return err
		}
	}
}

// giveUp takes back what was begun of blobs that no image needs any more: each
// holds a lane.
func (p *packing) giveUp(ctx context.Context) error {
	unfinished, err := p.w.Unfinished()
	if err != nil {
		return err
	}
	for _, n := range p.graph.Blobs {
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
	for _, n := range p.graph.Blobs {
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
func (p *packing) put(ctx context.Context, bar *progress, todo []oci.Node, begun int) error {
	large := 0 // todo has what was begun and what is large first
	for large < len(todo) && (large < begun || todo[large].Descriptor.Size > bundle.SmallBlob) {
		large++
	}
	g, gctx := errgroup.WithContext(ctx)
	lost := make([]error, len(todo))
	queues := [][]int{indexes(0, large), indexes(large, len(todo))}
	var mu sync.Mutex
	for worker := range p.opts.parallelLayers {
		first := 0
		if worker >= p.opts.lanes {
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
func (p *packing) putOne(ctx context.Context, bar *progress, n oci.Node) (lost, err error) {
	err = p.w.Put(ctx, n.Descriptor, bar.source(p.source(n)))
	switch {
	case err == nil:
		p.debug("blob %s is in the bundle, %s", n.Descriptor.Digest, bundle.FormatSize(n.Descriptor.Size))
		return nil, nil
	case errors.Is(err, context.Canceled):
		return nil, err
	case p.opts.keepGoing && definite(err) && !as[*bundle.DriveError](err):
		// Other blobs may be waiting for the lane that it holds.
		return p.refused(n, err), p.w.GiveUp(ctx, n.Descriptor.Digest)
	}
	p.debug("blob %s: %v", n.Descriptor.Digest, err)
	return nil, p.blame(n, err)
}
