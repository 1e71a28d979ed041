package oci

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
)

// Origin is the part of a configuration that an image comes from, a short word such
// as "release". Package manifests defines the existing ones; the format takes any.
type Origin string

var (
	originPattern   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`) })
	documentPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`) })
	unknownPattern  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9-]{1,32}$`) })
	platformPattern = regexp.MustCompile(`^[A-Za-z0-9._+-]+/[A-Za-z0-9._+-]+(/[A-Za-z0-9._+-]+)?$`)
)

func (o Origin) check() error {
	if !originPattern().MatchString(string(o)) {
		return fmt.Errorf("%.64q is not an origin", string(o))
	}
	return nil
}

// Image is one pinned image of an inventory.
type Image struct {
	Origin    Origin     `json:"origin"`
	Source    Ref        `json:"source"`              // tag, digest or both; see [Image.Configured]
	Root      Descriptor `json:"root"`                // the manifest or index it was pinned to
	Platforms []string   `json:"platforms,omitempty"` // os/arch[/variant], sorted
	Tags      []string   `json:"tags,omitempty"`      // tags of its own in the mirror; all: see [Image.MirrorTags]
	// Path is its repository in the mirror, below the namespace; empty for the
	// source's own path.
	Path string `json:"path,omitempty"`
	// Reasons says what asks for it, sorted.
	Reasons []Reason `json:"reasons,omitempty"`
	// Subject is the manifest that this one is attached to, as a referrer or a
	// signature under a tag; empty for an image carried for itself.
	Subject digest.Digest `json:"subject,omitempty"`
	// Built says that satchel built it for the bundle: no registry has it, and the
	// source is only a name.
	Built bool `json:"made,omitempty"`
	// Base is the image that a built one was built from, by digest, if there is one:
	// its repository has everything that satchel did not build.
	Base Ref `json:"base,omitzero"`
	// Omitted lists, sorted, the manifests that its indexes name and that are not
	// carried: those for platforms that were not asked for. The index that names
	// them is carried unchanged.
	Omitted []digest.Digest `json:"without,omitempty"`
	// Unknown lists, sorted, the sorts of attachments of which the registry refused to
	// say whether there are any: [UnknownReferrers], or what cosign's tags end with.
	Unknown []string `json:"unknown,omitempty"`
}

// UnknownReferrers stands in [Image].Unknown for the list of referrers.
const UnknownReferrers = "referrers"

// Describe is the image's reference, as configured, and, if it is a part of something,
// what asks for it.
func (i Image) Describe() string {
	words := Words(i.Reasons)
	if len(words) == 0 || i.Reasons[0].Part == "" {
		return i.Configured().String()
	}
	more := ""
	if n := len(words) - 1; n > 0 {
		more = fmt.Sprintf(", and %d more", n)
	}
	return i.Configured().String() + " (" + words[0] + more + ")"
}

// Configured is the reference by which the configuration asks for the image. One that
// was built from what a digest names has that digest here, and its own in its source.
func (i Image) Configured() Ref {
	ref := i.Source
	if ref.Digest != "" && i.Base != (Ref{}) {
		ref.Digest = i.Base.Digest
	}
	return ref
}

// Matches reports whether ref names the image: its source, or what the configuration has.
func (i Image) Matches(ref Ref) bool { return ref == i.Source || ref == i.Configured() }

// MirrorPath is the repository that the image gets in the mirror, below its namespace.
func (i Image) MirrorPath() string { return cmp.Or(i.Path, i.Source.Repository) }

// CheckPath reports what is wrong with the path of a repository in the mirror, below its
// namespace.
func CheckPath(path string) error {
	if path == "" {
		return errors.New("a repository in the mirror has an empty path")
	}
	return checkPath(path)
}

// checkPath checks a repository's path in the mirror; it may be empty.
func checkPath(path string) error {
	if path == "" {
		return nil
	}
	if ref, err := ParseRef("mirror.invalid/" + path + ":x"); err != nil || ref.Repository != path {
		return fmt.Errorf("path %q in the mirror is not that of a repository", path)
	}
	return nil
}

// Document is something besides the images that a bundle carries for the far
// side: an OCI artifact with one layer a file, which the mirror does not get.
type Document struct {
	Name string     `json:"name"` // says what it is, such as "cluster-yaml"
	Root Descriptor `json:"root"`
}

// Inventory is the pinned list of what a bundle carries.
type Inventory struct {
	Images    []Image    `json:"images"`
	Gaps      []Gap      `json:"gaps,omitempty"` // what was asked for and is not carried
	Documents []Document `json:"documents,omitempty"`
}

// Document returns the document of that name.
func (inv *Inventory) Document(name string) (Descriptor, bool) {
	for _, d := range inv.Documents {
		if d.Name == name {
			return d.Root, true
		}
	}
	return Descriptor{}, false
}

// Sort orders the images by [Image.Compare], so that the same set is always the same list.
func (inv *Inventory) Sort() { slices.SortFunc(inv.Images, Image.Compare) }

// Validate checks every image as strictly as if it came from an enemy: it may.
func (inv *Inventory) Validate() error {
	for _, img := range inv.Images {
		if err := img.Validate(); err != nil {
			return fmt.Errorf("image %s: %w", img.Source, err)
		}
	}
	for _, g := range inv.Gaps {
		if err := g.Validate(); err != nil {
			return fmt.Errorf("gap %q: %w", g.Image.Source, err)
		}
	}
	seen := map[string]bool{}
	for _, doc := range inv.Documents {
		err := CheckDescriptor(doc.Root)
		if err == nil && (!documentPattern().MatchString(doc.Name) || seen[doc.Name] || !IsManifest(doc.Root.MediaType)) {
			err = errors.New("it is not named and typed as a document is")
		}
		if err != nil {
			return fmt.Errorf("document %q: %w", doc.Name, err)
		}
		seen[doc.Name] = true
	}
	return nil
}

// checkBase checks what a built image was built from.
func (i Image) checkBase() error {
	switch _, err := ParseRef(i.Base.String()); {
	case i.Base == Ref{}:
		return nil
	case err != nil:
		return fmt.Errorf("built from: %w", err)
	case !i.Built || i.Base.Digest == "":
		return errors.New("it names an image that it was built from, and was not built, or the name has no digest")
	}
	return nil
}

// maxUnknown is how many sorts of attachments there may be.
const maxUnknown = 16

// maxOmitted is how many manifests an image may leave out.
const maxOmitted = 1 << 10

// checkOmitted checks what an image leaves out.
func (i Image) checkOmitted() error {
	if len(i.Omitted) == 0 {
		return nil
	}
	if !IsIndex(i.Root.MediaType) || len(i.Omitted) > maxOmitted {
		return fmt.Errorf("it leaves out %d manifests", len(i.Omitted))
	}
	for k, d := range i.Omitted {
		if err := CheckDigest(d); err != nil {
			return fmt.Errorf("left out: %w", err)
		}
		if d == i.Root.Digest || k > 0 && i.Omitted[k-1] >= d {
			return fmt.Errorf("what it leaves out is not sorted, or is all of it")
		}
	}
	return nil
}

// Validate checks that an image is named, pinned and tagged as the format allows.
func (i Image) Validate() error {
	if _, err := ParseRef(i.Source.String()); err != nil {
		return err
	}
	if err := CheckDescriptor(i.Root); err != nil {
		return err
	}
	if !IsManifest(i.Root.MediaType) {
		return fmt.Errorf("%q is not the media type of a manifest", i.Root.MediaType)
	}
	if i.Source.Digest != "" && i.Source.Digest != i.Root.Digest {
		return fmt.Errorf("pinned to another digest, %s", i.Root.Digest)
	}
	if i.Subject != "" {
		if err := CheckDigest(i.Subject); err != nil {
			return fmt.Errorf("subject: %w", err)
		}
	}
	for _, p := range i.Platforms {
		if !IsPlatform(p) {
			return fmt.Errorf("platform %q", p)
		}
	}
	if err := errors.Join(i.Origin.check(), checkPath(i.Path), checkReasons(i.Reasons), i.checkBase(), i.checkOmitted()); err != nil {
		return err
	}
	for k, sort := range i.Unknown {
		if !unknownPattern().MatchString(sort) || k >= maxUnknown {
			return fmt.Errorf("%.64q is not a sort of attachments", sort)
		}
	}
	for _, tag := range i.Tags {
		if _, err := ParseRef(i.Source.WithTag(tag).String()); err != nil {
			return fmt.Errorf("tag %q: %w", tag, err)
		}
	}
	return nil
}
