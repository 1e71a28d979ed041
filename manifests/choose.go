package manifests

import (
	"errors"
	"fmt"
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/catalog"
	"github.com/satchel-airgap/satchel/manifests/internal/filter"
)

// choose takes what is asked for of one package.
func (s *selection) choose(p *catalog.Package, docs *catalog.Documents) error {
	var pkg Package
	place, named := s.asked[p.Name]
	others := s.also[p.Name]
	asked := true
	switch {
	case named:
		pkg = s.o.Packages[place]
		delete(s.asked, p.Name)
	case len(s.o.Packages) > 0:
		s.names = append(s.names, p.Name)
		asked = false
	}
	var chosen []string
	switch {
	case !asked && len(others) == 0:
	case s.o.Full && !named && asked: // the catalog as it is
		for _, b := range p.Bundles {
			chosen = append(chosen, b.Name)
		}
		s.gathered.whole(p)
	default:
		req := pkg.request(s.o.Full)
		req.Also, req.Only = others, !asked
		if !s.hasChannels(p, pkg, place) {
			return nil
		}
		var err error
		if chosen, err = s.filter(p, docs, req, place, named); err != nil {
			return err
		}
	}
	for i := range p.Bundles {
		if b := &p.Bundles[i]; slices.Contains(chosen, b.Name) {
			s.images(p, b)
		}
	}
	s.learn(p, chosen)
	return nil
}

// request is what the configuration asks of a package.
func (pkg *Package) request(full bool) filter.Request {
	r := filter.Request{Full: full, Default: pkg.DefaultChannel, Range: filter.Range{Min: pkg.MinVersion, Max: pkg.MaxVersion}}
	for _, ch := range pkg.Channels {
		r.Channels = append(r.Channels, filter.Channel{Name: ch.Name, Range: filter.Range{Min: ch.MinVersion, Max: ch.MaxVersion}})
	}
	return r
}

// filter chooses bundles, and has the package that they are checked. What is wrong
// is reported where it was asked for.
func (s *selection) filter(p *catalog.Package, docs *catalog.Documents, req filter.Request, place int, named bool) ([]string, error) {
	cfg, err := docs.Config()
	if err != nil {
		return nil, err
	}
	out, err := filter.Package(cfg, req)
	var fault *filter.Error
	switch {
	case errors.As(err, &fault) && fault.Field != "" && named:
		path := fmt.Sprintf("%s.packages[%d].%s", s.path, place, fault.Field)
		s.p.add(path, "%s: package %q of %s: %v", path, p.Name, s.what, fault)
		return nil, nil
	case errors.As(err, &fault):
		at := fmt.Sprintf("package %q", p.Name)
		if fault.Channel != "" {
			at += fmt.Sprintf(", channel %q", fault.Channel)
		}
		s.fault(at, fault.Why)
		return nil, nil
	case err != nil:
		return nil, err
	}
	for _, n := range out.Notes {
		s.notes = append(s.notes, plain(fmt.Sprintf("%s: package %q: %s", s.what, p.Name, n)))
	}
	s.gathered.filtered(p, &out.Config, req.Only)
	// A catalog that is carried whole has them: whoever installs one needs its images.
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(out.Bundles, out.Stranded)))), nil
}

// hasChannels reports those that are named and not there.
func (s *selection) hasChannels(p *catalog.Package, pkg Package, place int) bool {
	ok := true
	for k, ch := range pkg.Channels {
		if p.Channel(ch.Name) != nil {
			continue
		}
		var names []string
		for _, c := range p.Channels {
			names = append(names, c.Name)
		}
		path := fmt.Sprintf("%s.packages[%d].channels[%d].name", s.path, place, k)
		s.p.add(path, "%s: package %q of %s has no channel %q%s", path, p.Name, s.what, ch.Name, didYouMean(ch.Name, names))
		ok = false
	}
	return ok
}
