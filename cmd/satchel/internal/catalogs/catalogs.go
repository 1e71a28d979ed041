// Package catalogs compares the operator catalogs that a bundle brings with those that are
// served under the same names now, before any of them is moved.
package catalogs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

// Served gives the root of what is served under a name, a repository with a tag, and the
// source of its content; no digest if there is nothing.
type Served func(ctx context.Context, name oci.Ref) (oci.Descriptor, oci.Source, error)

// Catalog is what becomes of one catalog's name.
type Catalog struct {
	Catalog string        `json:"catalog"`          // its reference, as configured
	Name    string        `json:"name"`             // repository and tag that serve it
	Before  digest.Digest `json:"before,omitempty"` // none: the name is new
	After   digest.Digest `json:"after"`
	// Changes is nil for a new name, for the same digest, and where Unknown says why
	// nobody knows.
	Changes *manifests.CatalogChanges `json:"changes,omitempty"`
	Unknown string                    `json:"unknown,omitempty"`
}

// Moves reports whether the name serves another catalog now.
func (c Catalog) Moves() bool { return c.Before != "" && c.Before != c.After }

// Shrinks reports whether packages, channels or versions go, as far as is known.
func (c Catalog) Shrinks() bool { return c.Changes != nil && c.Changes.Shrinks() }

// fixed are tags that are made of a digest: no other catalog ever has them.
var fixed = regexp.MustCompile(`^satchel-[0-9a-f]{64}$`)

// Compare holds each catalog among images, at each tag that it gets in the mirror, against
// what is served there. src has the new ones; of what it lacks, the name's own source is
// asked. A tag that stays is left out. A catalog that cannot be read, because it is none, or is of another form, or wrong,
// is Unknown; what may be readable at the next try, and what is wrong with this host or with
// the bundle, is an error.
func Compare(ctx context.Context, images []oci.Image, mirror oci.Mirror, src oci.Source, has func(oci.Descriptor) bool, served Served, stays func(oci.Ref) bool) (list []Catalog, err error) {
	for _, img := range images {
		if img.Origin != manifests.OriginCatalog || img.Subject != "" {
			continue
		}
		for _, tag := range img.NamedTags() {
			name := mirror.Repo(img).WithTag(tag)
			if fixed.MatchString(tag) || stays(name) {
				continue
			}
			c, err := compareOne(ctx, img, name, src, has, served)
			if err != nil {
				return nil, err
			}
			list = append(list, c)
		}
	}
	return list, nil
}

func compareOne(ctx context.Context, img oci.Image, name oci.Ref, src oci.Source, has func(oci.Descriptor) bool, served Served) (Catalog, error) {
	c := Catalog{Catalog: img.Configured().String(), Name: name.String(), After: img.Root.Digest}
	root, old, err := served(ctx, name)
	switch {
	case err != nil && !isFinal(ctx, err):
		return c, fmt.Errorf("look which catalog %s is now: %w", name, err)
	case err != nil:
		c.Unknown = text.OneLine(err.Error())
		return c, nil
	}
	if c.Before = root.Digest; !c.Moves() {
		return c, nil
	}
	before, err := manifests.ReadCatalog(ctx, "the catalog that is there now", old, root)
	switch {
	case err != nil && !isFinal(ctx, err):
		return c, fmt.Errorf("read the catalog that %s is now: %w", name, err)
	case err != nil:
		c.Unknown = text.OneLine(err.Error())
		return c, nil
	}
	defer func() { _ = before.Close() }() // a temporary file that has no name any more
	after, err := manifests.ReadCatalog(ctx, "the new catalog", either(src, has, old), img.Root)
	var foreign *oci.UnsupportedError
	switch {
	case errors.As(err, &foreign):
		c.Unknown = text.OneLine(err.Error())
		return c, nil
	case err != nil:
		return c, fmt.Errorf("read the new catalog for %s: %w", name, err)
	}
	defer func() { _ = after.Close() }()
	c.Changes, err = manifests.CompareCatalogs(before, after)
	return c, err
}

// either reads what src does not have from other.
func either(src oci.Source, has func(oci.Descriptor) bool, other oci.Source) oci.Source {
	return oci.SourceFunc(func(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
		if has(d) {
			return src.Open(ctx, d, off)
		}
		return other.Open(ctx, d, off)
	})
}

// isFinal reports whether what is served will not be readable at the next try either.
func isFinal(ctx context.Context, err error) bool {
	var foreign *oci.UnsupportedError
	var wrong *oci.DigestError
	var lost *transport.MissingBlobError
	var answer *transport.RegistryError
	switch {
	case ctx.Err() != nil:
		return false
	case errors.As(err, &foreign), errors.As(err, &wrong), errors.As(err, &lost):
		return true
	}
	return errors.As(err, &answer) && answer.Permanent() && !answer.Everywhere()
}
