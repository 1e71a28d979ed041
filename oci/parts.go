package oci

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	// maxParts is how many manifests an image may name of which platforms are chosen.
	maxParts = 1 << 12

	// platformNone is what BuildKit gives attestations, with the digest of what they
	// are of in the annotation.
	platformNone     = "unknown/unknown"
	annotationOf     = "vnd.docker.reference.digest"
	maxPlatformsTold = 20
)

// Parts are the manifests that an image's indexes name, at any depth, and which of
// them are carried. One manifest alone has none.
type Parts struct {
	list   []*part
	nested map[digest.Digest][]*part // of each index
}

type part struct {
	Descriptor
	platform string // os/arch[/variant]; "" for none
	carried  bool
}

// Choose finds what of an image is carried for the platforms in only, each as
// os/architecture: every variant of those, what has no platform, attestations of
// what is carried, and the indexes that name any of it. An index that has images
// for other platforms alone is an *[UnsupportedError], which names those.
func Choose(ctx context.Context, src Source, root Descriptor, only []string) (*Parts, error) {
	p := &Parts{nested: map[digest.Digest][]*part{}}
	if !IsIndex(root.MediaType) {
		return p, nil
	}
	if err := p.read(ctx, src, root, 0); err != nil {
		return nil, err
	}
	if !p.platforms(only) {
		return nil, &UnsupportedError{"index " + root.Digest.String(), fmt.Sprintf("it has no image for %s; it has %s", strings.Join(only, ", "), p.told())}
	}
	p.attestations()
	p.indexes(root.Digest, map[digest.Digest]bool{})
	if n := len(p.Without()); n > maxWithout {
		return nil, &UnsupportedError{"index " + root.Digest.String(), fmt.Sprintf("it has %d images for other platforms, more than can be left out", n)}
	}
	return p, nil
}

// read lists what an index names, and what those nested in it do.
func (p *Parts) read(ctx context.Context, src Source, d Descriptor, depth int) error {
	if p.nested[d.Digest] != nil {
		return nil
	}
	body, err := ReadManifest(ctx, src, d)
	if err != nil {
		return err
	}
	children, err := Children(d, body)
	if err != nil {
		return err
	}
	if depth > maxDepth || len(p.list)+len(children) > maxParts {
		return &UnsupportedError{"index " + d.Digest.String(), "indexes are nested too deep or name too much for platforms to be chosen"}
	}
	here := make([]*part, len(children))
	for i, c := range children {
		here[i] = &part{Descriptor: c, platform: PlatformString(c.Platform)}
	}
	p.list, p.nested[d.Digest] = append(p.list, here...), here
	for _, c := range here {
		if IsIndex(c.MediaType) {
			if err := p.read(ctx, src, c.Descriptor, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// platforms carries images for the platforms, and what is for none. It is false if
// there are images for others alone.
func (p *Parts) platforms(only []string) bool {
	found, others := false, false
	for _, c := range p.list {
		switch {
		case IsIndex(c.MediaType) || c.platform == platformNone:
		case c.platform == "" || !IsManifest(c.MediaType):
			c.carried = true
		case IsPlatform(c.Platform, only):
			c.carried, found = true, true
		default:
			others = true
		}
	}
	return found || !others
}

// IsPlatform reports whether p is one of a list of os/architecture, whatever its variant.
func IsPlatform(p *ispec.Platform, list []string) bool {
	return p != nil && slices.Contains(list, p.OS+"/"+p.Architecture)
}

// SamePlatform reports whether name, os/arch[/variant], is of the os/architecture platform.
func SamePlatform(platform, name string) bool {
	return platform == name || strings.HasPrefix(name, platform+"/")
}

// attestations carries those that are not of an image that is left out.
func (p *Parts) attestations() {
	out := map[digest.Digest]bool{}
	for _, d := range p.Without() {
		out[d] = true
	}
	for _, c := range p.list {
		if c.platform == platformNone && !IsIndex(c.MediaType) {
			delete(out, c.Digest)
		}
	}
	for _, c := range p.list {
		if c.platform == platformNone && !IsIndex(c.MediaType) {
			c.carried = !out[digest.Digest(c.Annotations[annotationOf])]
		}
	}
}

// indexes carries the indexes below d that name what is carried, or nothing, and
// reports whether d does; done has those that were looked at.
func (p *Parts) indexes(d digest.Digest, done map[digest.Digest]bool) bool {
	if carried, ok := done[d]; ok {
		return carried
	}
	here := p.nested[d]
	carried := len(here) == 0
	for _, c := range here {
		if IsIndex(c.MediaType) {
			c.carried = p.indexes(c.Digest, done)
		}
		carried = carried || c.carried
	}
	done[d] = carried
	return carried
}

// Without lists, sorted, what is not carried, for [Image].Without.
func (p *Parts) Without() []digest.Digest {
	carried := map[digest.Digest]bool{}
	for _, c := range p.list {
		carried[c.Digest] = carried[c.Digest] || c.carried
	}
	var list []digest.Digest
	for d, ok := range carried {
		if !ok {
			list = append(list, d)
		}
	}
	slices.Sort(list)
	return list
}

// Platforms lists the platforms that are carried, sorted, for [Image].Platforms.
func (p *Parts) Platforms() []string { return p.named(func(c *part) bool { return c.carried }) }

// named lists the platforms of some parts, sorted. What an author wrote that is no
// platform is left out, as by [Platforms].
func (p *Parts) named(of func(*part) bool) (list []string) {
	for _, c := range p.list {
		if of(c) && c.platform != platformNone && platformPattern.MatchString(c.platform) {
			list = append(list, c.platform)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// told names the platforms that there are, for an error.
func (p *Parts) told() string {
	list := p.named(func(*part) bool { return true })
	more := ""
	switch n := len(list) - maxPlatformsTold; {
	case len(list) == 0:
		return "none that can be named"
	case n > 0:
		list, more = list[:maxPlatformsTold], fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(list, ", ") + more
}

// Carried lists what is carried, each digest once.
func (p *Parts) Carried() (list []digest.Digest) {
	for _, c := range p.list {
		if c.carried {
			list = append(list, c.Digest)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Carry adds what else is carried: what others bring to the same place.
func (p *Parts) Carry(also func(digest.Digest) bool) {
	for _, c := range p.list {
		c.carried = c.carried || also(c.Digest)
	}
}
