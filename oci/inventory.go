package oci

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Origin says why an image is carried.
type Origin string

// The origins that an image can have.
const (
	OriginRelease    Origin = "release"
	OriginCatalog    Origin = "catalog"
	OriginOperator   Origin = "operator"
	OriginAdditional Origin = "additional"
	OriginChart      Origin = "chart"
	OriginPod        Origin = "pod"
)

var (
	origins         = []Origin{OriginRelease, OriginCatalog, OriginOperator, OriginAdditional, OriginChart, OriginPod}
	documentPattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)
	platformPattern = regexp.MustCompile(`^[A-Za-z0-9._+-]+/[A-Za-z0-9._+-]+(/[A-Za-z0-9._+-]+)?$`)
)

// Image is one pinned image of an inventory.
type Image struct {
	Origin    Origin     `json:"origin"`
	Source    Ref        `json:"source"`              // tag, digest or both; see [Image.Configured]
	Root      Descriptor `json:"root"`                // the manifest or index it was pinned to
	Platforms []string   `json:"platforms,omitempty"` // os/arch[/variant], sorted
	Tags      []string   `json:"tags,omitempty"`      // tags it gets in the mirror; none: see [Image.MirrorTags]
	// Path is its repository in the mirror, below the namespace; empty for the
	// source's own path.
	Path string `json:"path,omitempty"`
	// Why says, for people, what asked for it: one line each, sorted.
	Why []string `json:"why,omitempty"`
	// Subject is the manifest that this one is attached to, as a referrer or a
	// signature under a tag; empty for an image carried for itself.
	Subject digest.Digest `json:"subject,omitempty"`
	// Made says that satchel made it for the bundle: no registry has it, and the
	// source is a name alone.
	Made bool `json:"made,omitempty"`
	// Base is the image that a made one was made from, by digest, if there is one:
	// its repository has whatever satchel did not make.
	Base Ref `json:"base,omitzero"`
	// Without lists, sorted, the manifests that its indexes name and that are not
	// carried: those for platforms that were not asked for. The index that names
	// them goes along as it is.
	Without []digest.Digest `json:"without,omitempty"`
}

// WhyWith begins the line of [Image].Why that says which platforms it is carried with
// because of others: what those need and is not to be had, it lacks too.
const WhyWith = "with "

// Named is the image's reference, as configured, and, where that does not speak for itself, what
// asked for it.
func (i Image) Named() string {
	if len(i.Why) == 0 || !strings.Contains(i.Why[0], ": ") { // a part of something, else
		return i.Configured().String()
	}
	more := ""
	if n := len(i.Why) - 1; n > 0 {
		more = fmt.Sprintf(", and %d more", n)
	}
	return i.Configured().String() + " (" + i.Why[0] + more + ")"
}

// Configured is the reference by which the configuration asks for the image. One that
// was made from what a digest names has that digest here, and its own in its source.
func (i Image) Configured() Ref {
	ref := i.Source
	if ref.Digest != "" && i.Base != (Ref{}) {
		ref.Digest = i.Base.Digest
	}
	return ref
}

// Is reports whether ref names the image: its source, or what the configuration has.
func (i Image) Is(ref Ref) bool { return ref == i.Source || ref == i.Configured() }

// Place is the repository that the image gets in the mirror, below its namespace.
func (i Image) Place() string { return cmp.Or(i.Path, i.Source.Repository) }

// MirrorTags lists the tags that the image gets in the mirror. An image that is
// only ever pulled by digest gets satchel-<64 hex>, because registries collect
// untagged manifests; sha256-<hex> would be taken for a referrers index. A
// referrer has no tag: registries keep it with its subject.
func (i Image) MirrorTags() []string {
	if len(i.Tags) > 0 || i.Subject != "" {
		return i.Tags
	}
	return []string{"satchel-" + i.Root.Digest.Encoded()}
}

// Gap is an image that was asked for and is not carried.
type Gap struct {
	Origin  Origin        `json:"origin"`
	Source  Ref           `json:"source"`
	Digest  digest.Digest `json:"digest,omitempty"`  // what it was pinned to, if it got so far
	Subject digest.Digest `json:"subject,omitempty"` // the manifest that it is attached to
	Path    string        `json:"path,omitempty"`    // of its repository in the mirror, see [Image]
	Why     []string      `json:"why,omitempty"`     // see [Image]
	Error   string        `json:"error"`             // why it could not be had
}

// maxWords is the longest text for people that an inventory may have, in bytes.
const maxWords = 8 << 10

