package oci

import (
	"regexp"
	"slices"

	"github.com/opencontainers/go-digest"
)

// originRelease is the origin of releases, their components, and the graph image.
const originRelease Origin = "release"

// versionTag is how the tag of a release or of one of its components begins: such a tag
// never names another manifest. That of the graph image is "latest".
var versionTag = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+`)

// MirrorTags lists the tags that the image gets in the mirror: its own, and, if each of
// those can move to another manifest, [Image.FixedTag] behind them.
func (i Image) MirrorTags() []string {
	tag := i.FixedTag()
	if tag == "" || slices.Contains(i.Tags, tag) {
		return i.Tags
	}
	return append(slices.Clone(i.Tags), tag)
}

// NamedTags are the tags that people call the image by in the mirror: its own, else all.
func (i Image) NamedTags() []string {
	if len(i.Tags) > 0 {
		return i.Tags
	}
	return i.MirrorTags()
}

// FixedTag is the tag of the image in the mirror that never moves to another manifest:
// registries collect manifests without a tag, and nodes pull by digest what a tag named
// before. It is the version's tag of a release image, else [DigestTag]. A referrer has
// none: registries keep it with its subject.
func (i Image) FixedTag() string {
	if i.Subject != "" {
		return ""
	}
	if k := slices.IndexFunc(i.Tags, versionTag.MatchString); k >= 0 && i.Origin == originRelease {
		return i.Tags[k]
	}
	return DigestTag(i.Root.Digest)
}

// DigestTag is the tag satchel-<64 hex>, which names the manifest of that digest and no
// other one; sha256-<hex> would be taken for a referrers index.
func DigestTag(d digest.Digest) string { return "satchel-" + d.Encoded() }
