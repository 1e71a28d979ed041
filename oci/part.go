package oci

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
)

// PartError says that of an image for several platforms the one for some of them is not
// available, or is not what it should be.
type PartError struct {
	Platforms   []string // os/arch[/variant]
	Attestation bool     // it is the attestation of that image alone
	Err         error
}

func (e *PartError) Error() string {
	if e.Attestation {
		return "the attestation of the image for " + strings.Join(e.Platforms, ", ") + ": " + e.Err.Error()
	}
	return "the image for " + strings.Join(e.Platforms, ", ") + ": " + e.Err.Error()
}

func (e *PartError) Unwrap() error { return e.Err }

// Hint is empty: who asks for the image knows how to leave a platform out.
func (e *PartError) Hint() string { return "" }

// What BuildKit writes of an attestation in an index (moby/buildkit, docs/attestations).
const (
	annotationType  = "vnd.docker.reference.type"
	typeAttestation = "attestation-manifest"
)

// maxAlsoLost is how many more manifests of an index are asked for where one is lost.
const maxAlsoLost = 16

// ofPart adds to an error the platform that it concerns, if the index that names d says which.
func ofPart(d Descriptor, siblings []Descriptor, err error) error {
	if _, known := errors.AsType[*PartError](err); known || err == nil {
		return err
	}
	of := d
	if d.Annotations[annotationType] == typeAttestation {
		for _, s := range siblings {
			if s.Digest.String() == d.Annotations[annotationOf] {
				of = s
			}
		}
	}
	name := PlatformString(of.Platform)
	if !IsPlatform(name) || name == platformNone {
		return err
	}
	return &PartError{Platforms: []string{name}, Attestation: of.Digest != d.Digest, Err: err}
}

// alsoLost adds to the error of one lost manifest the platforms of others of its index that are
// lost for good, so that one run names them all.
func (w *walker) alsoLost(ctx context.Context, lost Descriptor, siblings []Descriptor, err error) error {
	part, ok := errors.AsType[*PartError](err)
	if !ok || part.Attestation || !isPermanent(part.Err) {
		return err
	}
	asked := 0
	for _, s := range siblings {
		name := PlatformString(s.Platform)
		_, out := w.out[s.Digest]
		if out || s.Digest == lost.Digest || !IsManifest(s.MediaType) || !IsPlatform(name) || name == platformNone || w.seen[contentOf(s)] {
			continue
		}
		if asked++; asked > maxAlsoLost {
			break
		}
		if _, rerr := ReadManifest(ctx, w.src, s); isPermanent(rerr) && !slices.Contains(part.Platforms, name) {
			part.Platforms = append(part.Platforms, name)
		}
	}
	return err
}

func isPermanent(err error) bool {
	var e interface{ Permanent() bool }
	return errors.As(err, &e) && e.Permanent()
}

// PlatformsWith lists the platforms whose image, among those that are carried of img,
// names some content; nil if all do, or if the indexes do not say for which they are.
// src gives the manifests.
func PlatformsWith(ctx context.Context, src Source, img Image, d digest.Digest) ([]string, error) {
	p := platformsWith{src: src, d: d, omitted: img.Omitted, seen: map[digest.Digest]bool{}}
	if !IsIndex(img.Root.MediaType) {
		return nil, nil
	}
	if err := p.read(ctx, img.Root, 0); err != nil || p.nameless || !p.others {
		return nil, err
	}
	slices.Sort(p.with)
	return slices.Compact(p.with), nil
}

type platformsWith struct {
	src      Source
	d        digest.Digest
	omitted  []digest.Digest
	seen     map[digest.Digest]bool
	with     []string
	nameless bool // it is in something without a platform too
	others   bool // that do not name it
}

func (p *platformsWith) read(ctx context.Context, index Descriptor, depth int) error {
	if p.seen[index.Digest] || depth > maxDepth || len(p.seen) > maxParts {
		return nil
	}
	p.seen[index.Digest] = true
	children, err := ReadChildren(ctx, p.src, index)
	if err != nil {
		return err
	}
	for _, c := range children {
		_, out := slices.BinarySearch(p.omitted, c.Digest)
		switch {
		case out || !IsManifest(c.MediaType):
			continue
		case IsIndex(c.MediaType):
			if err := p.read(ctx, c, depth+1); err != nil {
				return err
			}
			continue
		}
		its, err := ReadChildren(ctx, p.src, c)
		if err != nil {
			return err
		}
		name := PlatformString(c.Platform)
		switch named := slices.ContainsFunc(its, func(b Descriptor) bool { return b.Digest == p.d }); {
		case !named:
			p.others = p.others || name != platformNone
		case IsPlatform(name) && name != platformNone:
			p.with = append(p.with, name)
		default:
			p.nameless = true
		}
	}
	return nil
}
