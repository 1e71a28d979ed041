package opm

import (
	"errors"
	"fmt"
	"io"

	"github.com/operator-framework/operator-registry/alpha/declcfg"
)

const (
	fileCatalog = "catalog.json" // of a package
	// fileOthers is for what is of no package: no package is called so.
	fileOthers = "others.json"
)

// maxBytes bounds the files of a catalog with its cache, which has every bundle once for
// each of its channels: the largest catalogs in use have about 1 GiB.
const maxBytes = 8 << 30

// ErrLarge says that a catalog takes more disk than there is for one.
var ErrLarge = fmt.Errorf("the catalog and its cache have more than %d GiB", maxBytes>>30)

// Catalog is a catalog that is being written.
type Catalog struct {
	left    int64
	configs *Files
	cache   *cache // nil for none
}

// New begins a catalog, with or without a cache.
func New(cached bool) (*Catalog, error) {
	c := &Catalog{left: maxBytes}
	var err error
	if c.configs, err = newFiles(ModeDir, &c.left); err != nil {
		return nil, err
	}
	if !cached {
		return c, nil
	}
	if c.cache, err = newCache(&c.left); err != nil {
		return nil, errors.Join(err, c.configs.Close())
	}
	return c, nil
}

// Close frees what is kept of the catalog.
func (c *Catalog) Close() error {
	err := c.configs.Close()
	if c.cache != nil {
		err = errors.Join(err, c.cache.files.Close())
	}
	return err
}

// Package adds a package, by name, one after the other: cfg without what is large in
// its bundles, and write, which writes its file and gives every bundle to the function
// that it gets, in full.
func (c *Catalog) Package(cfg *declcfg.DeclarativeConfig, write func(io.Writer, func(*declcfg.Bundle) error) error) error {
	each := func(*declcfg.Bundle) error { return nil }
	if c.cache != nil {
		p, err := c.cache.add(cfg)
		if err != nil {
			return err
		}
		each = p.bundle
	}
	return c.configs.add(cfg.Packages[0].Name+"/"+fileCatalog, func(w io.Writer) error { return write(w, each) })
}

// Others adds what is of no package.
func (c *Catalog) Others(write func(io.Writer) error) error {
	return c.configs.add(fileOthers, write)
}

// Configs gives the catalog's directory.
func (c *Catalog) Configs(v Visitor) error { return c.configs.Each(v) }

// Cache gives the directory cache and the content of the file digest beside it, after
// the last package.
func (c *Catalog) Cache(v Visitor) (sum string, err error) {
	if sum, err = c.cache.finish(c.configs); err != nil {
		return "", err
	}
	return sum, c.cache.files.Each(v)
}
