package opm

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/operator-framework/operator-registry/alpha/declcfg"
	"github.com/operator-framework/operator-registry/pkg/api"
)

// maxFileName is the longest name that file systems take.
const maxFileName = 255

// cachePackage takes the bundles of a package.
type cachePackage struct {
	c          *cache
	cfg        *declcfg.DeclarativeConfig
	in         map[string][]place // of each bundle, in the order of the channels' names
	deprecated map[string][]declcfg.DeprecationEntry
}

// place is where a bundle is in its package's channels.
type place struct{ channel, entry int }

func newCachePackage(c *cache, cfg *declcfg.DeclarativeConfig) *cachePackage {
	p := &cachePackage{c, cfg, map[string][]place{}, map[string][]declcfg.DeprecationEntry{}}
	for i, ch := range cfg.Channels {
		for k, e := range ch.Entries { // each once, or there is no model of it
			p.in[e.Name] = append(p.in[e.Name], place{i, k})
		}
	}
	for _, d := range cfg.Deprecations { // one, likewise
		for _, e := range d.Entries {
			if e.Reference.Schema == declcfg.SchemaBundle {
				p.deprecated[e.Reference.Name] = append(p.deprecated[e.Reference.Name], e)
			}
		}
	}
	return p
}

// bundle writes a bundle's file for each channel that has it. The model that it is
// converted from has this bundle alone.
func (p *cachePackage) bundle(b *declcfg.Bundle) error {
	m, err := toModel(p.alone(b))
	if err != nil {
		return fmt.Errorf("bundle %q: %w", b.Name, err)
	}
	for _, at := range p.in[b.Name] {
		ch := &p.cfg.Channels[at.channel]
		one := m[b.Package].Channels[ch.Name].Bundles[b.Name]
		one.Replaces, one.Skips = ch.Entries[at.entry].Replaces, ch.Entries[at.entry].Skips
		out, err := api.ConvertModelBundleToAPIBundle(*one)
		if err != nil {
			return fmt.Errorf("bundle %q: %w", b.Name, err)
		}
		body, err := json.Marshal(out)
		if err != nil {
			return fmt.Errorf("bundle %q: %w", b.Name, err)
		}
		name := fmt.Sprintf("%s_%s_%s.json", b.Package, ch.Name, b.Name)
		if strings.Contains(name, "/") || len(name) > maxFileName {
			return fmt.Errorf("bundle %q in channel %q: opm's cache would have a file %q, which cannot be", b.Name, ch.Name, name)
		}
		if p.c.files.has(name) { // where opm itself would keep one of the two
			return fmt.Errorf("bundle %q in channel %q: opm's cache has the file %q for another bundle; leave one of the two out", b.Name, ch.Name, name)
		}
		if err := p.c.files.add(name, writing(string(body))); err != nil {
			return err
		}
	}
	return nil
}

// alone is the package with one bundle, which updates none: it could be itself, and
// each channel needs a head.
func (p *cachePackage) alone(b *declcfg.Bundle) declcfg.DeclarativeConfig {
	pkg := p.cfg.Packages[0]
	pkg.DefaultChannel = ""
	out := declcfg.DeclarativeConfig{Bundles: []declcfg.Bundle{*b}}
	for _, at := range p.in[b.Name] {
		ch := p.cfg.Channels[at.channel]
		e := ch.Entries[at.entry]
		e.Replaces, e.Skips = "", nil
		ch.Entries = []declcfg.ChannelEntry{e}
		out.Channels = append(out.Channels, ch)
		pkg.DefaultChannel = ch.Name
	}
	out.Packages = []declcfg.Package{pkg}
	for _, d := range p.cfg.Deprecations {
		d.Entries = p.deprecated[b.Name]
		out.Deprecations = append(out.Deprecations, d)
	}
	return out
}
