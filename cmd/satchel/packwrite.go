package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

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
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(p.opts.parallelLayers * 2)
	for _, n := range p.graph.Blobs {
		g.Go(func() error {
			for _, ref := range p.repos(n) {
				repo, err := p.client.Repository(ref)
				if err != nil {
					return err
				}
				ok, err := repo.Has(ctx, n.Descriptor)
				if ok {
					return nil
				}
				if err != nil {
					return p.blame(n, err)
				}
			}
			return p.blame(n, &transport.RegistryError{Op: "check", Ref: p.repos(n)[0].WithDigest(n.Descriptor.Digest).String(), Status: 404,
				Message: "the registry has the manifest but not this blob"})
		})
	}
	return g.Wait()
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
		return nil, errs[0]
	}))
}

// write puts all blobs, then all manifests, and seals.
func (p *packing) write(ctx context.Context) (bundle.Fingerprint, error) {
	unfinished, err := p.w.Unfinished()
	if err != nil {
		return "", err
	}
	held := int64(0)
	for _, n := range unfinished {
		held += n
	}
	// Blobs that shared a segment with a wrong one are gone again: ask until all are there.
	for {
		todo, done, err := p.todo(ctx, unfinished)
		if err != nil {
			return "", err
		}
		if len(todo) == 0 {
			break
		}
		bar := p.progress("packing", done+held, size(p.graph.Blobs))
		err = p.put(ctx, bar, todo)
		bar.end()
		if err != nil {
			return "", err
		}
		unfinished, held = nil, 0
	}
	for _, n := range p.graph.Manifests {
		if err := p.w.Put(ctx, n.Descriptor, p.cache.Filled(p.source(n))); err != nil {
			return "", p.blame(n, err)
		}
	}
	return p.w.Seal(ctx, p.inv)
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

func (p *packing) put(ctx context.Context, bar *progress, todo []oci.Node) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(p.opts.parallelLayers, p.opts.lanes))
	for _, n := range todo {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			err := p.w.Put(ctx, n.Descriptor, bar.source(p.source(n)))
			if err != nil && !errors.Is(err, context.Canceled) {
				return p.blame(n, err)
			}
			return err
		})
	}
	return g.Wait()
}
