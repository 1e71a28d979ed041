package unpack

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/changes"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

// maxMoves is how many tags are named one by one, unless all lines are wanted.
const maxMoves = 20

// tellMoves says, before anything is written, which tags of the mirror will name another
// manifest, what they name now, and of when both are.
func (u *unpacking) tellMoves(ctx context.Context, missing *transport.Missing) error {
	if len(missing.Moves) == 0 {
		return nil
	}
	list, err := u.dated(ctx, missing.Moves)
	if err != nil {
		return err
	}
	u.Warn("%s in the mirror and will name another image; what is named so far keeps the tag of its digest", text.Count(len(list), "tag is", "tags are"))
	for i, tag := range list {
		say := u.Warn
		if i >= maxMoves {
			say = u.Debug
		}
		say("tag %s moves from %s to %s", tag.Tag, tag.Old, tag.New)
	}
	if n := len(list) - maxMoves; n > 0 {
		u.Warn("%d more tags move", n)
	}
	return nil
}

// dated finds out when the images were made that tags name and are to name. A date that cannot
// be read is left out.
func (u *unpacking) dated(ctx context.Context, moves []transport.TagMove) ([]changes.Tag, error) {
	list := make([]changes.Tag, len(moves))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, u.Parallel))
	for i, move := range moves {
		list[i] = changes.Tag{Tag: move.Tag, State: changes.Moves, Origin: move.Image.Origin,
			Old: changes.Manifest{Digest: move.Old}, New: changes.Manifest{Digest: move.New, Packed: u.r.Created()}}
		g.Go(func() error {
			list[i].Old.Created = u.createdInMirror(gctx, move)
			list[i].New.Created, _ = oci.Created(gctx, u.src, move.Image.Root) // or it is not known
			return gctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	changes.SortTags(list)
	return list, nil
}

func (u *unpacking) createdInMirror(ctx context.Context, move transport.TagMove) time.Time {
	var created time.Time
	d, src, err := u.client.Resolve(ctx, move.Tag.Repo().WithDigest(move.Old))
	if err == nil {
		created, _ = oci.Created(ctx, src, d) // or it is not known
	}
	return created
}

// tellUnnamed says what a run would do in addition.
func (u *unpacking) tellUnnamed(missing *transport.Missing) {
	if n := len(missing.Unnamed); n > 0 {
		u.Info("%s in the mirror would get a tag that never moves (satchel-DIGEST)", text.Count(n, "image", "images"))
	}
}

// tellTags says which tags stayed as they are, and what got the tag of its digest.
func (u *unpacking) tellTags() {
	if n := u.mirror.Named(); n > 0 {
		u.Info("%s of the mirror got a tag that never moves (satchel-DIGEST); no blob was sent for that", text.Count(n, "image", "images"))
	}
	for i, r := range u.mirror.RefusedTags() {
		if i == 0 {
			u.Warn("the mirror refuses the tag that never moves of some images: such an image may be collected when its other tags move")
		}
		if i < maxMoves {
			u.Warn("refused: %v", r.Err)
		}
	}
	left := u.mirror.Left()
	refused := slices.DeleteFunc(slices.Clone(left), func(m transport.TagMove) bool { return m.Err == nil })
	for i, move := range refused {
		if i == 0 {
			u.Warn("the registry does not let %s move; the images are there by digest, which the cluster's YAML names", text.Count(len(refused), "tag", "tags"))
		}
		say := u.Warn
		if i >= maxMoves {
			say = u.Debug
		}
		say("tag %s still names %s, not %s: %v", move.Tag, move.Old, move.New, move.Err)
	}
}
