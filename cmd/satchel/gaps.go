package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// gapsVersion is that of the gap list's format.
const gapsVersion = "gaps/1"

// gapList is what pack --keep-going could not carry, for people and for
// pack --only.
type gapList struct {
	Version string     `json:"satchel"`
	Bundle  string     `json:"bundle"` // the bundle that lacks them
	Images  []gapImage `json:"images"`
	// Incomplete is what lacks some of them; made anew from them, never read.
	Incomplete []manifests.Incomplete `json:"incomplete,omitempty"`
}

type gapImage = oci.Gap

// gapsError says that a bundle was finished without some images.
type gapsError struct {
	count  int
	file   string
	config string
}

func (e *gapsError) Error() string {
	return fmt.Sprintf("finished without %d of the images; they are listed in %s", e.count, e.file)
}

// plannedGapsError says that a plan goes without some images.
type plannedGapsError struct{ count int }

func (e *plannedGapsError) Error() string {
	return fmt.Sprintf("the plan goes without %d of the images, which cannot be had; they are listed", e.count)
}

// tolerate passes an error on, unless --keep-going was given and it joins nothing
// but gaps that the sources have definitely left: those are noted.
func (p *preparing) tolerate(err error) error {
	if err == nil || !p.keepGoing {
		return err
	}
	gaps, ok := oci.Gaps(err)
	if !ok {
		return err
	}
	if slices.ContainsFunc(gaps, func(g *oci.Gap) bool { return !definite(g.Err) }) {
		errs := make([]error, len(gaps))
		for i, g := range gaps {
			if errs[i] = g; isAway(g.Err) {
				errs[i] = &awayError{g}
			}
		}
		return errors.Join(errs...)
	}
	for _, g := range gaps {
		p.drop(g)
	}
	if len(p.inv.Images) == 0 {
		return errors.Join(errors.New("no image is left to carry"), err)
	}
	return nil
}

// awayError says of an image that its registry is away, so that it is no gap.
type awayError struct{ *oci.Gap }

// isAway reports whether an error is that of a registry which may come back.
func isAway(err error) bool {
	var reg *transport.RegistryError
	if !errors.As(err, &reg) {
		return false
	}
	switch reg.Trouble() {
	case transport.TroubleRefused, transport.TroubleName, transport.TroubleLost, transport.TroubleTooMany, transport.TroubleServer:
		return true
	}
	return false
}

func (e *awayError) Unwrap() error { return e.Gap }

// definite reports whether trying again would give the same answer, as far as
// one can tell: the registry refused, or what it gave is wrong.
func definite(err error) bool {
	var reg *transport.RegistryError
	var file *manifests.FetchError
	switch {
	case as[*oci.DigestError](err), as[*oci.UnsupportedError](err), as[*manifests.ChartError](err), as[*oci.LayoutError](err), as[*transport.SizeError](err):
		return true
	case errors.As(err, &file):
		return file.Status >= 400 && file.Status < 500 && file.Status != 408 && file.Status != 429
	case errors.As(err, &reg):
		return reg.Status >= 400 && reg.Status < 500 && reg.Status != 408 && reg.Status != 429
	}
	return false
}

// drop notes a gap and takes the image out of the set. The graph counts images by
// their place, so it must be surveyed again before it is used.
func (p *preparing) drop(g *oci.Gap) {
	p.inv.Images = slices.DeleteFunc(p.inv.Images, func(i oci.Image) bool {
		return i.Source == g.Image.Source && i.Path == g.Image.Path && i.Subject == g.Image.Subject &&
			(g.Image.Root.Digest == "" || i.Root.Digest == g.Image.Root.Digest) // a catalog may be filtered in two ways
	})
	source := g.Image.Configured() // what is made may be another next time
	if slices.ContainsFunc(p.gaps.Images, func(i gapImage) bool {
		return i.Image.Source == source && i.Image.Path == g.Image.Path && i.Image.Subject == g.Image.Subject && i.Image.Root.Digest == g.Image.Root.Digest
	}) {
		return
	}
	noted := gapImage{Image: g.Image, Err: errors.New(g.Reason())}
	noted.Image.Source = source
	p.gaps.Images = append(p.gaps.Images, noted)
	p.warn("gap: %s", oneLine(g.Error()))
}

