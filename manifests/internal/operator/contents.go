package operator

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/operator-framework/operator-registry/alpha/declcfg"

	"github.com/satchel-airgap/satchel/manifests/internal/catalog"
	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/filter"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// gathering is what of one catalog is carried, package by package as it is read:
// with all versions, and with the heads alone in case those are too many.
type gathering struct {
	about      documents.CatalogContents
	all, heads packageList
}

// packageList is packages as JSON, as long as they fit into a file.
type packageList struct {
	packages []json.RawMessage
	size     int
	over     bool
}

func (l *packageList) add(p documents.PackageContents) {
	if l.over {
		return
	}
	body := documents.Canonical(p)
	l.packages, l.size = append(l.packages, body), l.size+len(body)+1
	if l.size > documents.MaxContents {
		*l = packageList{over: true}
	}
}

// whole adds a package as it is in its catalog.
func (g *gathering) whole(p *catalog.Package) {
	g.add(p, documents.PackageContents{DefaultChannel: p.DefaultChannel}, p.Channels)
}

// filtered adds what a filter left of a package. dependency says that only others require it.
func (g *gathering) filtered(p *catalog.Package, left *declcfg.DeclarativeConfig, dependency bool) {
	about := documents.PackageContents{DefaultChannel: p.DefaultChannel, Dependency: dependency}
	if len(left.Packages) == 1 {
		about.DefaultChannel = left.Packages[0].DefaultChannel
	}
	var channels []catalog.Channel
	for _, ch := range left.Channels {
		c := catalog.Channel{Name: ch.Name}
		for _, e := range ch.Entries {
			c.Entries = append(c.Entries, catalog.Entry(e))
		}
		channels = append(channels, c)
	}
	g.add(p, about, channels)
}

func (g *gathering) add(p *catalog.Package, about documents.PackageContents, channels []catalog.Channel) {
	about.Name, about.Channels = documents.Name(p.Name), []documents.ChannelContents{}
	if about.DefaultChannel != "" {
		about.DefaultChannel = documents.Name(about.DefaultChannel)
	}
	heads := about
	for _, ch := range channels {
		c, head := channelContents(p, ch)
		about.Channels = append(about.Channels, c)
		c.Versions = head
		heads.Channels = append(heads.Channels, c)
	}
	byName := func(a, b documents.ChannelContents) int { return strings.Compare(a.Name, b.Name) }
	slices.SortStableFunc(about.Channels, byName)
	slices.SortStableFunc(heads.Channels, byName)
	g.all.add(about)
	g.heads.add(heads)
}

// channelContents lists the bundles of a channel that are there. The head is the
// one that no other updates; of several, which some catalogs have, the newest.
func channelContents(p *catalog.Package, ch catalog.Channel) (c documents.ChannelContents, head []documents.VersionContents) {
	c = documents.ChannelContents{Name: documents.Name(ch.Name), Versions: []documents.VersionContents{}}
	below := map[string]bool{}
	var bundles []*catalog.Bundle
	for _, e := range ch.Entries {
		below[e.Replaces] = true
		for _, s := range e.Skips {
			below[s] = true
		}
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
		return cmp.Compare(a.Name, b.Name)
	})
	head = []documents.VersionContents{}
	for _, b := range bundles {
		v := documents.VersionContents{Version: documents.Name(b.FullVersion()), Bundle: documents.Name(b.Name), MostOpenShift: b.MostOpenShift}
		c.Versions = append(c.Versions, v)
		if !below[b.Name] {
			c.Head, head = v.Bundle, []documents.VersionContents{v}
		}
	}
	return c, head
}

// file writes what was gathered into at most so many bytes; empty if it needs more.
func (g *gathering) file(most int) []byte {
	most = min(most, documents.MaxContents)
	for _, try := range []struct {
		list     *packageList
		versions string
	}{{&g.all, ""}, {&g.heads, documents.VersionsHeads}} {
		if try.list.over {
			continue
		}
		about := g.about
		about.MostOpenShift = true
		about.Versions = try.versions
		body := append(documents.Canonical(struct {
			documents.CatalogContents
			Packages []json.RawMessage `json:"packages"`
		}{about, slices.Concat([]json.RawMessage{}, try.list.packages)}), '\n')
		if len(body) <= most && documents.IsSparse(body) {
			return body
		}
	}
	return nil
}

// storeContents stores the file of what the selection gathered, if it fits in addition
// to those of other catalogs, and drops the rest.
func (s *selection) storeContents(left *int) {
	if g := &s.gathered; len(g.heads.packages) == 0 && !g.heads.over {
		return // it could not be read, or has none of what is asked
	}
	if body := s.gathered.file(*left); body != nil {
		s.contents = []oci.ArtifactFile{{Title: fmt.Sprintf("catalog-%d.json", s.place+1), MediaType: "application/json", Body: body}}
		*left -= len(body)
	} else {
		s.notes = append(s.notes, text.ASCII(s.what+": it has too many packages and versions to list them; plan and inspect do not show which are carried"))
	}
	s.gathered = gathering{}
}
