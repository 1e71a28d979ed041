package oci

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
)

const (
	// maxParts is how many manifests an image may name of which platforms are chosen.
	maxParts = 1 << 12

	// platformNone is what BuildKit gives attestations, with the digest of what they
	// are of in the annotation.
	platformNone      = "unknown/unknown"
	annotationOf      = "vnd.docker.reference.digest"
	maxPlatformsNamed = 20
)

// PlatformSelection are the manifests that an image's indexes name, at any depth, and which of
// them are carried. A single manifest has none.
type PlatformSelection struct {
	list   []*part
	root   digest.Digest
	nested map[digest.Digest][]*part // of each index
}

// PlatformError says that an image has none of the platforms that are asked for.
type PlatformError struct{ Err *UnsupportedError }

func (e *PlatformError) Error() string { return e.Err.Error() }

func (e *PlatformError) Unwrap() error { return e.Err }

// Hint says what to do now.
func (e *PlatformError) Hint() string {
	return "ask for a platform that the image has, or leave the image out"
}

// part is what is needed of a descriptor: there may be very many.
type part struct {
	digest   digest.Digest
	platform string        // os/arch[/variant]; "" for none
	of       digest.Digest // what it attests
	index    bool
	manifest bool
	carried  bool
}

// attests reports whether the part is an attestation, or like one.
func (c *part) attests() bool { return c.platform == platformNone && c.manifest && !c.index }

// SelectPlatforms finds what of an image is carried for the platforms in only, each as
// os/architecture, or for all if there are none: every variant of those, what has no platform, attestations of
// what is carried, and the indexes that name any of it. An index that has images
// for other platforms alone is a *[PlatformError], which names those.
func SelectPlatforms(ctx context.Context, src Source, root Descriptor, only []string) (*PlatformSelection, error) {
	p := &PlatformSelection{root: root.Digest, nested: map[digest.Digest][]*part{}}
	if !IsIndex(root.MediaType) {
		return p, nil
	}
	if err := p.read(ctx, src, root, 0); err != nil {
		return nil, err
	}
	if !p.platforms(only) {
		return nil, &PlatformError{&UnsupportedError{"index " + root.Digest.String(), fmt.Sprintf("it has no image for %s; it has %s", strings.Join(only, ", "), p.known())}}
	}
	p.follow()
	if n := len(p.Omitted()); n > maxOmitted {
		return nil, &UnsupportedError{"index " + root.Digest.String(), fmt.Sprintf("it has %d images for other platforms, more than can be left out", n)}
	}
	return p, nil
}

// read lists what an index names, and what those nested in it do.
func (p *PlatformSelection) read(ctx context.Context, src Source, d Descriptor, depth int) error {
	if p.nested[d.Digest] != nil {
		return nil
	}
	children, err := ReadChildren(ctx, src, d)
	if err != nil {
		return err
	}
	if depth > maxDepth || len(p.list)+len(children) > maxParts {
		return &UnsupportedError{"index " + d.Digest.String(), "indexes are nested too deep or name too much for platforms to be chosen"}
	}
	here := make([]*part, len(children))
	for i, c := range children {
		here[i] = &part{digest: c.Digest, platform: PlatformString(c.Platform), of: digest.Digest(c.Annotations[annotationOf]),
			index: IsIndex(c.MediaType), manifest: IsManifest(c.MediaType)}
	}
	p.list, p.nested[d.Digest] = append(p.list, here...), here
	for _, c := range children {
		if IsIndex(c.MediaType) {
			if err := p.read(ctx, src, c, depth+1); err != nil {
				return ofPart(c, children, err)
			}
		}
	}
	return nil
}

// platforms carries images for the platforms, and what is for none. It is false if
// there are only images for others.
func (p *PlatformSelection) platforms(only []string) bool {
	found, others := false, false
	for _, c := range p.list {
		switch {
		case c.index || c.attests():
		case c.platform == "" || !c.manifest:
			c.carried = true
		case len(only) == 0 || slices.ContainsFunc(only, func(name string) bool { return SamePlatform(name, c.platform) }):
			c.carried, found = true, true
		default:
			others = true
		}
	}
	return found || !others
}

// SamePlatform reports whether a platform, os/arch[/variant], is the one of that
// name, os/architecture, whatever its variant.
func SamePlatform(name, platform string) bool {
	return platform == name || strings.HasPrefix(platform, name+"/")
}

// follow adds what belongs to what is carried, until nothing is added: an attestation
// may be of an index, and an index may name nothing but attestations.
func (p *PlatformSelection) follow() {
	for n := -1; n < len(p.Selected()); {
		n = len(p.Selected())
		p.indexes(p.root, map[digest.Digest]bool{})
		p.attestations()
	}
}

// attestations carries those that are not of something else that is left out.
func (p *PlatformSelection) attestations() {
	carried := p.carried()
	for _, c := range p.list {
		if c.attests() {
			carried[c.digest] = true
		}
	}
	for _, c := range p.list {
		if in, named := carried[c.of]; c.attests() && (in || !named) {
			c.carried = true
		}
	}
}

// indexes carries the indexes below d that name what is carried, or nothing, and
// reports whether d does; done has those that were looked at. What is carried stays so.
func (p *PlatformSelection) indexes(d digest.Digest, done map[digest.Digest]bool) bool {
	if carried, ok := done[d]; ok {
		return carried
	}
	here := p.nested[d]
	carried := len(here) == 0
	for _, c := range here {
		if c.index {
			c.carried = p.indexes(c.digest, done) || c.carried
		}
		carried = carried || c.carried
	}
	done[d] = carried
	return carried
}

// carried says of each part whether it is carried, wherever it is named.
func (p *PlatformSelection) carried() map[digest.Digest]bool {
	carried := map[digest.Digest]bool{}
	for _, c := range p.list {
		carried[c.digest] = carried[c.digest] || c.carried
	}
	return carried
}

// Omitted lists, sorted, what the carried indexes name but is not itself
// carried, for [Image].Omitted. What only an omitted index names is not listed:
// nobody who has the image can know of it.
func (p *PlatformSelection) Omitted() []digest.Digest {
	carried := p.carried()
	carried[p.root] = true
	var list []digest.Digest
	for d, here := range p.nested {
		for _, c := range here {
			if carried[d] && !carried[c.digest] {
				list = append(list, c.digest)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Platforms lists the platforms that are carried, sorted, for [Image].Platforms.
func (p *PlatformSelection) Platforms() []string {
	return p.named(func(c *part) bool { return c.carried })
}

// named lists the platforms of some parts, sorted. What an author wrote that is no
// platform is left out, as by [Platforms].
func (p *PlatformSelection) named(of func(*part) bool) (list []string) {
	for _, c := range p.list {
		if of(c) && c.platform != platformNone && platformPattern.MatchString(c.platform) {
			list = append(list, c.platform)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// known names the existing platforms, for an error.
func (p *PlatformSelection) known() string {
	list := p.named(func(*part) bool { return true })
	more := ""
	switch n := len(list) - maxPlatformsNamed; {
	case len(list) == 0:
		return "none that can be named"
	case n > 0:
		list, more = list[:maxPlatformsNamed], fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(list, ", ") + more
}

// Selected lists what is carried, each digest once.
func (p *PlatformSelection) Selected() (list []digest.Digest) {
	for _, c := range p.list {
		if c.carried {
			list = append(list, c.digest)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Include adds what else is carried, because other images bring it to the same
// repository, and what belongs to that.
func (p *PlatformSelection) Include(also func(digest.Digest) bool) {
	for _, c := range p.list {
		c.carried = c.carried || also(c.digest)
	}
	p.follow()
}
