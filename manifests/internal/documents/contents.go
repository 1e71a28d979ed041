package documents

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

const (
	// DocumentContents is the document that says what of each catalog is carried.
	DocumentContents = "catalog-contents"
	ArtifactContents = "application/vnd.satchel.catalog-contents.v1"

	// VersionsHeads says that only the heads of channels are listed.
	VersionsHeads = "heads"

	MaxContents    = 4 << 20  // bytes of one catalog's file, as documents may have
	MaxAllContents = 16 << 20 // of all of them
	// wide is how many bytes of such a file stand for a comma at least: what has
	// more of them would take far more memory than it has bytes.
	wide = 12
)

// CatalogContents is what of a catalog is carried.
type CatalogContents struct {
	Catalog string `json:"catalog"` // its reference, as configured
	Target
	Whole bool `json:"whole"` // all that it has was asked for
	// Asked is the digest of what the configuration asked of the catalog; empty in bundles of
	// earlier versions.
	Asked digest.Digest `json:"asked,omitempty"`
	// Versions is "heads" where all versions would be too many to list; those that
	// are listed are then the channels' heads alone.
	Versions string `json:"versions,omitempty"`
	// MostOpenShift says that each version is listed with its own, if it has one.
	MostOpenShift bool              `json:"maxOpenShiftVersions,omitempty"`
	Packages      []PackageContents `json:"packages"` // by name
}

// Has reports whether a version is listed, written PACKAGE VERSION.
func (c CatalogContents) Has(name string) bool {
	for _, p := range c.Packages {
		version, ok := strings.CutPrefix(name, p.Name+" ")
		if ok && slices.ContainsFunc(p.Channels, func(ch ChannelContents) bool {
			return slices.ContainsFunc(ch.Versions, func(v VersionContents) bool { return v.Version == version })
		}) {
			return true
		}
	}
	return false
}

// PackageContents is what of a package is carried.
type PackageContents struct {
	Name           string            `json:"name"`
	DefaultChannel string            `json:"defaultChannel,omitempty"`
	Dependency     bool              `json:"dependency,omitempty"` // only others require it
	Channels       []ChannelContents `json:"channels"`             // by name
}

// ChannelContents is what of a channel is carried.
type ChannelContents struct {
	Name     string            `json:"name"`
	Head     string            `json:"head"` // the name of a bundle
	Versions []VersionContents `json:"versions"`
}

// VersionContents is a bundle in a channel; the newest stands last, in
// operator-registry's order.
type VersionContents struct {
	Version string `json:"version"` // with its release
	Bundle  string `json:"bundle"`
	// MostOpenShift is the newest minor version of OpenShift that it may be on, such as 4.16;
	// empty for any.
	MostOpenShift string `json:"maxOpenShiftVersion,omitempty"`
}

// Lacks says what a Subscription to a package misses in the catalog: the package, its channel, or the
// version that is installed, from which updates would lead on; "" for nothing. channel may be empty,
// for the default one, and so may installed.
func (c CatalogContents) Lacks(pkg, channel, installed string) string {
	at := slices.IndexFunc(c.Packages, func(p PackageContents) bool { return p.Name == pkg })
	if at < 0 {
		return "the package " + pkg + " is not in the catalog"
	}
	p := c.Packages[at]
	channel = cmp.Or(channel, p.DefaultChannel)
	in := slices.IndexFunc(p.Channels, func(ch ChannelContents) bool { return ch.Name == channel })
	if in < 0 {
		var names []string
		for _, ch := range p.Channels {
			names = append(names, ch.Name)
		}
		return "the channel " + channel + " of the package " + pkg + " is not in the catalog, which has " + text.Some(names, 8)
	}
	has := func(v VersionContents) bool { return v.Bundle == installed }
	if installed != "" && c.Versions == "" && !slices.ContainsFunc(p.Channels[in].Versions, has) {
		return "the installed " + installed + " is not in the channel " + channel + " of the catalog, so the update from it may be missing"
	}
	return ""
}

