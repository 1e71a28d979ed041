package prune

import (
	"context"
	"errors"
	"slices"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// untag takes satchel's tags from what stays because of somebody else, where the registry deletes
// a tag alone.
func (d *deleting) untag(ctx context.Context) error {
	j := d.judge()
	for _, item := range d.all {
		planned := item.spare
		if len(planned) == 0 || item.State != Stays {
			continue
		}
		tags := slices.DeleteFunc(j.spare(item.Digest), func(tag string) bool { return !slices.Contains(planned, tag) })
		if len(tags) == 0 {
			continue
		}
		alone, err := d.p.tagsGoAlone(ctx, d.v.ref)
		if err != nil || !alone {
			return err
		}
		for _, tag := range tags {
			if now, err := d.p.Mirror.TagDigest(ctx, d.v.ref.WithTag(tag)); err != nil || now != item.Digest {
				if err != nil {
					return err
				}
				continue // somebody has moved it
			}
			var refused *transport.DeleteError
			err := d.p.Mirror.Delete(ctx, d.v.ref.WithTag(tag))
			if errors.As(err, &refused) {
				d.plan.refuse(refused)
				continue
			}
			if err != nil {
				return err
			}
			item.Untagged = append(item.Untagged, tag)
		}
		there, err := d.p.Mirror.Has(ctx, d.v.ref.WithDigest(item.Digest))
		if err != nil {
			return err
		}
		if !there {
			return &LostError{Things: []string{d.v.ref.WithDigest(item.Digest).String()}}
		}
	}
	return nil
}

// tagsGoAlone finds out once whether the registry deletes a tag alone.
func (p *pruning) tagsGoAlone(ctx context.Context, repo oci.Ref) (bool, error) {
	if p.undeletable {
		return false, nil
	}
	if p.alone == nil {
		if slices.ContainsFunc(p.src.history.Done, func(one *receipt.Kept) bool { return one.Tag != "" }) { // a repository of satchel's own
			repo = p.Keeper.Repo
		}
		alone, err := p.Mirror.DeletesTags(ctx, repo)
		if err != nil {
			return false, err
		}
		p.alone = &alone
		if !alone {
			p.Info("the registry does not delete a tag alone: satchel's tags stay on what somebody else needs")
		}
	}
	return *p.alone, nil
}
