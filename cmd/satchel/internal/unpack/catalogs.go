package unpack

import (
	"context"
	"errors"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/catalogs"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/changes"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// mostShown is how many lines of one catalog go to the terminal; APPLY.md has all.
const mostShown = 20

// compareCatalogs looks what goes from the catalogs that the mirror serves now, and stops
// where anything does, unless that was allowed. Nothing has been pushed yet. A dry run stops
// at its end.
func (u *unpacking) compareCatalogs(ctx context.Context) error {
	list, err := catalogs.Compare(ctx, u.images, u.Site.Mirror, u.src, u.has, u.mirror.Served, u.stays())
	var answer *transport.RegistryError
	switch {
	case err == nil:
	case u.AllowShrink && ctx.Err() == nil && errors.As(err, &answer):
		u.Warn("what goes from the catalogs of the mirror is not known: %v", err)
	default:
		return err
	}
	u.moving = list
	for _, c := range list {
		if c.Unknown != "" {
			u.Warn("%s", c.Summary())
		}
		if c.Changes != nil && len(c.Changes.Doubts) > 0 {
			u.Warn("catalog %s: not all could be compared: %s", c.Name, catalogs.Some(c.Changes.Doubts))
		}
	}
	shrinking := catalogs.Shrinking(list)
	if shrinking == nil || u.AllowShrink {
		return u.noteGone()
	}
	for _, c := range list {
		if c.Shrinks() {
			u.tellGoing(c)
		}
	}
	if u.DryRun {
		u.shrinking = shrinking
		return nil
	}
	return shrinking
}

// stays says of a tag whether it goes on naming what it names.
func (u *unpacking) stays() func(oci.Ref) bool {
	is := map[string]bool{}
	for _, t := range u.tags {
		is[t.Tag] = is[t.Tag] || t.State == changes.Stays
	}
	return func(name oci.Ref) bool { return is[name.String()] }
}

// tellGoing lists what would go from a catalog.
func (u *unpacking) tellGoing(c catalogs.Catalog) {
	going := c.Changes.Going()
	for i, line := range going {
		if i < mostShown {
			u.Warn("would go from %s: %s", c.Name, line)
		} else {
			u.Debug("would go from %s: %s", c.Name, line)
		}
	}
	if n := len(going) - mostShown; n > 0 {
		u.Warn("would go from %s: and %d more", c.Name, n)
	}
}

// tellCatalogs says what has come and gone of the catalogs, now that they were moved: not of those
// whose tag the registry did not let move.
func (u *unpacking) tellCatalogs() {
	stayed := map[string]bool{}
	for _, move := range u.mirror.Left() {
		stayed[move.Tag.String()] = true
	}
	for _, c := range u.moving {
		if stayed[c.Name] {
			continue
		}
		if line := c.Summary(); line != "" && c.Unknown == "" {
			u.Info("%s", line)
		}
	}
}
