package opm

import (
	"encoding/json"
	"io"
	"slices"

	"github.com/operator-framework/operator-registry/alpha/declcfg"
	"github.com/operator-framework/operator-registry/alpha/model"
)

// cachePackages is the index of packages.
const cachePackages = "packages.json"

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

func newCache(left *int64) (*cache, error) {
	files, err := newFiles(ModeCacheDir, left)
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
	return newCachePackage(c, cfg), c.index(before + string(key) + ":" + string(body))
}

// index writes on in the index.
func (c *cache) index(text string) error { return c.files.more(cachePackages, writing(text)) }

func writing(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

// finish ends the index, and gives the digest.
func (c *cache) finish(configs *Files) (string, error) {
	if !c.done {
		end := "}"
		if c.packages == 0 {
			end = "{}"
		}
		if err := c.index(end); err != nil {
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
