package manifests

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/manifests/internal/catalog"
	"github.com/satchel-airgap/satchel/manifests/internal/layers"
	"github.com/satchel-airgap/satchel/manifests/internal/opm"
	"github.com/satchel-airgap/satchel/manifests/internal/rebuild"
	"github.com/satchel-airgap/satchel/oci"
)

// recipe says how one image of the catalog is made.
func (f *filtering) recipe(ctx context.Context, image oci.Descriptor) (r rebuild.Recipe, err error) {
	config, err := layers.Config(ctx, f.s.src, image)
	if err != nil {
		return r, err
	}
	dir, err := catalog.Dir(f.s.what, config.Config.Labels)
	if err != nil {
		return r, err
	}
	cmd := opm.ReadCommand(config.Config.Entrypoint, config.Config.Cmd)
	cacheDir, err := f.cacheDir(ctx, image, &cmd, dir)
	if err != nil {
		return r, err
	}
	replaced := []string{dir}
	if cacheDir != "" {
		replaced = append(replaced, cacheDir)
	}
	if r.Drop, err = f.drop(ctx, image, replaced); err != nil {
		return r, err
	}
	r.Comment = "satchel: the catalog, filtered"
	if cmd.Serves && cacheDir != "" {
		r.Edit = func(s *rebuild.Settings) { s.Cmd = cmd.Arguments(cacheDir) }
	}
	r.Layer, err = f.layer(ctx, dir, cacheDir)
	return r, err
}

// cacheDir says where an image has its cache; "" if its program reads none.
func (f *filtering) cacheDir(ctx context.Context, image oci.Descriptor, cmd *opm.Command, dir string) (string, error) {
	if !cmd.Serves {
		f.note("its image does not run opm serve; its command is left as it is")
		return opm.CacheDirBeside(dir), nil
	}
	if cmd.Replaceable(dir) {
		return cmd.CacheDir, nil
	}
	cmd.CacheDir = "" // a second one counts
	answer, err := f.parsed(ctx, "opm-v1-"+image.Digest.Encoded()+"-"+cmd.Program, func() (string, error) {
		says, there, err := layers.Says(ctx, f.s.src, image, cmd.Program, opm.KnowsCache)
		return fmt.Sprint(says, there), err
	})
	switch {
	case err != nil:
		return "", err
	case answer == fmt.Sprint(false, false):
		f.note("the program %q, which serves it, was not found in its image: there is no cache for it", cmd.Program)
	case answer == fmt.Sprint(true, true):
		return opm.CacheDirBeside(dir), nil
	}
	return "", nil
}

// drop says which layers have nothing but what is replaced.
func (f *filtering) drop(ctx context.Context, image oci.Descriptor, replaced []string) ([]bool, error) {
	list, err := layers.Of(ctx, f.s.src, image)
	if err != nil {
		return nil, err
	}
	drop := make([]bool, len(list))
	for i, d := range list {
		answer, err := f.parsed(ctx, onlyKey(layers.Layer{Digest: d.Digest, MediaType: d.MediaType}, replaced), func() (string, error) {
			only, err := layers.Only(ctx, f.s.src, d, replaced)
			return fmt.Sprint(only), err
		})
		if err != nil {
			return nil, err
		}
		drop[i] = answer == fmt.Sprint(true)
	}
	return drop, nil
}

func onlyKey(l layers.Layer, replaced []string) string {
	return "layer-only-v1-" + l.Digest.Encoded() + "-" + oci.Digest([]byte(l.MediaType+"\x00"+strings.Join(replaced, "\x00"))).Encoded()
}

// keepCensus keeps what was found of layers while the catalog was read, so that they
// are not read again.
func keepCensus(ctx context.Context, from Images, c *layers.Census) error {
	for l, only := range c.Only {
		rc, err := from.Parsed(ctx, onlyKey(l, c.Dirs), func(w io.Writer) error {
			_, err := io.WriteString(w, fmt.Sprint(only))
			return err
		})
		if err == nil {
			err = rc.Close()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// replacedDirs are the directories that a filtered image most likely has anew.
func replacedDirs(config ispec.Image, dir string) []string {
	cmd := opm.ReadCommand(config.Config.Entrypoint, config.Config.Cmd)
	if cmd.Replaceable(dir) {
		return []string{dir, cmd.CacheDir}
	}
	return []string{dir, opm.CacheDirBeside(dir)}
}

// parsed keeps a short answer that takes reading layers. An error of find is returned
// as it is.
func (f *filtering) parsed(ctx context.Context, key string, find func() (string, error)) (string, error) {
	var lost error
	rc, err := f.from.Parsed(ctx, key, func(w io.Writer) error {
		var answer string
		if answer, lost = find(); lost != nil {
			return lost
		}
		_, err := io.WriteString(w, answer)
		return err
	})
	switch {
	case lost != nil:
		return "", lost
	case err != nil:
		return "", fmt.Errorf("%s: keep what was read of it: %w", f.s.what, err)
	}
	const most = 64 // bytes of an answer
	body, err := io.ReadAll(io.LimitReader(rc, most))
	return string(body), errors.Join(err, rc.Close())
}

// writeServed writes the catalog's directory and the cache.
func writeServed(t *rebuild.Tar, c *opm.Catalog, dir, cacheDir string) error {
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
