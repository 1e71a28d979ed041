package operator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/catalog"
	"github.com/satchel-airgap/satchel/manifests/internal/catalogmerge"
	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/layers"
	"github.com/satchel-airgap/satchel/manifests/internal/opm"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/tempfile"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// MaxCatalogErrors bounds what is reported of one catalog.
const MaxCatalogErrors = 100

// Catalogs asks for the catalogs of mirror.operators, with what is chosen of each, and
// for the images of the bundles that are chosen from them; with [imageset.Extra.WithDependencies]
// also for those of the bundles that these require. A package, channel or version
// that is not in its catalog is a *[imageset.ConfigError]; all of them are reported.
func Catalogs(ctx context.Context, c *imageset.Config, from ask.Images) (_ ask.Set, err error) {
	also := make([]map[string][]string, len(c.Mirror.Operators))
	var list []*selection
	defer func() { err = errors.Join(err, closeAll(list)) }()
	for {
		if err := closeAll(list); err != nil {
			return ask.Set{}, err
		}
		list, err = selections(ctx, c, from, also)
		if _, ok := oci.Gaps(err); !ok {
			return ask.Set{}, err
		}
		lacks := lacksChoice
		if c.Extra.WithDependencies {
			lacks = lacksProvider
		}
		more, notes := require(list, lacks)
		notes = append(notes, notCarried(list, c.Extra.Installed)...)
		if add(also, more) {
			continue // what is added may bring connectors, which require others
		}
		var all ask.Set
		var contents []oci.ArtifactFile
		for _, s := range list {
			before := len(s.errs)
			merr := s.makeCatalog(ctx, from)
			err = errors.Join(append([]error{err, merr}, s.errs[before:]...)...)
			if _, ok := oci.Gaps(err); !ok {
				return ask.Set{}, err
			}
			all.Images = append(all.Images, s.list...)
			contents, notes = append(contents, s.contents...), append(notes, s.notes...)
		}
		docs, derr := documents.Write(ctx, documents.DocumentContents, documents.ArtifactContents, contents, from)
		if derr != nil {
			return ask.Set{}, derr
		}
		all.Documents = docs
		for _, n := range notes {
			from.Note(n)
		}
		return all, err
	}
}

// selections chooses from each catalog, with also of each, by package: the names
// of bundles that are chosen in addition.
func selections(ctx context.Context, c *imageset.Config, from ask.Images, also []map[string][]string) ([]*selection, error) {
	var list []*selection
	var errs []error
	left := documents.MaxAllContents
	p := c.Problems()
	for i := range c.Mirror.Operators {
		o := &c.Mirror.Operators[i]
		ref, err := o.Ref()
		if err != nil {
			return list, fmt.Errorf("mirror.operators[%d].catalog: %w", i, err) // CheckSupported has refused it
		}
		s := newSelection(p, fmt.Sprintf("mirror.operators[%d]", i), o, ref)
		s.also, s.learnAll, s.kept = also[i], c.Extra.WithDependencies, c.Extra.KeptFor(o)
		s.installed = installedFrom(o, c.Extra.Installed)
		s.gathered.about.Asked = askedOf(o, c.Extra)
		if h := c.Extra.Hub; h != nil && s.ofHub(h, i) {
			list, errs = append(list, s), append(errs, s.errs...)
			continue
		}
		if err := s.read(ctx, from); err != nil {
			errs = append(errs, err, closeAll([]*selection{s}))
			continue
		}
		s.place = i
		if s.equalsHub() && s.asItIs() {
			list, errs = append(list, s), append(errs, s.errs...)
			continue
		}
		s.storeContents(&left)
		list, errs = append(list, s), append(errs, s.errs...)
	}
	return list, errors.Join(append([]error{p.Join()}, errs...)...)
}