func (l *gapList) sort() {
	slices.SortFunc(l.Images, func(a, b gapImage) int { return strings.Compare(a.Image.Source.String(), b.Image.Source.String()) })
}

// marshal writes the list as it stands, nothing for an empty one.
func (l *gapList) marshal(id string) ([]byte, error) {
	if len(l.Images) == 0 {
		return nil, nil
	}
	l.Version, l.Bundle = gapsVersion, id
	l.sort()
	l.Incomplete = manifests.IncompleteOf(l.Images)
	body, err := json.MarshalIndent(l, "", "  ")
	return append(body, '\n'), err
}

// reportGaps writes the list beside the journal, or where --gaps says, and
// returns a *gapsError if there is anything in it.
func (p *packing) reportGaps(id string) error {
	body, err := p.gaps.marshal(id)
	if err != nil || body == nil && p.opts.gaps == "" {
		return err
	}
	if body == nil { // a list of an earlier run must not pass for this one's
		none, err := json.MarshalIndent(gapList{Version: gapsVersion, Bundle: id, Images: []gapImage{}}, "", "  ")
		if err == nil {
			err = os.WriteFile(p.opts.gaps, append(none, '\n'), 0o600)
		}
		return err
	}
	file := p.opts.gaps
	if file == "" {
		file = filepath.Join(p.state, "bundles", id, "gaps.json")
	}
	if err := os.WriteFile(file, body, 0o600); err != nil {
		return fmt.Errorf("write the gap list: %w", err)
	}
	for _, inc := range p.gaps.Incomplete {
		p.warn("%s", oneLine(inc.String()))
	}
	return &gapsError{len(p.gaps.Images), file, p.opts.config + words(p.opts.extra)}
}

// checkGapsFile finds out before the first byte whether the list can be written.
func checkGapsFile(file string) error {
	if file == "" {
		return nil
	}
	info, err := os.Stat(filepath.Dir(file))
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a directory", filepath.Dir(file))
	}
	if err != nil {
		return usage(fmt.Errorf("--gaps: %w", err), "name a file in a directory that is there")
	}
	return nil
}

// readGaps reads the list that --only names.
func readGaps(file string) (*gapList, error) {
	body, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read gap list: %w", err)
	}
	var list gapList
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("read gap list %s: %w", file, err)
	}
	for _, g := range list.Images {
		if img := g.Image; img.Subject != "" && oci.CheckDigest(img.Subject) != nil || img.Source.Repository == "" {
			return nil, fmt.Errorf("read gap list %s: image %q, attached to %q, cannot be", file, img.Source, img.Subject)
		}
	}
	if list.Version != gapsVersion || len(list.Images) == 0 {
		return nil, fmt.Errorf("read gap list %s: it is not a list of gaps as pack --keep-going writes it", file)
	}
	return &list, nil
}

// digest says which images the list names, for the identity of the job.
func (l *gapList) digest() digest.Digest {
	names := make([]string, len(l.Images))
	for i, g := range l.Images {
		names[i] = strings.TrimSpace(g.Image.Source.String() + " " + g.Image.Path)
	}
	slices.Sort(names)
	return oci.Digest([]byte(strings.Join(names, "\n")))
}

// names reports whether the list names an image, with its place in the mirror.
func (l *gapList) names(img oci.Image) bool {
	return l != nil && slices.ContainsFunc(l.Images, func(g gapImage) bool { return !unlisted(g) && isGap(img, g) })
}

// isGap reports whether an image is the one that was a gap.
func isGap(img oci.Image, g gapImage) bool {
	return img.Matches(g.Image.Source) && img.MirrorPath() == g.Image.MirrorPath()
}

// hasAll reports whether the list names all that is attached to the subject.
func (l *gapList) hasAll(subject oci.Ref) bool {
	return l != nil && slices.ContainsFunc(l.Images, func(g gapImage) bool { return g.Image.Source == subject && unlisted(g) })
}

// unlisted reports whether a gap is all that is attached to an image, because the
// registry did not list it: its source is the subject itself.
func unlisted(g gapImage) bool {
	return g.Image.Subject != "" && g.Image.Subject == g.Image.Source.Digest
}
