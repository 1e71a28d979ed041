package unpack

import (
	"context"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/changes"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// Changes finds out what a bundle would change in the mirror. It only reads.
func Changes(ctx context.Context, r *bundle.Reader, client *transport.Client, o Options) (*changes.Changes, error) {
	o.DryRun, o.Out = true, nil
	u, err := begin(ctx, r, client, o)
	if err != nil {
		return nil, Blamed(r, err)
	}
	c, err := u.look(ctx)
	return c, Blamed(r, err)
}

func (u *unpacking) look(ctx context.Context) (*changes.Changes, error) {
	if err := u.Site.Mirror.CheckCollisions(u.r.Inventory()); err != nil {
		return nil, err
	}
	if err := u.readReceipts(ctx); err != nil {
		return nil, err
	}
	if err := u.lookBehind(ctx); err != nil {
		return nil, err
	}
	missing, err := u.missing(ctx)
	if err != nil {
		return nil, err
	}
	if err := u.compareCatalogs(ctx); err != nil {
		return nil, err
	}
	return u.changes(missing), nil
}

// changes is what was found, as data.
func (u *unpacking) changes(missing *transport.Missing) *changes.Changes {
	c := &changes.Changes{Bundle: changes.SideOf(u.r), Against: changes.Side{Kind: changes.Mirror, Name: u.Site.Mirror.String()},
		Push: &changes.Push{Blobs: len(missing.Blobs), Bytes: total(missing.Blobs), Named: len(missing.Unnamed)},
		Tags: u.tags, Catalogs: u.moving}
	lacks := map[digest.Digest]bool{}
	for _, img := range missing.Images {
		if missing.Whole(u.Site.Mirror, img) { // only a tag of it moves
			continue
		}
		lacks[img.Root.Digest] = true
		c.New = append(c.New, changes.ImageOf(img, u.Site.Mirror))
	}
	c.Stays = len(u.images) - len(c.New)
	c.AddReleases(&oci.Inventory{Images: u.images}, func(d digest.Digest) bool { return lacks[d] })
	return c.Sorted()
}