// selection chooses the images of one catalog.
type selection struct {
	what   string // the catalog, for errors
	path   string // of the catalog in the configuration
	o      *imageset.Operator
	p      *imageset.Problems
	only   []string        // platforms
	list   []ask.Image     // the catalog itself first
	errs   []error         // gaps, and what ends the run
	faults int             // of the catalog
	lost   map[string]bool // packages that no filtered catalog can have

	without map[string][]string // bundles that cannot be served, by package
	passed  int                 // things of the catalog that are mended or skipped

	src      oci.Source
	root     oci.Descriptor // of the catalog; none if it is not available
	picked   oci.Descriptor // the image of it that was read
	dir      string         // of the catalog in it
	program  string         // that serves it there
	replaced []string       // directories of which the filtered one has nothing

	asked map[string]int // of each package that is named: its place in the configuration
	found map[string]bool
	names []string // of all packages, when some are named
	count chosenCount

	place    int                 // Among the catalogs
	also     map[string][]string // bundles chosen in addition, by package
	learnAll bool                // learn what every bundle provides and requires
	all      []operator          // which is then here
	notes    []string
	stays    []string // what is chosen because an earlier bundle carried it alone

	installed []imageset.Installed // operators of clusters that may come from it

	kept   []imageset.KeptCatalog // that it is joined with, the newest first
	joined *catalogmerge.Catalog  // the two, once they are

	hub   *imageset.Hub // that it comes from; nil for none
	inHub oci.Image     // what it is there

	gathered gathering          // what of it is carried
	contents []oci.ArtifactFile // the same, as a file
}

func newSelection(p *imageset.Problems, path string, o *imageset.Operator, ref oci.Ref) *selection {
	only := imageset.PlatformNames(o.Platforms)
	image := ask.Image{Origin: origin.Catalog, Ref: ref, Path: o.TargetCatalog, Reasons: []oci.Reason{catalogReason(o)}, Only: only}
	if tag := cmp.Or(o.TargetTag, ref.Tag); tag != "" {
		image.Tags = []string{tag}
	}
	s := &selection{what: "catalog " + text.ASCII(o.Catalog), path: path, o: o, p: p, only: only, list: []ask.Image{image}, asked: map[string]int{}, found: map[string]bool{}, lost: map[string]bool{}, without: map[string][]string{}}
	s.gathered.about = documents.CatalogContents{Catalog: ref.String(), Target: o.Target(), Whole: s.whole()}
	for i, pkg := range o.Packages {
		s.asked[pkg.Name] = i
	}
	return s
}

// read chooses from the catalog's index. An image that cannot be found is left to
// whoever resolves the list; one that cannot be read is a *[oci.Gap], and one
// that is no catalog an *[oci.UnsupportedError].
func (s *selection) read(ctx context.Context, from ask.Images) error {
	ref := s.list[0].Ref
	if s.hub != nil {
		ref = s.inHub.Source.WithDigest(s.inHub.Root.Digest) // that one, of all that were made of its source
	}
	root, src, err := from.Resolve(ctx, ref)
	if err != nil || ref.Digest != "" && ref.Digest != root.Digest {
		//lint:ignore nilerr whoever resolves the list reports it
		return nil
	}
	if err := s.opened(ctx, root, src); err != nil {
		return err
	}
	if err := s.join(ctx, from); err != nil {
		return err
	}
	index, err := s.index(ctx, from)
	if err != nil {
		return err
	}
	if err := errors.Join(s.readIndex(index), index.Close()); err != nil {
		return fmt.Errorf("%s: read what was stored of it: %w", s.what, err)
	}
	s.manyFaults()
	s.missing()
	return nil
}

// opened finds the catalog in its image.
func (s *selection) opened(ctx context.Context, root oci.Descriptor, src oci.Source) (err error) {
	if s.picked, err = ask.Pick(ctx, src, root, s.only); err != nil {
		return s.unreadable(err)
	}
	config, err := layers.Config(ctx, src, s.picked)
	if err != nil {
		return s.unreadable(err)
	}
	if s.dir, err = s.dirOf(config); err != nil {
		return err
	}
	s.src, s.root, s.replaced, s.program = src, root, replacedDirs(config, s.dir), programOf(config)
	return nil
}

// readIndex chooses from what is stored.
func (s *selection) readIndex(index io.Reader) error {
	in, err := catalog.NewReader(index)
	if err != nil {
		return err
	}
	defer in.Close()
	s.fileFaults(in.Faults)
	for {
		p, docs, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = s.choose(p, docs)
		}
		if err != nil {
			return err
		}
	}
}

