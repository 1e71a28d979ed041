package changes

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

// State is what becomes of a tag.
type State string

// What becomes of a tag.
const (
	Moves   State = "moves"   // it is to name another manifest
	Stays   State = "stays"   // it goes on naming what it names
	Refused State = "refused" // the registry does not let it move
)

// Tag is a tag that names another manifest than the bundle's.
type Tag struct {
	Tag   string   `json:"tag"` // repository and tag, with the registry where that is known
	Old   Manifest `json:"old"`
	New   Manifest `json:"new"`
	State State    `json:"state"`
	Why   string   `json:"why,omitempty"` // of one that stays, and of one of which it is not known that the new image is newer
	// Expected: an earlier bundle of the same stream has set it.
	Expected bool `json:"expected,omitempty"`

	Origin oci.Origin `json:"origin"`
	Source string     `json:"source"` // of the bundle's image
}

// Manifest is what a tag names.
type Manifest struct {
	Digest  digest.Digest `json:"digest"`
	Created time.Time     `json:"created,omitzero"` // as the image itself says
	Packed  time.Time     `json:"packed,omitzero"`  // when the bundle that brings it was packed
}

// Date is when the manifest's image was made, else when it was packed, in words; "" if neither is known.
func (m Manifest) Date() string {
	const minutes = "2006-01-02 15:04"
	switch {
	case !m.Created.IsZero():
		return "created " + m.Created.UTC().Format(minutes)
	case !m.Packed.IsZero():
		return "packed " + m.Packed.UTC().Format(minutes)
	}
	return ""
}

// String is the digest and the date.
func (m Manifest) String() string {
	if date := m.Date(); date != "" {
		return fmt.Sprintf("%s (%s)", m.Digest, date)
	}
	return m.Digest.String()
}

// SortTags orders tags by name.
func SortTags(list []Tag) {
	slices.SortFunc(list, func(a, b Tag) int { return cmp.Compare(a.Tag, b.Tag) })
}
