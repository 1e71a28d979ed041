package operator

import (
	"errors"
	"fmt"
	"slices"

	"github.com/operator-framework/operator-registry/alpha/declcfg"
	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/catalog"
	"github.com/satchel-airgap/satchel/manifests/internal/filter"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/oci/text"
)

// choose takes what is asked for of one package.
func (s *selection) choose(p *catalog.Package, docs *catalog.Documents) error {
	if p.Name == "" {
		return nil // what is of no package
	}
	place, named := s.asked[p.Name]
	s.found[p.Name] = true
	if len(s.o.Packages) > 0 && !named {
		s.names = append(s.names, p.Name)
	}
	var chosen []string
	kept := 0
	req, ok := s.request(p)
	if ok {
		s.packageFaults(p, req)
	}
	switch {
	case !ok:
	case s.whole():
		for _, b := range p.Bundles {
			chosen = append(chosen, b.Name)
		}
		kept = len(chosen)
		s.gathered.whole(p)
	default:
		if named && !s.hasChannels(p, s.o.Packages[place], place) {
			return nil
		}
		out, err := s.filter(p, docs, req, place, named)
		if out == nil {
			return err
		}
		// Stranded bundles are not in the catalog, and whoever has one runs its images.
		chosen = slices.Concat(out.Bundles, out.Stranded)
		kept = len(out.Bundles)
	}
	s.count.add(kept, len(p.Bundles))
	isChosen := map[string]bool{}
	for _, name := range chosen {
		isChosen[name] = true
	}
	for i := range p.Bundles {
		if b := &p.Bundles[i]; isChosen[b.Name] {
			s.images(p, b)
		}
	}
	s.learn(p, isChosen)
	return nil
}

// whole reports whether the catalog is carried as it is.
func (s *selection) whole() bool { return s.o.Full && len(s.o.Packages) == 0 }

// request is what is asked of a package; nothing if there is nothing.
func (s *selection) request(p *catalog.Package) (req filter.Request, ok bool) {
	name := p.Name
	place, named := s.asked[name]
	var pkg imageset.Package
	if named {
		pkg = s.o.Packages[place]
	}
	req = requestOf(&pkg, s.o.Full)
	req.Also, req.Only, req.Without = s.also[name], !named && len(s.o.Packages) > 0, s.without[name]
	s.from(p, &req)
	kept := s.keep(name)
	req.Keep, req.KeepDefault = kept.Channels, kept.Default
	return req, !s.lost[name] && !nothingOf(req)
}

// requestOf is what the configuration asks of a package.
func requestOf(pkg *imageset.Package, full bool) filter.Request {
	r := filter.Request{Full: full, Default: pkg.DefaultChannel, Range: filter.Range{Min: pkg.MinVersion, Max: pkg.MaxVersion}}
	for _, ch := range pkg.Channels {
		r.Channels = append(r.Channels, filter.Channel{Name: ch.Name, Range: filter.Range{Min: ch.MinVersion, Max: ch.MaxVersion}})
	}
	return r
}

// filter chooses bundles, and has the package that they are in checked. What is wrong
// is reported where it was asked for, and there is no result then.
func (s *selection) filter(p *catalog.Package, docs *catalog.Documents, req filter.Request, place int, named bool) (*filter.Result, error) {
	cfg, err := docs.Config()
	if err != nil {
		return nil, err
	}
	out, err := filter.Package(cfg, req)
	var fault *filter.Error
	asked := errors.As(err, &fault) && fault.Field != "" && named
	if refused := s.checkKept(p.Name, req, out, err); refused != nil && !asked {
		return nil, refused
	}
	switch {
	case asked:
		path := fmt.Sprintf("%s.packages[%d].%s", s.path, place, fault.Field)
		s.p.Add(path, "%s: package %q of %s: %v", path, p.Name, s.what, fault)
		s.p.About(imageset.ListCatalog)
		return nil, nil
	case errors.As(err, &fault):
		at := fmt.Sprintf("package %q", p.Name)
		if fault.Channel != "" {
			at += fmt.Sprintf(", channel %q", fault.Channel)
		}
		s.fault(s.whyPackage(p.Name), at, fault.Why, p.Name)
		s.lost[p.Name] = true
		return nil, nil
	case err != nil:
		return nil, err
	}
	for _, n := range out.Notes {
		s.notes = append(s.notes, text.ASCII(fmt.Sprintf("%s: package %q: %s", s.what, p.Name, n)))
	}
	s.stay(p.Name, cfg, req, out)
	for _, f := range out.Faults {
		b := p.Bundle(f.Bundle)
		if b == nil {
			continue
		}
		s.fault(s.whyBundle(p, b), fmt.Sprintf("package %q, bundle %q", p.Name, f.Bundle), f.Why, f.Bundle, b.Image)
	}
	s.noteKept(p.Name)
	s.leftBehind(p, out)
	s.gathered.filtered(p, &out.Config, isDependency(req))
	return out, nil
}

// hasChannels reports those that are named and not there.
func (s *selection) hasChannels(p *catalog.Package, pkg imageset.Package, place int) bool {
	ok := true
	for k, ch := range pkg.Channels {
		if p.Channel(ch.Name) != nil {
			continue
		}
		if slices.ContainsFunc(p.Faults, func(f catalog.Fault) bool { return f.Schema == declcfg.SchemaChannel && f.Name == ch.Name }) {
			s.lost[p.Name], ok = true, false // which is reported
			continue
		}
		var names []string
		for _, c := range p.Channels {
			names = append(names, c.Name)
		}
		path := fmt.Sprintf("%s.packages[%d].channels[%d].name", s.path, place, k)
		s.p.Add(path, "%s: package %q of %s has no channel %q%s", path, p.Name, s.what, ch.Name, ask.DidYouMean(ch.Name, names))
		s.p.About(imageset.ListCatalog)
		ok = false
	}
	return ok
}
