package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/cache"
	"github.com/satchel-airgap/satchel/oci"
)

// What satchel makes for a bundle, such as a filtered catalog, no registry has. It is
// in the cache, which may be deleted at any time; so a bundle that was begun has it
// beside its journal too, until it is finished.

// madeDir is where a bundle's is.
func (p *packing) madeDir(id string) string { return filepath.Join(p.state, "bundles", id, "made") }

// keepMade takes what was made for the bundle out of the cache. Where there is no room
// for it, the cache alone has it.
func (p *packing) keepMade(ctx context.Context, id string) error {
	p.made, p.ours = cache.New(p.madeDir(id)), map[digest.Digest]bool{}
	take := func(d oci.Descriptor, _ []byte) error {
		if !p.isKept(d) { // a layer of what it was made from
			return nil
		}
		p.ours[d.Digest] = true
		err := p.made.Adopt(ctx, p.cache, d)
		if errors.Is(err, fs.ErrNotExist) {
			return errMadeLost
		}
		if err != nil && ctx.Err() == nil {
			p.warn("the cache must stay until the bundle is finished: %v", err)
			return nil
		}
		return err
	}
	for _, img := range p.inv.Images {
		if !img.Built {
			continue
		}
		if err := oci.WalkImage(ctx, p.keptDocuments(), img, take); err != nil {
			return fmt.Errorf("keep what was made for the bundle, image %s: %w", img.Describe(), err)
		}
	}
	for _, doc := range p.inv.Documents {
		if err := oci.Walk(ctx, p.keptDocuments(), doc.Root, take); err != nil {
			return fmt.Errorf("keep document %s: %w", doc.Name, err)
		}
	}
	return nil
}

// dropMade lets go of it.
func (p *packing) dropMade(id string) {
	if err := os.RemoveAll(p.madeDir(id)); err != nil {
		p.warn("%v", err) // the bundle is finished all the same
	}
}

// kept gives content that is on this host, else what src gives.
func (p *preparing) kept(src oci.Source) oci.Source {
	if p.made != nil {
		src = p.made.Overlay(src)
	}
	return p.cache.Overlay(src)
}

// keptDocuments gives what was made for the bundle before.
func (p *preparing) keptDocuments() oci.Source {
	return p.kept(oci.SourceFunc(func(_ context.Context, d oci.Descriptor, _ int64) (io.ReadCloser, error) {
		return nil, fmt.Errorf("%s, which was made for this bundle, is on this host no more; begin anew with --restart", d.Digest)
	}))
}

// isKept reports whether content is on this host, as far as its size tells.
func (p *preparing) isKept(d oci.Descriptor) bool {
	return p.cache.Has(d) || p.made != nil && p.made.Has(d)
}
