package catalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode"

	"github.com/opencontainers/go-digest"
	"github.com/operator-framework/operator-registry/alpha/declcfg"

	"github.com/satchel-airgap/satchel/manifests/internal/layers"
	"github.com/satchel-airgap/satchel/oci"
)

// Labels of catalog images (operator-registry, pkg/containertools).
const (
	labelConfigs  = "operators.operatorframework.io.index.configs.v1"
	labelDatabase = "operators.operatorframework.io.index.database.v1"
)

const (
	maxDir     = 1024 // bytes of the directory's name
	whatToDo   = "use a file-based catalog, as those of OpenShift 4.11 and newer are"
	sqliteHead = "SQLite format 3\x00"
)

// Dir is the directory of an image's file-based catalog, by its labels: absolute
// and clean; a relative one is meant from the root. The error, for an image that has none, an SQLite catalog or a
// directory that cannot be, is an *[oci.UnsupportedError]. The root of the image
// is refused: it holds the program too.
func Dir(what string, labels map[string]string) (string, error) {
	refuse := func(format string, args ...any) (string, error) {
		return "", &oci.UnsupportedError{What: what, Why: fmt.Sprintf(format, args...)}
	}
	dir, ok := labels[labelConfigs]
	if !ok {
		if _, ok := labels[labelDatabase]; ok {
			return refuse("it is an SQLite catalog (it has the label %s), which is not read; %s", labelDatabase, whatToDo)
		}
		return refuse("it is not an operator catalog: it has no label %s", labelConfigs)
	}
	switch {
	case len(dir) > maxDir:
		return refuse("its label %s has %d bytes; it should name a directory", labelConfigs, len(dir))
	case dir == "", strings.ContainsFunc(dir, func(c rune) bool { return !unicode.IsPrint(c) }):
		return refuse("its label %s is %q, which is not a path", labelConfigs, dir)
	case strings.Contains("/"+dir+"/", "/../"):
		return refuse("its label %s is %q, which leads out of a directory", labelConfigs, dir)
	case path.Clean("/"+dir) == "/":
		return refuse("its label %s is %q, the whole image; it should name the catalog's directory", labelConfigs, dir)
	}
	return path.Clean("/" + dir), nil
}

// SetDir has labels name another directory, if they name one.
func SetDir(labels map[string]string, dir string) {
	if _, ok := labels[labelConfigs]; ok {
		labels[labelConfigs] = dir
	}
}

// Served is the directory that an image without labels serves as a catalog; not ok for one
// that has them, or that serves none.
func Served(dir string, labels map[string]string) (string, bool) {
	_, has := labels[labelConfigs]
	_, old := labels[labelDatabase]
	if has || old || dir == "" {
		return "", false
	}
	dir, err := Dir("", map[string]string{labelConfigs: dir})
	return dir, err == nil
}

// Key names what [Catalog.Write] keeps of an image, which is not an index.
func Key(image digest.Digest) string {
	return fmt.Sprintf("catalog-v%d-%s", Format, image.Encoded())
}

// Catalog is one that was read: its packages by name. Its documents are on disk
// until it is closed.
type Catalog struct {
	Packages []Package
	// Faults are of files; what is wrong within a package is there.
	Faults []FileFault
	spool  *spool
}

// Close frees the documents.
func (c *Catalog) Close() error { return c.spool.Close() }

// Parse reads the catalog in a directory of image, through all its layers. what
// names the catalog in errors. census, which may be nil, learns of the layers.
func Parse(ctx context.Context, what string, src oci.Source, image oci.Descriptor, dir string, census *layers.Census) (_ *Catalog, err error) {
	s, err := newSpool()
	if err != nil {
		return nil, err
	}
	c := &Catalog{spool: s}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	b := newBuilder(what, s)
	err = layers.WalkCounting(ctx, src, image, dir, census, func(name string, _ int64, r io.Reader) error {
		if "/"+name == dir {
			return b.refuse("its directory %s is a file", dir)
		}
		return b.file(name, r)
	})
	if err != nil {
		return nil, err
	}
	if err := b.inline(ctx, src, image, dir); err != nil {
		return nil, err
	}
	if c.Packages, c.Faults, err = b.packages(dir); err != nil {
		return nil, err
	}
	return c, nil
}

// Of gives the documents of one schema that a package has.
func (c *Catalog) Of(pkg, schema string) (list []*declcfg.Meta, err error) {
	for _, e := range c.spool.of(pkg) {
		if e.Schema != schema {
			continue
		}
		body, err := c.spool.read(e)
		if err != nil {
			return nil, err
		}
		list = append(list, &declcfg.Meta{Schema: schema, Package: pkg, Name: e.Name, Blob: body})
	}
	return list, nil
}

// Config gives the documents of a package as [Documents.Config] does.
func (c *Catalog) Config(pkg string) (*declcfg.DeclarativeConfig, error) {
	cfg := &declcfg.DeclarativeConfig{}
	for _, schema := range []string{declcfg.SchemaPackage, declcfg.SchemaChannel, declcfg.SchemaBundle, declcfg.SchemaDeprecation} {
		docs, err := c.Of(pkg, schema)
		if err != nil {
			return nil, err
		}
		for _, m := range docs {
			if err := addTo(cfg, m); err != nil {
				return nil, err
			}
		}
	}
	return cfg, nil
}
