package changes

import (
	"cmp"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/catalogs"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// Changes is what one bundle changes.
type Changes struct {
	Bundle  Side `json:"bundle"`
	Against Side `json:"against"`

	New   []Image `json:"new"`   // images that are not there
	Stays int     `json:"stays"` // images that are there already
	Gone  []Image `json:"gone"`  // images of another bundle, or of a receipt, that this one does not have; they stay in a mirror

	// Push is what would be sent to a mirror; nil where that was not asked.
	Push *Push `json:"push,omitempty"`

	Tags     []Tag              `json:"tags"` // that name another image there
	Releases []Release          `json:"releases"`
	Catalogs []catalogs.Catalog `json:"catalogs"`
}

// Side is one of the two that are compared.
type Side struct {
	Kind     string    `json:"kind"` // bundle, mirror or receipt
	Name     string    `json:"name"` // the bundle's ID, the mirror
	Stream   string    `json:"stream,omitempty"`
	Sequence int       `json:"sequence,omitempty"`
	Packed   time.Time `json:"packed,omitzero"`
}

// Kinds of sides.
const (
	Bundle  = "bundle"
	Mirror  = "mirror"
	Receipt = "receipt"
)

// Push is what would be sent to a mirror.
type Push struct {
	Blobs int   `json:"blobs"`
	Bytes int64 `json:"bytes"`
	Named int   `json:"named,omitempty"` // images there that would get the tag of their digest
}

// Image is one image, or what is attached to one.
type Image struct {
	Origin oci.Origin    `json:"origin,omitempty"`
	Source string        `json:"source,omitempty"`
	Repo   string        `json:"repository"` // in the mirror
	Digest digest.Digest `json:"digest"`
	Tags   []string      `json:"tags,omitempty"`
	// Subject is the manifest that it is attached to.
	Subject digest.Digest `json:"subject,omitempty"`
}

// Release is one release, by its tag in the mirror.
type Release struct {
	Name   string        `json:"name"`
	Digest digest.Digest `json:"digest"`
	State  ReleaseState  `json:"state"`
}

// ReleaseState says whether a release comes or goes.
type ReleaseState string

// Whether it comes or goes.
const (
	ReleaseNew  ReleaseState = "new"
	ReleaseKept ReleaseState = "stays"
	ReleaseGone ReleaseState = "gone" // from the bundle; a mirror keeps it
)

// ImageOf is an image as the changes list it.
func ImageOf(img oci.Image, mirror oci.Mirror) Image {
	return Image{Origin: img.Origin, Source: img.Source.String(), Repo: mirror.Repo(img).Repository, Digest: img.Root.Digest, Tags: img.Tags, Subject: img.Subject}
}

// AddReleases lists the releases of an inventory; isNew says of each payload whether it comes.
func (c *Changes) AddReleases(inv *oci.Inventory, isNew func(digest.Digest) bool) {
	for _, r := range manifests.Releases(inv) {
		state := ReleaseKept
		if isNew(r.Digest) {
			state = ReleaseNew
		}
		c.Releases = append(c.Releases, Release{r.Name, r.Digest, state})
	}
}

// Moved counts the tags that move.
func (c *Changes) Moved() (n int) {
	for _, t := range c.Tags {
		if t.State == Moves {
			n++
		}
	}
	return n
}

// Sorted puts all lists in a steady order, and makes an empty one of each that has nothing.
func (c *Changes) Sorted() *Changes {
	byName := func(a, b Image) int {
		return cmp.Or(cmp.Compare(a.Repo, b.Repo), cmp.Compare(a.Digest, b.Digest), cmp.Compare(a.Source, b.Source))
	}
	slices.SortFunc(c.New, byName)
	slices.SortFunc(c.Gone, byName)
	SortTags(c.Tags)
	c.New, c.Gone, c.Tags = append([]Image{}, c.New...), append([]Image{}, c.Gone...), append([]Tag{}, c.Tags...)
	c.Releases, c.Catalogs = append([]Release{}, c.Releases...), append([]catalogs.Catalog{}, c.Catalogs...)
	return c
}
