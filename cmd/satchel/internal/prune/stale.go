package prune

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// Tag is one that only dropped bundles gave to what a kept bundle needs too.
type Tag struct {
	Repository string        `json:"repository"` // whole, without the host
	Tag        string        `json:"tag"`
	Digest     digest.Digest `json:"digest"` // what it names
	Deleted    bool          `json:"deleted,omitempty"`

	others []string // tags that kept bundles give it
}

// staleTags lists such tags, as the receipts have them. What is attached keeps its tags, and so
// does all that is in use; the tag of a digest stays with its manifest.
func (p *pruning) staleTags() (list []*Tag) {
	kept := map[thing][]string{}
	for _, r := range p.src.kept {
		for _, img := range r.Images {
			for _, tag := range img.Tags {
				key := thing{img.Repo, img.Digest}
				kept[key] = append(kept[key], tag.Name)
			}
		}
	}
	known := map[receipt.Tagged]bool{}
	for _, r := range p.src.dropped {
		for _, img := range r.Images {
			others := kept[thing{img.Repo, img.Digest}]
			if len(others) == 0 || img.Subject != "" || p.uses != nil && p.uses.Digest(img.Repo, img.Digest) != "" {
				continue
			}
			for _, tag := range img.Tags {
				key := receipt.Tagged{Repo: img.Repo, Tag: tag.Name}
				fact := p.f.tags[key]
				switch {
				case known[key], p.f.needTags[key], !fact.pushed, fact.d != img.Digest, tag.Name == oci.DigestTag(img.Digest):
				case p.uses != nil && p.uses.Tag(img.Repo, tag.Name) != "":
				default:
					known[key] = true
					list = append(list, &Tag{Repository: img.Repo, Tag: tag.Name, Digest: img.Digest, others: others})
				}
			}
		}
	}
	slices.SortFunc(list, func(a, b *Tag) int { return cmp.Or(cmp.Compare(a.Repository, b.Repository), cmp.Compare(a.Tag, b.Tag)) })
	return list
}

// live leaves out the tags that name something else now, or nothing.
func (p *pruning) live(ctx context.Context, list []*Tag) ([]*Tag, error) {
	is := make([]bool, len(list))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(p.Parallel)
	for i, tag := range list {
		g.Go(func() (err error) {
			is[i], err = p.stillNames(gctx, tag, tag.Tag)
			return err
		})
	}
	err := g.Wait()
	var live []*Tag
	for i, tag := range list {
		if is[i] {
			live = append(live, tag)
		}
	}
	return live, err
}

// stillNames reports whether a tag of the same repository names the same manifest.
func (p *pruning) stillNames(ctx context.Context, tag *Tag, name string) (bool, error) {
	d, err := p.Mirror.TagDigest(ctx, p.ref(tag).WithTag(name))
	return d == tag.Digest, err
}

func (p *pruning) ref(tag *Tag) oci.Ref {
	return oci.Ref{Registry: p.Place.Host, Repository: tag.Repository}
}

// untagStale deletes the tags that only dropped bundles gave, where the registry deletes a tag
// alone and a tag of a kept bundle names the same.
func (p *pruning) untagStale(ctx context.Context, plan *Plan) error {
	if len(plan.Tags) == 0 {
		return nil
	}
	alone, err := p.tagsGoAlone(ctx, p.ref(plan.Tags[0]))
	if err != nil || !alone {
		return err
	}
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(p.Parallel)
	for _, tag := range plan.Tags {
		g.Go(func() error {
			err := p.untagOne(gctx, tag)
			var refused *transport.DeleteError
			if errors.As(err, &refused) {
				mu.Lock()
				defer mu.Unlock()
				plan.refuse(refused)
				return nil
			}
			return err
		})
	}
	return g.Wait()
}

// untagOne deletes one such tag, if nothing has changed, and makes sure that the manifest stays.
func (p *pruning) untagOne(ctx context.Context, tag *Tag) error {
	if is, err := p.stillNames(ctx, tag, tag.Tag); err != nil || !is {
		return err
	}
	held := false
	for _, other := range tag.others {
		is, err := p.stillNames(ctx, tag, other)
		if err != nil {
			return err
		}
		if held = is; held {
			break
		}
	}
	if !held {
		return nil
	}
	if err := p.Mirror.Delete(ctx, p.ref(tag).WithTag(tag.Tag)); err != nil {
		return err
	}
	tag.Deleted = true
	there, err := p.Mirror.Has(ctx, p.ref(tag).WithDigest(tag.Digest))
	if err == nil && !there {
		err = &LostError{Things: []string{p.ref(tag).WithDigest(tag.Digest).String()}}
	}
	return err
}
