package operator

import (
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/layers"
	"github.com/satchel-airgap/satchel/manifests/internal/opm"
	"github.com/satchel-airgap/satchel/manifests/internal/rebuild"
)

// writeServed writes the catalog's directory and the cache, and the directories that they are in.
func writeServed(t *rebuild.Tar, c *opm.Catalog, dir, cacheDir string, around map[string]layers.Parent) error {
	if err := writeAround(t, around, dir, cacheDir); err != nil {
		return err
	}
	configs := servedTree{t: t, at: strings.TrimPrefix(dir, "/"), opaque: true}
	if err := c.Configs(configs); err != nil || cacheDir == "" {
		return err
	}
	cache := servedTree{t: t, at: strings.TrimPrefix(cacheDir, "/"), opaque: true}
	if err := cache.Dir("", opm.ModeCacheDir); err != nil {
		return err
	}
	sum, err := c.Cache(servedTree{t: t, at: path.Join(cache.at, opm.DirCache)})
	if err != nil {
		return err
	}
	return cache.File(opm.FileDigest, opm.ModeFile, int64(len(sum)), strings.NewReader(sum))
}

// writeAround writes the directories that others are in, as the image has them.
func writeAround(t *rebuild.Tar, around map[string]layers.Parent, dirs ...string) error {
	// One that is not needed may have been in a layer that is left out.
	names := slices.Concat(layers.Parents(dirs...), slices.Collect(maps.Keys(around)))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		p, ok := around[name]
		switch {
		case p.Other:
			continue
		case ok:
		case name == "tmp" || name == "var/tmp":
			p.Mode = 0o777 | fs.ModeSticky
		default:
			p.Mode = opm.ModeDir
		}
		if err := t.Around(name, p.Mode, p.UID, p.GID); err != nil {
			return err
		}
	}
	return nil
}

// servedTree puts a tree into a layer.
type servedTree struct {
	t      *rebuild.Tar
	at     string
	opaque bool // of what the layers below have there nothing is left
}

// Dir adds a directory of the tree.
func (s servedTree) Dir(name string, mode fs.FileMode) error {
	at := path.Join(s.at, name)
	if err := s.t.Dir(at, mode); err != nil || !s.opaque || name != "" {
		return err
	}
	return s.t.Opaque(at)
}

// File adds a file of the tree.
func (s servedTree) File(name string, mode fs.FileMode, size int64, r io.Reader) error {
	return s.t.File(path.Join(s.at, name), mode, size, r)
}
