package check

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// moved looks whether the tags that the configuration names still name what was carried, where no rule for tags
// leads to them: pods may name them by the mirror.
func (c *checking) moved(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, c.Parallel))
	for place, want := range c.placesOfTags() {
		g.Go(func() error {
			p, err := c.node.PullAt(gctx, place)
			if err != nil { // a warning would say nothing of what nodes pull
				return gctx.Err()
			}
			if p.Root.Digest != want {
				c.mu.Lock()
				defer c.mu.Unlock()
				c.report.add(Finding{Kind: Moved, Image: place.Ref.String(), Wrong: fmt.Sprintf("the tag names another image (%s) than the one that was carried (%s)", p.Root.Digest, want),
					Do: "if nobody moved it on purpose, set it again: satchel unpack of the bundle that has it"})
			}
			return p.Close()
		})
	}
	return g.Wait()
}

// placesOfTags are those tags in the repositories that gave their images, with what each is to name.
func (c *checking) placesOfTags() map[transport.NodePlace]digest.Digest {
	at, list := map[oci.Ref]transport.NodePlace{}, map[transport.NodePlace]digest.Digest{}
	for _, s := range c.served {
		at[s.ref] = s.at
	}
	for named, d := range c.carried.names {
		place, gave := at[named.WithDigest(d)]
		if _, pulled := at[named]; !gave || pulled { // or it was looked at by that name
			continue
		}
		place.Ref = place.Ref.Repo().WithTag(named.Tag)
		place.Source = false
		list[place] = d
	}
	return list
}
