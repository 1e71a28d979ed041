package inuse

import (
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/oci"
)

// parent is an index with the manifests that it names.
type parent struct {
	digest   digest.Digest
	children []digest.Digest
}

// parents has the indexes stay whose images are in use: a node says the digest of the image
// for its platform, and a registry keeps that only as long as something with a tag names it.
func (k *keeping) parents(ctx context.Context) error {
	for more := true; more; {
		more = false
		for at, why := range k.out.digests {
			if img := k.of[at]; img != nil && img.itself && len(img.tags) > 0 {
				continue // it has a name of its own
			}
			list, err := k.indexesIn(ctx, at.repo)
			if err != nil {
				return err
			}
			for _, p := range list {
				if slices.Contains(p.children, at.digest) && k.Digest(place{at.repo, p.digest}) == "" {
					k.mark(at.repo, p.digest, why)
					more = true
				}
			}
		}
	}
	return nil
}

// indexesIn reads the indexes of a repository, once.
func (a *asking) indexesIn(ctx context.Context, repo string) ([]parent, error) {
	if list, known := a.kids[repo]; known {
		return list, nil
	}
	found := make([]*parent, len(a.indexes[repo]))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, d := range a.indexes[repo] {
		g.Go(func() (err error) {
			found[i], err = a.index(ctx, place{repo, d})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	list := []parent{}
	for _, p := range found {
		if p != nil {
			list = append(list, *p)
		}
	}
	a.kids[repo] = list
	return list, nil
}

// readers is how many indexes are read at once.
const readers = 8

// index reads an index; nil for one that is not there, or is none.
func (a *asking) index(ctx context.Context, at place) (*parent, error) {
	root, src, err := a.served(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("read the index %s: %w", at.ref(a.host), err)
	}
	if root.Digest == "" {
		return nil, nil
	}
	body, err := oci.ReadManifest(ctx, src, root)
	var children []oci.Descriptor
	if err == nil {
		children, err = oci.Children(root, body)
	}
	switch {
	case err != nil && isFinal(ctx, err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read the index %s: %w", at.ref(a.host), err)
	}
	return &parent{at.digest, digests(children)}, nil
}

func digests(list []oci.Descriptor) (out []digest.Digest) {
	for _, d := range list {
		out = append(out, d.Digest)
	}
	return out
}
