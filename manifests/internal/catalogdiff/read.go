package catalogdiff

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/manifests/internal/catalog"
	"github.com/satchel-airgap/satchel/manifests/internal/filter"
	"github.com/satchel-airgap/satchel/manifests/internal/layers"
	"github.com/satchel-airgap/satchel/manifests/internal/opm"
	"github.com/satchel-airgap/satchel/manifests/internal/tempfile"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Index is what a catalog has, as far as two are compared. It is on disk until it is closed.
type Index struct {
	f      *tempfile.File
	size   int64
	doubts []string // what of the catalog could not be read
}

// Close frees the file.
func (x *Index) Close() error { return x.f.Close() }

// packageLine is one package in the file: a line of JSON.
type packageLine struct {
	Name       string        `json:"name"`
	Default    string        `json:"default,omitempty"`
	Channels   []channelLine `json:"channels,omitempty"` // by name
	Bundles    []bundleLine  `json:"bundles,omitempty"`  // by name, those that are in a channel
	Deprecated []string      `json:"deprecated,omitempty"`
}

type channelLine struct {
	Name     string    `json:"name"`
	Head     string    `json:"head,omitempty"` // none where it has several
	Versions []Version `json:"versions,omitempty"`
}

type bundleLine struct {
	Name  string `json:"name"`
	Image string `json:"image,omitempty"`
}

// Read reads the catalog of an image, or of an index the image that a catalog is read
// from. name is for messages. An image that is no catalog, or one that cannot be read,
// such as an SQLite catalog, is an [oci.UnsupportedError]; what this host cannot keep is a
// [tempfile.Error], and the source's errors pass through.
func Read(ctx context.Context, name string, src oci.Source, root oci.Descriptor) (*Index, error) {
	c, err := open(ctx, name, src, root)
	if err != nil {
		return nil, err
	}
	x, err := keep(c)
	return x, errors.Join(err, c.Close())
}

// open parses the catalog of an image.
func open(ctx context.Context, name string, src oci.Source, root oci.Descriptor) (*catalog.Catalog, error) {
	image, err := layers.Pick(ctx, src, root)
	if err != nil {
		return nil, err
	}
	config, err := layers.Config(ctx, src, image)
	if err != nil {
		return nil, err
	}
	dir, err := dirOf(name, config)
	if err != nil {
		return nil, err
	}
	return catalog.Parse(ctx, name, src, image, dir, nil)
}

// dirOf is the directory that an image's label names, or, as a cluster does not look at
// labels, the one that it serves.
func dirOf(name string, config ispec.Image) (string, error) {
	dir, err := catalog.Dir(name, config.Config.Labels)
	if err == nil {
		return dir, nil
	}
	served, ok := catalog.Served(opm.ReadCommand(config.Config).Dir, config.Config.Labels)
	if !ok {
		return "", err
	}
	return served, nil
}

// keep writes the index of a catalog.
func keep(c *catalog.Catalog) (_ *Index, err error) {
	f, err := tempfile.New("the index of a catalog")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	x := &Index{f: f, doubts: fileDoubts(c.Faults)}
	out := bufio.NewWriter(counted{f, &x.size})
	enc := json.NewEncoder(out)
	for i := range c.Packages {
		p := &c.Packages[i]
		x.doubts = append(x.doubts, packageDoubts(p)...)
		line, err := lineOf(c, p)
		if err == nil {
			err = enc.Encode(line)
		}
		if err != nil {
			return nil, err
		}
	}
	return x, out.Flush()
}

type counted struct {
	w io.Writer
	n *int64
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	*c.n += int64(n)
	return n, err
}

func fileDoubts(faults []catalog.FileFault) (list []string) {
	for _, f := range faults {
		list = append(list, text.ASCII(fmt.Sprintf("file %s: %s", f.File, f.Why)))
	}
	return list
}

func packageDoubts(p *catalog.Package) (list []string) {
	for _, f := range p.Faults {
		list = append(list, text.ASCII(fmt.Sprintf("package %s: %s %s: %s", p.Name, f.Schema, f.Name, f.Why)))
	}
	return list
}

func lineOf(c *catalog.Catalog, p *catalog.Package) (line packageLine, err error) {
	line = packageLine{Name: p.Name, Default: p.DefaultChannel}
	in := map[string]bool{}
	for i := range p.Channels {
		ch := &p.Channels[i]
		head, err := ch.Head()
		if err != nil {
			head = "" // what nobody can install from has no head
		}
		line.Channels = append(line.Channels, channelLine{ch.Name, head, versionsOf(p, ch)})
		for _, e := range ch.Entries {
			in[e.Name] = true
		}
	}
	for _, b := range p.Bundles {
		if in[b.Name] {
			line.Bundles = append(line.Bundles, bundleLine{b.Name, b.Image})
		}
	}
	deprecated, err := deprecationsOf(c, p.Name)
	for _, d := range deprecated {
		line.Deprecated = append(line.Deprecated, d.What)
	}
	line.Deprecated = text.Sorted(line.Deprecated)
	return line, err
}

// versionsOf lists the bundles of a channel that are there, the oldest first.
func versionsOf(p *catalog.Package, ch *catalog.Channel) (list []Version) {
	var bundles []*catalog.Bundle
	for _, e := range ch.Entries {
		if b := p.Bundle(e.Name); b != nil {
			bundles = append(bundles, b)
		}
	}
	slices.SortFunc(bundles, func(a, b *catalog.Bundle) int {
		switch {
		case filter.Higher(a.Version, a.Release, b.Version, b.Release):
			return 1
		case filter.Higher(b.Version, b.Release, a.Version, a.Release):
			return -1
		}
		return strings.Compare(a.Name, b.Name)
	})
	for _, b := range bundles {
		list = append(list, Version{b.FullVersion(), b.Name})
	}
	return list
}
