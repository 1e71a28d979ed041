package oci

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci/text"
)

// Reason says why an image is carried: what asks for it, and which part of that it is.
// It is data; [Reason.String] makes words of it where they are shown.
type Reason struct {
	// Kind is what asks for the image. Package manifests has the words of releases,
	// catalogs and so on; [ReasonAttached] and [ReasonPlatforms] are those of this package.
	// It is empty for words of an older bundle that have no kind.
	Kind    string `json:"kind,omitempty"`
	Name    string `json:"name,omitempty"`    // which one of that kind
	Part    string `json:"part,omitempty"`    // which part of it the image is
	Catalog string `json:"catalog,omitempty"` // the catalog's reference, as configured, where one chose it
}

const (
	// ReasonAttached is the kind of a referrer or signature; Name is what it is attached to.
	ReasonAttached = "attached"
	// ReasonSignatures is the kind of a gap that is all signatures of an image, Name.
	ReasonSignatures = "signatures"
	// ReasonPlatforms is the kind of an image that is carried with more platforms, Name,
	// because other images of its repository, Part, are. What those lack, it lacks too.
	ReasonPlatforms = "platforms"
)

// String writes a reason for people: KIND NAME: PART.
func (r Reason) String() string {
	switch r.Kind {
	case ReasonAttached:
		return "attached to " + r.Name
	case ReasonSignatures:
		return "signatures of " + r.Name
	case ReasonPlatforms:
		return "with " + cmp.Or(r.Name, "more of it") + ", as its repository gets that for " + r.Part
	}
	s := r.Kind
	if s != "" && r.Name != "" {
		s += " "
	}
	s += r.Name
	if r.Part != "" {
		s += ": " + r.Part
	}
	return s
}

// Within reports whether r is whole itself, or a part of it.
func (r Reason) Within(whole Reason) bool {
	return r.Kind == whole.Kind && r.Name == whole.Name && (whole.Part == "" || r.Part == whole.Part)
}

// compare orders reasons by kind, name, part and catalog.
func (r Reason) compare(o Reason) int {
	return cmp.Or(cmp.Compare(r.Kind, o.Kind), cmp.Compare(r.Name, o.Name), cmp.Compare(r.Part, o.Part), cmp.Compare(r.Catalog, o.Catalog))
}

// SortReasons orders reasons, each once.
func SortReasons(list []Reason) []Reason {
	slices.SortFunc(list, Reason.compare)
	return slices.Compact(list)
}

// Words writes reasons for people, a line each; the same line is written once.
func Words(list []Reason) (words []string) {
	for _, r := range list {
		if s := r.String(); !slices.Contains(words, s) {
			words = append(words, s)
		}
	}
	return words
}

var kindPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z][A-Za-z0-9. -]{0,63}$`) })

const (
	// maxWords is the longest text for people that an inventory may have, in bytes.
	maxWords = 8 << 10
	// maxReasons is how many reasons one image may have.
	maxReasons = 1 << 16
)

func checkReasons(list []Reason) error {
	if len(list) > maxReasons {
		return fmt.Errorf("it has %d reasons", len(list))
	}
	for _, r := range list {
		if r.Kind != "" && !kindPattern().MatchString(r.Kind) {
			return fmt.Errorf("%.64q is not the kind of a reason", r.Kind)
		}
		for _, s := range []string{r.Name, r.Part, r.Catalog} {
			if len(s) > maxWords || !text.IsASCII(s) {
				return fmt.Errorf("a reason has the text %.64q", s)
			}
		}
	}
	return nil
}

// imageFields has the fields of an Image and none of its methods.
type imageFields Image

// imageJSON is how an image is written: its reasons as data and, in "why", for people.
type imageJSON struct {
	imageFields
	Why []string `json:"why,omitempty"`
}

// MarshalJSON writes an image as an index has it.
func (i Image) MarshalJSON() ([]byte, error) {
	return json.Marshal(imageJSON{imageFields(i), Words(i.Reasons)})
}

// UnmarshalJSON reads an image. One without reasons gets those that its words are of.
func (i *Image) UnmarshalJSON(b []byte) error {
	var j imageJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*i = Image(j.imageFields)
	i.Reasons = reasonsOr(i.Reasons, j.Why)
	return nil
}

// reasonsOr gives the reasons or, where there are none, those of an older bundle's words.
func reasonsOr(reasons []Reason, why []string) []Reason {
	if len(reasons) > 0 {
		return reasons
	}
	for _, s := range why {
		reasons = append(reasons, ofWords(s))
	}
	return reasons
}

// ofWords is the reason that is written as s, see [Reason.String]: older bundles have
// the words alone.
func ofWords(s string) (r Reason) {
	if name, ok := strings.CutPrefix(s, "attached to "); ok {
		r = Reason{Kind: ReasonAttached, Name: name}
	} else if name, ok := strings.CutPrefix(s, "signatures of "); ok {
		r = Reason{Kind: ReasonSignatures, Name: name}
	} else if rest, ok := strings.CutPrefix(s, "with "); ok {
		name, part, _ := strings.Cut(rest, ", as its repository gets that for ")
		r = Reason{Kind: ReasonPlatforms, Name: name, Part: part}
	} else {
		r.Kind, r.Name, _ = strings.Cut(s, " ")
		r.Name, r.Part, _ = strings.Cut(r.Name, ": ")
	}
	if !kindPattern().MatchString(r.Kind) || r.String() != s {
		return Reason{Name: s}
	}
	return r
}

// gapJSON is how a gap is written.
type gapJSON struct {
	Origin  Origin        `json:"origin"`
	Source  Ref           `json:"source"`
	Digest  digest.Digest `json:"digest,omitempty"`  // what it was pinned to, if it got so far
	Subject digest.Digest `json:"subject,omitempty"` // the manifest that it is attached to
	Path    string        `json:"path,omitempty"`    // of its repository in the mirror, see [Image]
	Why     []string      `json:"why,omitempty"`
	Reasons []Reason      `json:"reasons,omitempty"`
	Error   string        `json:"error"` // why it is not available
}

// maxReasonText is how much of an error a gap keeps, in bytes: what a server says may be long.
const maxReasonText = 4 << 10

// MarshalJSON writes a gap as an index and a gap list have it.
func (g Gap) MarshalJSON() ([]byte, error) {
	img := g.Image
	return json.Marshal(gapJSON{img.Origin, img.Configured(), img.Root.Digest, img.Subject, img.Path, Words(img.Reasons), img.Reasons, g.Reason()})
}

// UnmarshalJSON reads a gap.
func (g *Gap) UnmarshalJSON(b []byte) error {
	var j gapJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*g = Gap{Image: Image{Origin: j.Origin, Source: j.Source, Root: Descriptor{Digest: j.Digest}, Subject: j.Subject, Path: j.Path,
		Reasons: reasonsOr(j.Reasons, j.Why)}, Err: errors.New(j.Error)}
	return nil
}

// Reason is what went wrong, in one line of at most 4 KiB.
func (g Gap) Reason() string {
	if g.Err == nil {
		return ""
	}
	return text.Cut(text.OneLine(g.Err.Error()), maxReasonText)
}