// Validate checks a gap as [Image.Validate] does an image.
func (g Gap) Validate() error {
	if _, err := ParseRef(g.Source.String()); err != nil {
		return err
	}
	for _, d := range []digest.Digest{g.Digest, g.Subject} {
		if d == "" {
			continue
		}
		if err := CheckDigest(d); err != nil {
			return err
		}
	}
	if !slices.Contains(origins, g.Origin) {
		return fmt.Errorf("unknown origin %q", g.Origin)
	}
	if len(g.Error) > maxWords {
		return fmt.Errorf("its reason has %d bytes", len(g.Error))
	}
	return errors.Join(checkPath(g.Path), checkWhy(g.Why))
}

func checkWhy(list []string) error {
	for _, why := range list {
		if len(why) > maxWords || !printable(why) {
			return fmt.Errorf("it says %.64q of why it is carried", why)
		}
	}
	return nil
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

// Document is something beside the images that a bundle carries for the far
// side: an OCI artifact with one layer a file, which the mirror does not get.
type Document struct {
	Name string     `json:"name"` // says what it is, such as [DocumentCluster]
	Root Descriptor `json:"root"`
}

// DocumentCluster is the cluster's YAML for a mirror that is not known yet.
const DocumentCluster = "cluster-yaml"

// Inventory is the pinned list of what a bundle carries.
type Inventory struct {
	Images    []Image    `json:"images"`
	Gaps      []Gap      `json:"gaps,omitempty"` // what it goes without
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

// Sort orders the images by source reference, then origin and path, so that the same
// set is always the same list.
func (inv *Inventory) Sort() {
	slices.SortFunc(inv.Images, func(a, b Image) int {
		return cmp.Or(cmp.Compare(a.Source.String(), b.Source.String()), cmp.Compare(a.Origin, b.Origin), cmp.Compare(a.Path, b.Path))
	})
}

// Validate checks every image as strictly as if it came from an enemy: it may.
func (inv *Inventory) Validate() error {
	for _, img := range inv.Images {
		if err := img.Validate(); err != nil {
			return fmt.Errorf("image %s: %w", img.Source, err)
		}
	}
	for _, g := range inv.Gaps {
		if err := g.Validate(); err != nil {
			return fmt.Errorf("gap %q: %w", g.Source, err)
		}
	}
	seen := map[string]bool{}
	for _, doc := range inv.Documents {
		err := CheckDescriptor(doc.Root)
		if err == nil && (!documentPattern.MatchString(doc.Name) || seen[doc.Name] || !IsManifest(doc.Root.MediaType)) {
			err = errors.New("it is not named and typed as a document is")
		}
		if err != nil {
			return fmt.Errorf("document %q: %w", doc.Name, err)
		}
		seen[doc.Name] = true
	}
	return nil
}

// checkBase checks what a made image was made from.
func (i Image) checkBase() error {
	switch _, err := ParseRef(i.Base.String()); {
	case i.Base == Ref{}:
		return nil
	case err != nil:
		return fmt.Errorf("made from: %w", err)
	case !i.Made || i.Base.Digest == "":
		return errors.New("it says what it was made from, and was not made, or not from a digest")
	}
	return nil
}

// maxWithout bounds what an image may leave out.
const maxWithout = 1 << 10

// checkWithout checks what an image leaves out.
func (i Image) checkWithout() error {
	if len(i.Without) == 0 {
		return nil
	}
	if !IsIndex(i.Root.MediaType) || len(i.Without) > maxWithout {
		return fmt.Errorf("it leaves out %d manifests", len(i.Without))
	}
	for k, d := range i.Without {
		if err := CheckDigest(d); err != nil {
			return fmt.Errorf("left out: %w", err)
		}
		if d == i.Root.Digest || k > 0 && i.Without[k-1] >= d {
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
	if !slices.Contains(origins, i.Origin) {
		return fmt.Errorf("unknown origin %q", i.Origin)
	}
	for _, p := range i.Platforms {
		if !IsPlatform(p) {
			return fmt.Errorf("platform %q", p)
		}
	}
	if err := errors.Join(checkPath(i.Path), checkWhy(i.Why), i.checkBase(), i.checkWithout()); err != nil {
		return err
	}
	for _, tag := range i.Tags {
		if _, err := ParseRef(i.Source.WithTag(tag).String()); err != nil {
			return fmt.Errorf("tag %q: %w", tag, err)
		}
	}
	return nil
}
