package operator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/operator-framework/operator-registry/alpha/declcfg"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/catalog"
	"github.com/satchel-airgap/satchel/manifests/internal/filter"
	"github.com/satchel-airgap/satchel/manifests/internal/layers"
	"github.com/satchel-airgap/satchel/manifests/internal/opm"
	"github.com/satchel-airgap/satchel/manifests/internal/rebuild"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// chosenCount is how much of a catalog is selected.
type chosenCount struct{ packages, ofPackages, bundles, ofBundles int }

// add counts one package.
func (c *chosenCount) add(kept, of int) {
	if kept > 0 {
		c.packages++
	}
	c.ofPackages++
	c.bundles += kept
	c.ofBundles += of
}

func (c *chosenCount) String() string {
	return fmt.Sprintf("%s of %s, %s of %s are carried", grouped(c.packages), counted(c.ofPackages, "package"), grouped(c.bundles), counted(c.ofBundles, "version"))
}

func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return grouped(n) + " " + what
}

// grouped writes a number with a comma after each three digits.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// makeCatalog makes the catalog's image with only what is chosen, for the platforms
// that are asked for, and asks for it instead of the catalog's own; one that is
// carried whole stays as it is. The error is a *[oci.Gap] where the catalog's
// layers are not available, which leaves its operators.
func (s *selection) makeCatalog(ctx context.Context, from ask.Images) error {
	if s.whole() || s.root.Digest == "" {
		return nil
	}
	if s.count.packages == 0 && len(s.lost) > 0 { // it would have nothing in it
		s.list = s.list[1:]
		return nil
	}
	take := func(p ispec.Platform) bool { return s.only == nil || ask.Among(s.only, p) }
	var built oci.Descriptor
	var platforms []string
	err := errAgain
	for range maxAgain {
		f := &filtering{s: s, from: from, layers: map[string]rebuild.Layer{}}
		d, names, ferr := rebuild.Index(ctx, s.src, s.root, take, f.recipe, ask.HostStore{To: from})
		built, platforms, err = oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}, names, ferr
		if !errors.Is(err, errAgain) {
			break
		}
	}
	if err != nil {
		var done *ask.HostError
		if errors.As(err, &done) {
			err = done.Err
		} else {
			err = s.unreadable(err)
		}
		var gap *oci.Gap
		if errors.As(err, &gap) {
			gap.Image.Root = s.root
			s.list = s.list[1:]
		}
		return err
	}
	w := &s.list[0]
	w.Only = nil // it has no others
	w.Base = w.Ref.WithDigest(s.root.Digest)
	if s.hub != nil {
		s.ofLess(w)
	}
	w.Built, w.Platforms = built, platforms
	if w.Ref.Digest != "" {
		w.Ref.Digest = built.Digest
	}
	s.noteStays()
	s.notes = append(s.notes, text.ASCII(s.what+": "+s.count.String()))
	return nil
}

// errAgain says that bundles were found which cannot be served: the catalog is filtered
// without them.
var errAgain = errors.New("bundles of the catalog cannot be served")

// maxAgain bounds how often a catalog is filtered again. Once is enough, unless leaving
// one bundle out brings another in.
const maxAgain = 5

// filtering makes the image of a filtered catalog.
type filtering struct {
	s      *selection
	from   ask.Images
	layers map[string]rebuild.Layer // by their directories
	noted  map[string]bool
	broken bool // a bundle cannot be served
}

// note reports something about the catalog's images, once.
func (f *filtering) note(format string, args ...any) {
	line := text.ASCII(f.s.what + ": " + fmt.Sprintf(format, args...))
	if f.noted == nil {
		f.noted = map[string]bool{}
	}
	if !f.noted[line] {
		f.noted[line] = true
		f.s.notes = append(f.s.notes, line)
	}
}

// layer makes the layer that an image gets, with the cache in a directory; "" for none.
func (f *filtering) layer(ctx context.Context, dir, cacheDir string, around map[string]layers.Parent) (l rebuild.Layer, err error) {
	key := dir + "\x00" + cacheDir
	if l, ok := f.layers[key]; ok {
		return l, nil
	}
	c, err := opm.New(cacheDir != "")
	if err != nil {
		return l, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := f.fill(ctx, c); err != nil {
		return l, err
	}
	l, err = rebuild.NewLayer(f.from, func(t *rebuild.Tar) error { return writeServed(t, c, dir, cacheDir, around) })
	f.layers[key] = l
	return l, err
}

// fill filters every package a second time. It reads the catalog twice at once: one
// reading chooses, the other follows it and writes, so that no package is held in memory.
func (f *filtering) fill(ctx context.Context, c *opm.Catalog) (err error) {
	var readers [2]*catalog.Reader
	for i := range readers {
		in, err := f.s.index(ctx, f.from)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, in.Close()) }()
		if readers[i], err = catalog.NewReader(in); err != nil {
			return f.storedError(err)
		}
		defer readers[i].Close()
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		p, docs, err := readers[0].Next()
		_, full, again := readers[1].Next()
		if errors.Is(err, io.EOF) && errors.Is(again, io.EOF) {
			if f.broken {
				return ask.OfHost(errAgain)
			}
			return nil
		}
		if err := errors.Join(err, again); err != nil {
			return f.storedError(err)
		}
		if err := f.fillPackage(ctx, c, p, docs, full); err != nil {
			return err
		}
	}
}

