package opm

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/operator-framework/operator-registry/alpha/declcfg"
	"github.com/operator-framework/operator-registry/alpha/model"
	"github.com/operator-framework/operator-registry/pkg/api"
)

// cachePackages is the index of packages; maxFileName is the longest name that file systems take.
const (
	cachePackages = "packages.json"
	maxFileName   = 255
)

// The index as opm's cache has it (operator-registry, pkg/cache, pkgs.go).
type (
	cachedPackage struct {
		Name           string      `json:"name"`
		Description    string      `json:"description"`
		Icon           *model.Icon `json:"icon"`
		DefaultChannel string      `json:"defaultChannel"`
		Channels       map[string]cachedChannel
		Deprecation    *model.Deprecation `json:"deprecation,omitempty"`
	}
	cachedChannel struct {
		Name        string
		Head        string
		Bundles     map[string]cachedBundle
		Deprecation *model.Deprecation `json:"deprecation,omitempty"`
	}
	cachedBundle struct {
		Package  string   `json:"package"`
		Channel  string   `json:"channel"`
		Name     string   `json:"name"`
		Replaces string   `json:"replaces"`
		Skips    []string `json:"skips"`
	}
)

// cache is the directory that is being written.
type cache struct {
	files    *Files
	packages int
	done     bool
}

func newCache() (*cache, error) {
	files, err := newFiles(ModeCacheDir)
	return &cache{files: files}, err
}

// add adds a package to the index, which is one JSON object.
func (c *cache) add(cfg *declcfg.DeclarativeConfig) (*cachePackage, error) {
	m, err := toModel(*cfg)
	if err != nil {
		return nil, err
	}
	name := cfg.Packages[0].Name
	entry, err := indexed(m[name])
	if err != nil {
		return nil, err
	}
	key, err := json.Marshal(name)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(entry)
	if err != nil {
		return nil, err
	}
	before := "{"
	if c.packages++; c.packages > 1 {
		before = ","
	}
	return &cachePackage{c, cfg}, c.write(cachePackages, before+string(key)+":"+string(body))
}

func (c *cache) write(name, text string) error {
	return c.files.add(name, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
}

// finish ends the index, and gives the digest.
func (c *cache) finish(configs *Files) (string, error) {
	if !c.done {
		end := "}"
		if c.packages == 0 {
			end = "{}"
		}
		if err := c.write(cachePackages, end); err != nil {
			return "", err
		}
		c.done = true
	}
	return digest(configs, c.files)
}

// toModel leaves cfg as it is.
func toModel(cfg declcfg.DeclarativeConfig) (model.Model, error) {
	cfg.Bundles = slices.Clone(cfg.Bundles)
	for i := range cfg.Bundles { // which the model rewrites
		cfg.Bundles[i].Properties = slices.Clone(cfg.Bundles[i].Properties)
	}
	return declcfg.ConvertToModel(cfg)
}

func indexed(p *model.Package) (*cachedPackage, error) {
	out := &cachedPackage{Name: p.Name, Description: p.Description, Icon: p.Icon, DefaultChannel: p.DefaultChannel.Name,
		Channels: map[string]cachedChannel{}, Deprecation: p.Deprecation}
	for _, ch := range p.Channels {
		head, err := ch.Head()
		if err != nil {
			return nil, err
		}
		c := cachedChannel{Name: ch.Name, Head: head.Name, Bundles: map[string]cachedBundle{}, Deprecation: ch.Deprecation}
		for _, b := range ch.Bundles {
			c.Bundles[b.Name] = cachedBundle{Package: p.Name, Channel: ch.Name, Name: b.Name, Replaces: b.Replaces, Skips: b.Skips}
		}
		out.Channels[ch.Name] = c
	}
	return out, nil
}

// cachePackage takes the bundles of a package.
type cachePackage struct {
	c   *cache
	cfg *declcfg.DeclarativeConfig
}

// bundle writes a bundle's file for each channel that has it. The model that it is
// converted from has this bundle alone.
func (p *cachePackage) bundle(b *declcfg.Bundle) error {
	m, err := toModel(p.alone(b))
	if err != nil {
		return fmt.Errorf("bundle %q: %w", b.Name, err)
	}
	for _, ch := range p.cfg.Channels { // in the order of their names
		one := m[b.Package].Channels[ch.Name]
		if one == nil {
			continue
		}
		out, err := api.ConvertModelBundleToAPIBundle(*one.Bundles[b.Name])
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
		if err := p.c.write(name, string(body)); err != nil {
			return err
		}
	}
	return nil
}

// alone is the package with one bundle.
func (p *cachePackage) alone(b *declcfg.Bundle) declcfg.DeclarativeConfig {
	pkg := p.cfg.Packages[0]
	pkg.DefaultChannel = ""
	out := declcfg.DeclarativeConfig{Bundles: []declcfg.Bundle{*b}}
	for _, ch := range p.cfg.Channels {
		i := slices.IndexFunc(ch.Entries, func(e declcfg.ChannelEntry) bool { return e.Name == b.Name })
		if i < 0 {
			continue
		}
		ch.Entries = ch.Entries[i : i+1]
		out.Channels = append(out.Channels, ch)
		pkg.DefaultChannel = ch.Name
	}
	out.Packages = []declcfg.Package{pkg}
	for _, d := range p.cfg.Deprecations {
		d.Entries = slices.DeleteFunc(slices.Clone(d.Entries), func(e declcfg.DeprecationEntry) bool {
			return e.Reference != declcfg.PackageScopedReference{Schema: declcfg.SchemaBundle, Name: b.Name}
		})
		out.Deprecations = append(out.Deprecations, d)
	}
	return out
}
