// Package gaps is the gap list: the images that a bundle was finished without. Pack
// writes it for people, and for a later pack that carries just these images.
package gaps

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// maxList bounds the bytes of a list: one for every image of a large set has 15 MiB.
const maxList = 32 << 20

// version is that of the format.
const version = "gaps/1"

// List is a gap list.
type List struct {
	Version string    `json:"satchel"`
	Bundle  string    `json:"bundle"` // the bundle that lacks them
	Images  []oci.Gap `json:"images"`
	// Lost are the labels of the drives that the bundle has them on, if it was packed with them: those
	// images are carried again by the digests that they have there.
	Lost []string `json:"lost,omitempty"`
	// Incomplete is what lacks some of them; derived from them, never read.
	Incomplete []manifests.Incomplete `json:"incomplete,omitempty"`
}

// FileError says that a file is no gap list.
type FileError struct {
	File string
	Err  error
}

func (e *FileError) Error() string { return fmt.Sprintf("read gap list %s: %v", e.File, e.Err) }
func (e *FileError) Unwrap() error { return e.Err }

// Hint says what to do now.
func (e *FileError) Hint() string { return "name a list that pack wrote when it finished with gaps" }

// Read reads a list from a file. The error is a *[FileError].
func Read(file string) (*List, error) {
	list, err := read(file)
	if err != nil {
		return nil, &FileError{file, err}
	}
	return list, nil
}

func read(file string) (*List, error) {
	body, err := durable.Read(file, maxList)
	if err != nil {
		return nil, err
	}
	var list List
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, err
	}
	for _, g := range list.Images {
		if img := g.Image; img.Subject != "" && oci.CheckDigest(img.Subject) != nil || img.Source.Repository == "" {
			return nil, fmt.Errorf("image %q, attached to %q, is not valid", img.Source, img.Subject)
		}
	}
	if list.Version != version || len(list.Images) == 0 {
		return nil, errors.New("it is not a list of gaps as pack writes it")
	}
	return &list, nil
}

// Marshal writes the list of a bundle, whose ID may still be unknown. An empty list is
// written too.
func (l *List) Marshal(bundle string) ([]byte, error) {
	l.Version, l.Bundle = version, bundle
	if l.Images == nil {
		l.Images = []oci.Gap{}
	}
	l.Sort()
	l.Incomplete = l.Incompletes()
	body, err := json.MarshalIndent(l, "", "  ")
	return append(body, '\n'), err
}

// Incompletes are the releases, operators and charts that lack some of the images.
func (l *List) Incompletes() []manifests.Incomplete { return manifests.IncompleteOf(l.Images) }

// Sort orders the list by source.
func (l *List) Sort() {
	slices.SortFunc(l.Images, func(a, b oci.Gap) int { return strings.Compare(a.Image.Source.String(), b.Image.Source.String()) })
}

// Add notes a gap, and reports whether it was not noted yet.
func (l *List) Add(g *oci.Gap) bool {
	source := g.Image.Configured() // what is built may be another next time
	if slices.ContainsFunc(l.Images, func(i oci.Gap) bool {
		return i.Image.Source == source && i.Image.Path == g.Image.Path && i.Image.Subject == g.Image.Subject && i.Image.Root.Digest == g.Image.Root.Digest
	}) {
		return false
	}
	noted := oci.Gap{Image: g.Image, Err: errors.New(g.Reason())}
	noted.Image.Source = source
	l.Images = append(l.Images, noted)
	return true
}

// Digest is of the images that the list names, for the identity of a job.
func (l *List) Digest() digest.Digest {
	names := make([]string, len(l.Images))
	for i, g := range l.Images {
		names[i] = strings.TrimSpace(g.Image.Source.String() + " " + g.Image.Path)
	}
	slices.Sort(names)
	return oci.Digest([]byte(strings.Join(names, "\n")))
}

// Names reports whether the list names an image, with its place in the mirror. No list
// names none.
func (l *List) Names(img oci.Image) bool {
	return l != nil && slices.ContainsFunc(l.Images, func(g oci.Gap) bool { return !AllAttached(g) && Is(img, g) })
}

// NamesAttached reports whether the list names all that is attached to the subject.
func (l *List) NamesAttached(subject oci.Ref) bool {
	return l != nil && slices.ContainsFunc(l.Images, func(g oci.Gap) bool { return g.Image.Source == subject && AllAttached(g) })
}

// Is reports whether an image is the one of a gap.
func Is(img oci.Image, g oci.Gap) bool {
	return img.Matches(g.Image.Source) && img.MirrorPath() == g.Image.MirrorPath()
}

// AllAttached reports whether a gap is all that is attached to an image, because the
// registry did not list it: its source is the subject itself.
func AllAttached(g oci.Gap) bool {
	return g.Image.Subject != "" && g.Image.Subject == g.Image.Source.Digest
}
