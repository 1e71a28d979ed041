package index

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
)

const (
	maxSources  = 1000
	maxGroups   = 1 << 16
	maxMirror   = 1 << 10 // bytes of its name
	shortLength = 16
)

// Short is the first half of a SHA-256: enough to tell one blob from any other. Where it
// matters, the whole digest stands in an image's line or in the manifest that names the blob.
type Short [shortLength]byte

// shorten gives the first half of a digest.
func shorten(d digest.Digest) (s Short, err error) {
	if err := oci.CheckDigest(d); err != nil {
		return s, err
	}
	_, err = hex.Decode(s[:], []byte(d.Encoded()[:2*shortLength]))
	return s, err
}

// Source is a bundle that brought content of a baseline.
type Source struct {
	Bundle      string       `json:"bundle"` // its ID
	Fingerprint string       `json:"fingerprint,omitempty"`
	Stream      *seal.Stream `json:"stream,omitempty"`
	Sequence    int          `json:"sequence,omitempty"`
	Receipt     string       `json:"receipt,omitempty"` // SHA-256 of the receipt that says so; none: a ledger
	Mirror      string       `json:"mirror,omitempty"`  // that the receipt is of
}

func (s Source) check() error {
	if !seal.IsID(s.Bundle) || s.Fingerprint != "" && !seal.IsSum(s.Fingerprint) || s.Receipt != "" && !seal.IsSum(s.Receipt) ||
		s.Sequence < 0 || s.Sequence > seal.MaxSequence || len(s.Mirror) > maxMirror {
		return fmt.Errorf("source %.40q of the baseline", s.Bundle)
	}
	if s.Stream != nil {
		return s.Stream.Check()
	}
	return nil
}

// same reports whether two sources are equal.
func (s Source) same(o Source) bool {
	a, b := s.Stream, o.Stream
	s.Stream, o.Stream = nil, nil
	return s == o && (a == b || a != nil && b != nil && *a == *b)
}

// place is where content of a baseline is: a repository in the mirror, below its namespace,
// and the number of its source.
type place struct {
	path string
	from int
}

// Baseline is what a bundle does not carry although its images need it: the mirror has it
// already. The zero value is empty.
type Baseline struct {
	from []Source
	at   map[Short]place
}

// From adds a source, if it is not there yet, and gives its number.
func (b *Baseline) From(s Source) int {
	i := slices.IndexFunc(b.from, s.same)
	if i < 0 {
		i, b.from = len(b.from), append(b.from, s)
	}
	return i
}

// Sources lists the bundles that brought it.
func (b *Baseline) Sources() []Source { return slices.Clone(b.from) }

// Add adds content that is in a repository of the mirror, a path below its namespace, and
// came from the source with that number. Content that is there already stays as it is.
func (b *Baseline) Add(d digest.Digest, path string, from int) error {
	s, err := shorten(d)
	if err == nil && (from < 0 || from >= len(b.from)) {
		err = fmt.Errorf("source %d of %d", from, len(b.from))
	}
	if err == nil {
		err = oci.CheckPath(path)
	}
	if err != nil {
		return fmt.Errorf("baseline: %w", err)
	}
	if b.at == nil {
		b.at = map[Short]place{}
	}
	if _, ok := b.at[s]; !ok {
		b.at[s] = place{path, from}
	}
	return nil
}

// Find says in which repository of the mirror content is, a path below its namespace, and
// which bundle brought it; not ok if the baseline does not have it. A nil baseline has nothing.
func (b *Baseline) Find(d digest.Digest) (path string, from Source, ok bool) {
	if b == nil {
		return "", from, false
	}
	s, err := shorten(d)
	p, ok := b.at[s]
	if err != nil || !ok {
		return "", from, false
	}
	return p.path, b.from[p.from], true
}

// Len is how many blobs and manifests it has.
func (b *Baseline) Len() int {
	if b == nil {
		return 0
	}
	return len(b.at)
}

// baselineText is a baseline as it is written.
type baselineText struct {
	From    []Source `json:"from"`
	Content []group  `json:"content"` // by path, then by source
}

// group is content of one source in one repository.
type group struct {
	place
	digests []Short // sorted
}

func (g group) compare(o group) int {
	return cmp.Or(cmp.Compare(g.path, o.path), cmp.Compare(g.from, o.from))
}

// MarshalJSON writes ["<path>",<source>,"<packed digests in base64>"].
func (g group) MarshalJSON() ([]byte, error) {
	packed := make([]byte, 0, len(g.digests)*shortLength)
	for _, s := range g.digests {
		packed = append(packed, s[:]...)
	}
	return json.Marshal([]any{g.path, g.from, base64.StdEncoding.EncodeToString(packed)})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (g *group) UnmarshalJSON(b []byte) error {
	var text string
	var parts []json.RawMessage
	err := json.Unmarshal(b, &parts)
	if err == nil && len(parts) != 3 {
		err = errors.New("it has not three parts")
	}
	if err == nil {
		err = errors.Join(json.Unmarshal(parts[0], &g.path), json.Unmarshal(parts[1], &g.from), json.Unmarshal(parts[2], &text))
	}
	var packed []byte
	if err == nil {
		packed, err = base64.StdEncoding.Strict().DecodeString(text)
	}
	if err == nil && (len(packed) == 0 || len(packed)%shortLength != 0) {
		err = fmt.Errorf("%d bytes of digests", len(packed))
	}
	if err != nil {
		return fmt.Errorf("content of the baseline: %w", err)
	}
	for s := range slices.Chunk(packed, shortLength) {
		g.digests = append(g.digests, Short(s))
	}
	return nil
}

// MarshalJSON writes the baseline, always in the same order.
func (b *Baseline) MarshalJSON() ([]byte, error) {
	by := map[place][]Short{}
	for s, p := range b.at {
		by[p] = append(by[p], s)
	}
	out := baselineText{From: b.from, Content: []group{}}
	for p, list := range by {
		slices.SortFunc(list, func(x, y Short) int { return bytes.Compare(x[:], y[:]) })
		out.Content = append(out.Content, group{p, list})
	}
	slices.SortFunc(out.Content, group.compare)
	if out.From == nil {
		out.From = []Source{}
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads a baseline strictly: everything sorted, and nothing twice.
func (b *Baseline) UnmarshalJSON(body []byte) error {
	var in baselineText
	if err := json.Unmarshal(body, &in); err != nil {
		return err
	}
	if len(in.From) > maxSources || len(in.Content) > maxGroups {
		return fmt.Errorf("a baseline of %d sources and %d groups", len(in.From), len(in.Content))
	}
	*b = Baseline{at: map[Short]place{}}
	for _, s := range in.From {
		if err := s.check(); err != nil {
			return err
		}
		if b.From(s) != len(b.from)-1 {
			return fmt.Errorf("source %s of the baseline stands twice", s.Bundle)
		}
	}
	if len(b.from) != len(in.From) {
		return errors.New("a source of the baseline stands twice")
	}
	for i, g := range in.Content {
		if err := oci.CheckPath(g.path); err != nil {
			return err
		}
		if g.from < 0 || g.from >= len(b.from) || i > 0 && in.Content[i-1].compare(g) >= 0 {
			return fmt.Errorf("content of the baseline is out of order, or of no source")
		}
		for k, s := range g.digests {
			if _, twice := b.at[s]; twice || k > 0 && bytes.Compare(g.digests[k-1][:], s[:]) >= 0 {
				return fmt.Errorf("digests of the baseline are out of order, or twice there")
			}
			b.at[s] = g.place
		}
	}
	return nil
}