// ReadContents gives what of each catalog a bundle carries, in the order of its
// configuration, without those that it does not carry after all; none if it does not
// say. It is as untrusted as the source.
func ReadContents(ctx context.Context, inv *oci.Inventory, src oci.Source) ([]CatalogContents, error) {
	root, ok := inv.Document(DocumentContents)
	if !ok {
		return nil, nil
	}
	files, err := oci.ReadArtifact(ctx, src, root, ArtifactContents)
	if err != nil {
		return nil, fmt.Errorf("read the contents of catalogs: %w", err)
	}
	var list []CatalogContents
	for _, f := range files {
		c, err := ParseContents(f.Body)
		if err != nil {
			return nil, &oci.UnsupportedError{What: "document " + DocumentContents, Why: text.ASCII(f.Title + ": " + err.Error())}
		}
		if slices.ContainsFunc(inv.Images, func(img oci.Image) bool { return c.Of(c.Catalog, img) }) {
			list = append(list, c)
		}
	}
	return list, nil
}

// IsSparse reports whether reading the file takes no more memory than it should.
func IsSparse(body []byte) bool { return bytes.Count(body, []byte(","))*wide <= len(body) }

func ParseContents(body []byte) (c CatalogContents, err error) {
	if !IsSparse(body) {
		return c, errors.New("it is not the list of a catalog's packages")
	}
	if err := json.Unmarshal(body, &c); err != nil {
		return c, err
	}
	if _, err := oci.ParseRef(c.Catalog); err != nil {
		return c, err
	}
	if to := c.Path + c.Tag; text.ASCII(to) != to {
		return c, fmt.Errorf("it goes to %.64q", to)
	}
	if c.Versions != "" && c.Versions != VersionsHeads {
		return c, fmt.Errorf("it lists versions as %.20q", c.Versions)
	}
	for _, p := range c.Packages {
		words := []string{p.Name, cmp.Or(p.DefaultChannel, "-")}
		for _, ch := range p.Channels {
			words = append(words, ch.Name, cmp.Or(ch.Head, "-"))
			for _, v := range ch.Versions {
				words = append(words, v.Version, v.Bundle)
			}
		}
		if i := slices.IndexFunc(words, func(s string) bool { return s == "" || text.ASCII(s) != s }); i >= 0 {
			return c, fmt.Errorf("it has the name %.64q", words[i])
		}
	}
	return c, nil
}

// Count gives how many packages, channels and bundles are listed.
func (c CatalogContents) Count() (packages, channels, bundles int) {
	for _, p := range c.Packages {
		seen := map[string]bool{}
		for _, ch := range p.Channels {
			for _, v := range ch.Versions {
				seen[v.Bundle] = true
			}
		}
		channels += len(p.Channels)
		bundles += len(seen)
	}
	return len(c.Packages), channels, bundles
}

// Elsewhere is the catalog's repository and tag in the mirror, where those are not its own.
func (c CatalogContents) Elsewhere() string {
	ref, err := oci.ParseRef(c.Catalog)
	if err != nil || (c.Path == "" || c.Path == ref.Repository) && (c.Tag == "" || c.Tag == ref.Tag) {
		return ""
	}
	at := cmp.Or(c.Path, ref.Repository)
	if c.Tag != "" {
		at += ":" + c.Tag
	}
	return at
}

// Heads reports whether only the heads of channels are listed.
func (c CatalogContents) Heads() bool { return c.Versions == VersionsHeads }

// Newest gives the versions, the newest first.
func (ch ChannelContents) Newest() []string {
	var list []string
	for _, v := range slices.Backward(ch.Versions) {
		list = append(list, v.Version)
	}
	return list
}

// Name is a name as documents have it: not empty, and fit for a terminal.
func Name(name string) string { return cmp.Or(strings.TrimSpace(text.ASCII(name)), "?") }