// dirOf is the directory of the catalog in an image: the one that its label names, or, as a
// cluster does not look at labels, the one that it serves.
func (s *selection) dirOf(config ispec.Image) (string, error) {
	dir, err := catalog.Dir(s.what, config.Config.Labels)
	if err == nil {
		return dir, nil
	}
	served, ok := catalog.Served(opm.ReadCommand(config.Config).Dir, config.Config.Labels)
	if !ok {
		return "", err
	}
	return served, nil
}

// index opens what is stored of the catalog, joined with a kept one if there is one.
func (s *selection) index(ctx context.Context, from ask.Images) (io.ReadCloser, error) {
	if s.joined != nil {
		return s.joined.Open(), nil
	}
	return s.today(ctx, from)
}

// today opens what is stored of the catalog, which is read first if nothing is.
func (s *selection) today(ctx context.Context, from ask.Images) (io.ReadCloser, error) {
	var lost error
	index, err := from.Derived(ctx, catalog.Key(s.picked.Digest), func(w io.Writer) error {
		var c *catalog.Catalog
		census := &layers.Census{Dirs: s.replaced, Program: s.program, Text: opm.KnowsCache, Around: map[string]layers.Parent{}, Only: map[layers.Layer]bool{}}
		if c, lost = catalog.Parse(ctx, s.what, s.src, s.picked, s.dir, census); lost != nil {
			return lost
		}
		return errors.Join(c.Write(w), c.Close(), s.keepCensus(ctx, from, census))
	})
	var host *tempfile.Error
	switch {
	case errors.As(lost, &host):
		return nil, fmt.Errorf("%s: %w", s.what, host)
	case lost != nil:
		return nil, s.unreadable(lost)
	case err != nil:
		return nil, fmt.Errorf("%s: keep what was read of it: %w", s.what, err)
	}
	return index, nil
}

// unreadable says why the catalog image could not be read.
func (s *selection) unreadable(err error) error {
	var other *oci.PlatformError
	var fault *oci.UnsupportedError
	switch {
	case errors.As(err, &other): // it can be read, and is for others
		return &oci.Gap{Image: s.list[0].Entry(), Err: err}
	case !errors.As(err, &fault):
		return &oci.Gap{Image: s.list[0].Entry(), Err: fmt.Errorf("read the catalog: %w", err)}
	case strings.HasPrefix(fault.What, s.what):
		return err
	}
	return fmt.Errorf("%s: %w", s.what, err)
}

// images asks for the images of a bundle.
func (s *selection) images(p *catalog.Package, b *catalog.Bundle) {
	s.trimmed(b)
	why := oci.Reason{Kind: origin.KindOperator, Name: p.Name + " " + b.FullVersion(), Part: "bundle", Catalog: s.list[0].Ref.String()}
	if b.Image != "" {
		s.image(p, b, b.Image, why)
	}
	why.Part = "related image"
	for _, r := range b.Related {
		if r != b.Image {
			s.image(p, b, r, why)
		}
	}
}

func (s *selection) image(p *catalog.Package, b *catalog.Bundle, name string, why oci.Reason) {
	ref, err := ask.ParseNodeRef(name)
	if err != nil {
		s.fault(why, fmt.Sprintf("package %q, bundle %q", p.Name, b.Name), err.Error(), name)
		return
	}
	w := ask.Image{Origin: origin.Operator, Ref: ref, Reasons: []oci.Reason{why}, Only: s.only}
	if ref.Digest == "" { // with a digest nodes ask for that alone, and a tag could be another image's
		w.Tags = []string{ref.Tag}
	}
	s.list = append(s.list, w)
}

// missing reports the packages that the catalog does not have.
func (s *selection) missing() {
	for i, pkg := range s.o.Packages {
		if s.asked[pkg.Name] == i && !s.found[pkg.Name] {
			path := fmt.Sprintf("%s.packages[%d].name", s.path, i)
			s.p.Add(path, "%s: %s has no package %q%s", path, s.what, pkg.Name, ask.DidYouMean(pkg.Name, s.names))
			s.p.About(imageset.ListCatalog)
		}
	}
}

// catalogReason says what asked for the catalog. --catalog-name finds directories by it.
func catalogReason(o *imageset.Operator) oci.Reason {
	if o.IsDirectory() {
		return oci.Reason{Kind: origin.KindCatalog, Name: text.ASCII(o.Catalog)}
	}
	return oci.Reason{Kind: origin.KindCatalog}
}
