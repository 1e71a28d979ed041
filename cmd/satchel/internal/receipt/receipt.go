package receipt

import (
	"cmp"
	"encoding/hex"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

// State says when a receipt was written.
type State string

// When.
const (
	Intent State = "intent" // before the first upload: what is marked as pushed was absent then
	Done   State = "done"   // when everything was seen in the mirror
)

// Mark says how something came into the mirror.
type Mark bool

// How.
const (
	Found  Mark = false // it was there; or nobody knows
	Pushed Mark = true  // satchel pushed it: it was not there before
)

func (m Mark) String() string {
	if m == Pushed {
		return "pushed"
	}
	return "found"
}

// MarshalText writes the mark as a word.
func (m Mark) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Source says where the facts of a receipt come from.
type Source string

// Where.
const (
	FromUnpack Source = ""        // a run of unpack pushed the bundle, or saw all of it there
	Rebuilt    Source = "rebuilt" // a bundle or a ledger was compared with the mirror
	Adopted    Source = "adopted" // as rebuilt, and what was found was made satchel's
	Pruned     Source = "pruned"  // a prune left it, of what receipts named that are kept no longer
)

// Stream is the line of bundles that a bundle belongs to; zero for none.
type Stream struct {
	Ledger string `json:"ledger"` // 32 hexadecimal digits
	Name   string `json:"name"`
}

// Supplement is the bundle that was read beside a damaged one for what that had lost; zero if there was none.
type Supplement struct {
	Bundle      string `json:"bundle"`      // its ID
	Fingerprint string `json:"fingerprint"` // 64 hexadecimal digits
}

// Receipt is one bundle's facts about one mirror. Repositories are named whole, as the
// mirror has them, without its host. All lists are sorted, see [Receipt.Sort].
type Receipt struct {
	State       State
	Bundle      string // its ID
	Fingerprint string // of the bundle, 64 hexadecimal digits; "" where it is not known
	Stream      Stream
	Sequence    int       // of the bundle in its stream
	Partial     bool      // the bundle is of a part of its configuration's images alone
	Packed      time.Time // when the bundle was made
	Supplement  Supplement
	Mirror      oci.Mirror
	Time        time.Time     // when the facts were seen
	First       digest.Digest // the first receipt of the mirror, as far as it is kept; "" for that one itself. See [Receipt.Site]
	From        Source
	Closes      []digest.Digest // intents that it ends
	Claims      []digest.Digest // receipts and intents of others, which nobody confirmed, that its pushed marks rest on
	Replaces    []digest.Digest // receipts and intents that count no longer; of a prune alone

	Repositories []Repository
	Images       []Image
	Manifests    []Manifest
	Blobs        []Blob

	number int // among those of its bundle, as the mirror has them; 0: not known
}

// Repository is one of the mirror, with the repositories whose images went there. Images
// that satchel built have no source.
type Repository struct {
	Name    string
	Sources []SourceRepository
}

// SourceRepository is where images come from.
type SourceRepository struct {
	Name    string       // HOST[:PORT]/REPOSITORY
	Origins []oci.Origin // of its images in that repository of the mirror
}

// Image is a root: what the bundle carries for itself, in one repository.
type Image struct {
	Repo    string
	Digest  digest.Digest
	Origins []oci.Origin
	Subject digest.Digest // what it is attached to; "" for an image
	Tags    []Tag
}

// Tag is one that a bundle gives an image in the mirror.
type Tag struct {
	Name string
	Mark Mark
}

// Manifest is a manifest or index in one repository, of a root or below one.
type Manifest struct {
	Repo      string
	Digest    digest.Digest
	MediaType string
	Size      int64
	Mark      Mark
}

// Blob is content that is not a manifest, in all the repositories that need it.
type Blob struct {
	Short Short
	Size  int64
	In    []Place // at least one; blobs with the same places share the list
}

// Place is a repository with or without satchel's doing.
type Place struct {
	Repo string
	Mark Mark
}

// Short is the first 24 bytes of a SHA-256: enough to tell any blob from any other. The
// whole digest stands in the manifests that name the blob.
type Short [24]byte

// ShortOf shortens a SHA-256 digest.
func ShortOf(d digest.Digest) (s Short) {
	b, _ := hex.DecodeString(d.Encoded()) // what is no digest has no blob
	copy(s[:], b)
	return s
}

func (s Short) String() string { return hex.EncodeToString(s[:]) }

// Open reports whether a receipt is an intent that none of the others ends.
func (r *Receipt) Open(own digest.Digest, others []*Receipt) bool {
	return r.State == Intent && !slices.ContainsFunc(others, func(o *Receipt) bool { return slices.Contains(o.Closes, own) })
}

// Sort brings all lists into the order of the format. Every list has each thing once.
func (r *Receipt) Sort() {
	slices.Sort(r.Closes)
	slices.Sort(r.Claims)
	slices.Sort(r.Replaces)
	slices.SortFunc(r.Repositories, func(a, b Repository) int { return cmp.Compare(a.Name, b.Name) })
	for _, repo := range r.Repositories {
		slices.SortFunc(repo.Sources, func(a, b SourceRepository) int { return cmp.Compare(a.Name, b.Name) })
		for _, s := range repo.Sources {
			slices.Sort(s.Origins)
		}
	}
	slices.SortFunc(r.Images, func(a, b Image) int { return cmp.Or(cmp.Compare(a.Repo, b.Repo), cmp.Compare(a.Digest, b.Digest)) })
	for _, img := range r.Images {
		slices.Sort(img.Origins)
		slices.SortFunc(img.Tags, func(a, b Tag) int { return cmp.Compare(a.Name, b.Name) })
	}
	slices.SortFunc(r.Manifests, func(a, b Manifest) int { return cmp.Or(cmp.Compare(a.Repo, b.Repo), cmp.Compare(a.Digest, b.Digest)) })
	for _, b := range r.Blobs {
		slices.SortFunc(b.In, comparePlaces)
	}
	slices.SortFunc(r.Blobs, func(a, b Blob) int {
		return cmp.Or(slices.CompareFunc(a.In, b.In, comparePlaces), slices.Compare(a.Short[:], b.Short[:]))
	})
}

func comparePlaces(a, b Place) int {
	if c := cmp.Compare(a.Repo, b.Repo); c != 0 || a.Mark == b.Mark {
		return c
	}
	if a.Mark == Found {
		return -1
	}
	return 1
}

// SameFacts reports whether two receipts differ in nothing but their time, which intents they
// end, and whose word they rest on.
func (r *Receipt) SameFacts(o *Receipt) bool {
	a, b := *r, *o
	a.Time, b.Time = time.Time{}, time.Time{}
	a.Closes, b.Closes = nil, nil
	a.Claims, b.Claims = nil, nil
	a.First, b.First = "", ""
	x, err := a.Encode()
	y, oerr := b.Encode()
	return err == nil && oerr == nil && slices.Equal(x, y)
}
