package pin

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// block is mirror.blockedImages: what matches a pattern is left out. As in
// oc-mirror v2 a pattern is not anchored, and it is compared with the reference
// and against the image's place in the mirror, both without a transport. The
// mirror's host and namespace, which nobody knows yet, are no part of the place.
type block struct {
	patterns []blockPattern
	loud     []string // payloads and catalogs that were left out, a line each
}

type blockPattern struct {
	name  string // in the configuration
	match *regexp.Regexp
	hits  map[string]string // what was compared with it, and the name for people
}

func newBlock(c *imageset.Config) (*block, error) {
	b := &block{}
	for i, img := range c.Mirror.BlockedImages {
		match, err := regexp.Compile(img.Name)
		if err != nil { // Parse has refused it
			return nil, fmt.Errorf("mirror.blockedImages[%d].name: %w", i, err)
		}
		b.patterns = append(b.patterns, blockPattern{name: fmt.Sprintf("mirror.blockedImages[%d] %q", i, img.Name), match: match, hits: map[string]string{}})
	}
	return b, nil
}

// names are what patterns are compared with.
func (b *block) names(img oci.Image) []string {
	path := img.MirrorPath()
	names := []string{img.Configured().String(), path}
	for _, tag := range img.Tags {
		names = append(names, path+":"+tag)
	}
	return names
}

// out reports whether an image is left out, and notes it for every pattern that
// matches.
func (b *block) out(img oci.Image, also ...string) (blocked bool) {
	names := append(b.names(img), also...)
	for i := range b.patterns {
		p := &b.patterns[i]
		if !slices.ContainsFunc(names, p.match.MatchString) {
			continue
		}
		blocked = true
		if at := strings.Join(names, " "); p.hits[at] == "" {
			p.hits[at] = text.ASCII(img.Describe())
			if len(also) > 0 { // something within the image, which is carried
				p.hits[at] = text.ASCII(also[0])
			}
		}
		switch {
		case img.Origin == origin.Release && img.Path == origin.PathPayload:
			b.loud = append(b.loud, fmt.Sprintf("%s leaves out %s, a release's payload: its components are carried, and no cluster can be installed or updated from them without it", p.name, img.Source))
		case img.Origin == origin.Catalog:
			b.loud = append(b.loud, fmt.Sprintf("%s leaves out the catalog %s: the images of its operators are carried, and no cluster can install them without it", p.name, img.Configured()))
		}
	}
	return blocked
}

// leaveOut removes blocked images from both lists: those requested and those not available.
// An image that is asked for by several names is left out only under those that match.
func (b *block) leaveOut(list []ask.Image, gaps []*oci.Gap) ([]ask.Image, []*oci.Gap) {
	return slices.DeleteFunc(list, func(w ask.Image) bool { return b.out(w.Entry()) }),
		slices.DeleteFunc(gaps, func(g *oci.Gap) bool {
			if fault, ok := errors.AsType[*ask.FaultError](g.Err); ok {
				return b.out(g.Image, fault.Names...)
			}
			return b.out(g.Image)
		})
}

// report says what each pattern did, a line each, in the order of the configuration.
func (b *block) report(note func(string)) {
	for _, line := range text.Sorted(b.loud) {
		note(line)
	}
	for _, p := range b.patterns {
		hits := slices.Sorted(maps.Values(p.hits))
		if len(hits) == 0 {
			note(p.name + " matches no image")
		} else {
			note(fmt.Sprintf("%s leaves out %s: %s", p.name, text.Count(len(hits), "image", "images"), text.Some(hits, 3)))
		}
	}
}

// check returns a *[imageset.ConfigError] if the patterns leave nothing to carry.
func (b *block) check(c *imageset.Config, before, after int) error {
	if before == 0 || after > 0 {
		return nil
	}
	p := c.Problems()
	p.AddAtKey("mirror.blockedImages", "", "mirror.blockedImages leaves out every image: there is nothing to carry")
	return p.Join()
}

// LeaveOutBlocked takes out what mirror.blockedImages blocks.
func LeaveOutBlocked(c *imageset.Config, list []ask.Image, gaps []*oci.Gap, from ask.Images) ([]ask.Image, []*oci.Gap, error) {
	b, err := newBlock(c)
	if err != nil {
		return nil, nil, err
	}
	all := len(list) + len(gaps)
	list, gaps = b.leaveOut(list, gaps)
	b.report(from.Note)
	return list, gaps, b.check(c, all, len(list)+len(gaps))
}
