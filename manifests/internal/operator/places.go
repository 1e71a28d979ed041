package operator

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/layers"
	"github.com/satchel-airgap/satchel/manifests/internal/opm"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// places are where an image gets the catalog and the cache. They are as its command names
// them, unless that leads through links.
type places struct {
	dir, cacheDir string // "" for no cache
	replaced      []string
	linked        bool
}

// places follows the links that directories are in. A link instead of a directory
// is replaced by one; nothing is served any more from where it led.
func (f *filtering) places(ctx context.Context, image oci.Descriptor, around map[string]layers.Parent, cmd opm.Command, dir, cacheDir string) (places, error) {
	at := places{dir: dir, cacheDir: cacheDir, replaced: []string{dir}}
	if cacheDir != "" {
		at.replaced = append(at.replaced, cacheDir)
	}
	for name, p := range around {
		at.linked = at.linked || p.Other && slices.ContainsFunc(at.replaced, func(dir string) bool { return within(dir, name) })
	}
	if !at.linked {
		return at, nil
	}
	links, err := layers.ReadLinks(ctx, f.s.src, image)
	if err != nil {
		return at, err
	}
	asked := at.replaced
	at.replaced = nil
	for i, name := range asked {
		place, err := links.Place(name)
		if err != nil {
			return at, err
		}
		if place = "/" + place; !cmd.Alone(place) {
			return at, &oci.UnsupportedError{What: f.s.what, Why: fmt.Sprintf("its directory %s is %s in its image, which has more than a catalog; it can only be carried whole, with full: true and no packages", name, text.ASCII(place))}
		}
		at.replaced = append(at.replaced, place)
		if to, err := links.Real(place[1:]); err == nil && to != place[1:] && cmd.Alone("/"+to) {
			at.replaced = append(at.replaced, "/"+to)
		}
		if i == 0 {
			at.dir = place
		} else {
			at.cacheDir = place
		}
	}
	return at, nil
}

// within reports whether a directory is one that a layer calls name, or is below it.
func within(dir, name string) bool {
	return dir == "/"+name || strings.HasPrefix(dir, "/"+name+"/")
}