func (f *filtering) storedError(err error) error {
	return fmt.Errorf("%s: read what was stored of it: %w", f.s.what, err)
}

// fillPackage writes what is chosen of a package, or what is of none.
func (f *filtering) fillPackage(ctx context.Context, c *opm.Catalog, p *catalog.Package, docs, full *catalog.Documents) error {
	if p.Name == "" {
		return f.fault(p, c.Others(func(w io.Writer) error {
			return f.written(full.WriteFiltered(w, &declcfg.DeclarativeConfig{}, f.serves))
		}))
	}
	req, ok := f.s.request(p)
	if !ok {
		return nil
	}
	cfg, err := docs.Config()
	if err != nil {
		return f.storedError(err)
	}
	out, err := filter.Package(cfg, req)
	if refused := f.s.checkKept(p.Name, req, out, err); refused != nil {
		return ask.OfHost(refused)
	}
	if err != nil && len(req.Without) > 0 {
		f.note("package %q is left out: %v", p.Name, err)
		f.s.lost[p.Name] = true
		return nil
	}
	if err != nil {
		return f.fault(p, err)
	}
	return f.fault(p, c.Package(&out.Config, func(w io.Writer, each func(*declcfg.Bundle) error) error {
		return f.written(full.WriteFiltered(w, &out.Config, func(m *declcfg.Meta) (bool, error) {
			if err := ctx.Err(); err != nil {
				return false, ask.OfHost(err)
			}
			if m.Schema != declcfg.SchemaBundle {
				return f.serves(m)
			}
			b, err := catalog.Full(m)
			if err == nil {
				err = each(b)
			}
			if err != nil && !ofHost(err) {
				f.leaveOut(p, m.Name, err)
				return false, nil
			}
			return true, f.fault(p, err)
		}))
	}))
}

// ofHost reports whether an error is no fault of the bundle that it came with.
func ofHost(err error) bool {
	var done *ask.HostError
	var disk *fs.PathError
	return errors.As(err, &done) || errors.As(err, &disk) || errors.Is(err, opm.ErrLarge)
}

// leaveOut has the catalog filtered again without a bundle.
func (f *filtering) leaveOut(p *catalog.Package, name string, why error) {
	f.broken = true
	f.s.without[p.Name] = append(f.s.without[p.Name], name)
	if b := p.Bundle(name); b != nil {
		f.s.fault(f.s.whyBundle(p, b), fmt.Sprintf("package %q, bundle %q", p.Name, name), "it cannot be served: "+why.Error(), name, b.Image)
	}
}

// serves leaves out documents for which an older opm would serve nothing at all.
func (f *filtering) serves(m *declcfg.Meta) (bool, error) {
	why := filter.RefusedByOldest(m.Blob)
	if why != "" {
		f.note("a document of schema %q is left out, which opm 1.26 refuses: %s", m.Schema, why)
	}
	return why == "", nil
}

// Written is an error of reading what was stored, or of writing it elsewhere.
func (f *filtering) written(err error) error {
	var done *ask.HostError
	if err == nil || errors.As(err, &done) || errors.Is(err, opm.ErrLarge) {
		return err
	}
	return ask.OfHost(fmt.Errorf("%s: write what is chosen of it: %w", f.s.what, err))
}

// fault says what is wrong with a package, unless the disk is.
func (f *filtering) fault(p *catalog.Package, err error) error {
	var done *ask.HostError
	var disk *fs.PathError
	switch {
	case err == nil || errors.As(err, &done):
		return err
	case errors.As(err, &disk):
		return f.written(err)
	}
	what := f.s.what
	if p.Name != "" {
		what += fmt.Sprintf(": package %q", p.Name)
	}
	return ask.OfHost(&oci.UnsupportedError{What: what, Why: text.ASCII(err.Error())})
}
