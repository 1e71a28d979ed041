package unpack

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/changes"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

// maxMoves is how many tags are named one by one, unless all lines are wanted.
const maxMoves = 20

// tellMoves says, before anything is written, which tags of the mirror will name another
// manifest, what they name now, and of when both are; and which stay although the bundle has
// another.
func (u *unpacking) tellMoves() {
	stay, doubtful, forward := byState(u.tags)
	u.tellSome(u.Warn, text.Count(len(stay), "tag stays", "tags stay")+" as newer bundles of this stream have set them (--move-tags-back moves them)", stay, func(t changes.Tag) string {
		return fmt.Sprintf("tag %s stays at %s, not %s: %s", t.Tag, t.Old, t.New, t.Why)
	})
	u.tellSome(u.Warn, text.Count(len(doubtful), "tag names", "tags name")+" another image in the mirror, and it is not known that this bundle's is newer: what is named so far keeps the tag of its digest", doubtful, func(t changes.Tag) string {
		return fmt.Sprintf("tag %s moves from %s to %s: %s", t.Tag, t.Old, t.New, t.Why)
	})
	u.tellSome(u.Info, text.Count(len(forward), "tag moves", "tags move")+" on from an earlier bundle of this stream", forward, func(t changes.Tag) string {
		return fmt.Sprintf("tag %s moves from %s to %s", t.Tag, t.Old, t.New)
	})
}

// byState sorts tags out: those that stay, those of which nobody knows that they move on, and
// those that do.
func byState(list []changes.Tag) (stay, doubtful, forward []changes.Tag) {
	for _, t := range list {
		switch {
		case t.State == changes.Stays:
			stay = append(stay, t)
		case t.Expected:
			forward = append(forward, t)
		default:
			doubtful = append(doubtful, t)
		}
	}
	return stay, doubtful, forward
}

// tellSome says a line for each tag, of many only for the first.
func (u *unpacking) tellSome(say func(string, ...any), head string, list []changes.Tag, line func(changes.Tag) string) {
	if len(list) == 0 {
		return
	}
	say("%s", head)
	for i, t := range list {
		if i >= maxMoves {
			u.Debug("%s", line(t))
			continue
		}
		say("%s", line(t))
	}
	if n := len(list) - maxMoves; n > 0 {
		say("and %d more", n)
	}
}

// dated finds out when the images were made that tags name and are to name. A date that cannot
// be read is left out.
func (u *unpacking) dated(ctx context.Context, moves []transport.TagMove) ([]changes.Tag, error) {
	list := make([]changes.Tag, len(moves))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, u.Parallel))
	for i, move := range moves {
		list[i] = changes.Tag{Tag: move.Tag.String(), State: changes.Moves, Origin: move.Image.Origin, Source: move.Image.Configured().String(),
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
		u.Info("%s in the mirror would get a tag that never moves (that of their release, or satchel-DIGEST)", text.Count(n, "image", "images"))
	}
}

// tellTags says which tags stayed as they are, and what got the tag of its digest.
func (u *unpacking) tellTags() {
	if n := u.mirror.Named(); n > 0 {
		u.Info("%s of the mirror got a tag that never moves (that of their release, or satchel-DIGEST); no blob was sent for that", text.Count(n, "image", "images"))
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
	if n := len(left) - len(refused); n > 0 {
		u.Info("%s as newer bundles of this stream have set them; the images of this bundle are there by digest", text.Count(n, "tag stayed", "tags stayed"))
	}
	if u.Out != nil && slices.ContainsFunc(u.tags, func(t changes.Tag) bool { return t.State == changes.Stays && t.Origin == manifests.OriginCatalog }) {
		u.Warn("what is in %s names the catalogs of an older bundle: for a cluster that follows this stream, apply what the newest one wrote", u.Out.Path())
	}
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
