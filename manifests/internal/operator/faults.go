package operator

import (
	"fmt"
	"slices"
	"strings"

	"github.com/operator-framework/operator-registry/alpha/declcfg"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/catalog"
	"github.com/satchel-airgap/satchel/manifests/internal/filter"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// fault reports something of the catalog that can never be right, as a gap: the rest is
// carried. The gap has the catalog's reference, and a digest of its own, because nothing
// else can be named. blockedImages may leave it out by one of names.
func (s *selection) fault(why oci.Reason, at, what string, names ...string) {
	if s.faults++; s.faults > MaxCatalogErrors {
		return
	}
	s.gapOf(why, at, what, names)
}

func (s *selection) gapOf(why oci.Reason, at, what string, names []string) {
	err := &ask.FaultError{What: text.ASCII(at), Why: text.ASCII(what), Names: names}
	w := s.list[0]
	s.errs = append(s.errs, &oci.Gap{Err: err, Image: oci.Image{Origin: origin.Operator, Source: w.Ref, Path: w.Path,
		Root: oci.Descriptor{Digest: oci.Digest([]byte(err.Error()))}, Reasons: []oci.Reason{why}}})
}

// manyFaults reports how many faults are not listed one by one.
func (s *selection) manyFaults() {
	if more := s.passed - maxPassed; more > 0 {
		s.notes = append(s.notes, text.ASCII(fmt.Sprintf("%s: %d more things in it are mended or skipped", s.what, more)))
	}
	if more := s.faults - MaxCatalogErrors; more > 0 {
		s.gapOf(s.whyCatalog(), "the rest of the catalog", fmt.Sprintf("%d more things in it cannot be carried", more), nil)
	}
}

func (s *selection) whyCatalog() oci.Reason {
	return oci.Reason{Kind: origin.KindCatalog, Name: s.list[0].Ref.String()}
}

func (s *selection) whyPackage(name string) oci.Reason {
	return oci.Reason{Kind: origin.KindOperator, Name: name, Part: "package", Catalog: s.list[0].Ref.String()}
}

// fileFaults reports the files that could not be read, if they may be about what is asked
// for; others are skipped, and noted.
func (s *selection) fileFaults(list []catalog.FileFault) {
	for _, f := range list {
		at := fmt.Sprintf("file %q", f.File)
		wanted := len(s.o.Packages) == 0 || slices.ContainsFunc(f.Packages, func(name string) bool { _, ok := s.asked[name]; return ok })
		if wanted {
			s.fault(s.whyCatalog(), at, f.Why, f.Packages...)
			for _, name := range f.Packages {
				s.found[name] = true // as far as anyone can say
			}
		} else {
			s.note("%s is skipped: %s", at, f.Why)
		}
	}
}

func (s *selection) note(format string, args ...any) {
	if s.passed++; s.passed <= maxPassed {
		s.notes = append(s.notes, text.ASCII(s.what+": "+fmt.Sprintf(format, args...)))
	}
}

// maxPassed bounds how many repaired or skipped things of a catalog are noted.
const maxPassed = 50

// packageFaults reports what of a package was skipped: as a gap if it is asked for,
// and else as a note. Of a catalog that is carried whole nothing is missing as long as
// its images are known.
func (s *selection) packageFaults(p *catalog.Package, req filter.Request) {
	for _, f := range p.Faults {
		at := fmt.Sprintf("package %q, %s %q", p.Name, strings.TrimPrefix(f.Schema, "olm."), f.Name)
		why := fmt.Sprintf("%s (in file %q)", f.Why, f.File)
		b := p.Bundle(f.Name)
		switch {
		case f.Schema == declcfg.SchemaBundle && b != nil && b.Fault != "" && s.whole():
		case f.Schema == declcfg.SchemaBundle && b != nil && b.Fault != "" && asksFor(p, b, req):
			s.fault(s.whyBundle(p, b), at, why, f.Name, b.Image)
		case f.Schema == declcfg.SchemaBundle && b == nil && req.Full:
			s.fault(s.whyPackage(p.Name), at, why, f.Name)
		case f.Schema == declcfg.SchemaChannel && p.Channel(f.Name) == nil && asksForChannel(req, f.Name):
			s.fault(s.whyPackage(p.Name), at, why, f.Name)
		default:
			s.note("%s is skipped: %s", at, why)
		}
	}
}

func (s *selection) whyBundle(p *catalog.Package, b *catalog.Bundle) oci.Reason {
	why := s.whyPackage(p.Name + " " + b.FullVersion())
	why.Part = "bundle"
	return why
}

func asksForChannel(req filter.Request, name string) bool {
	named := func(c filter.Channel) bool { return c.Name == name }
	return !req.Only && (len(req.Channels) == 0 || slices.ContainsFunc(req.Channels, named))
}

// asksFor reports whether a request means a bundle: all of a channel, a range that has its
// version, or the head that it is.
func asksFor(p *catalog.Package, b *catalog.Bundle, req filter.Request) bool {
	if slices.Contains(req.Also, b.Name) {
		return true
	}
	for _, ch := range p.Channels {
		if !asksForChannel(req, ch.Name) || !slices.ContainsFunc(ch.Entries, func(e catalog.Entry) bool { return e.Name == b.Name }) {
			continue
		}
		rng := req.Range
		for _, c := range req.Channels {
			if c.Name == ch.Name && c.Range != (filter.Range{}) {
				rng = c.Range
			}
		}
		head, err := ch.Head()
		switch {
		case req.Full, rng != (filter.Range{}) && rng.Has(b.Version, b.Release), rng == (filter.Range{}) && err == nil && head == b.Name:
			return true
		}
	}
	return false
}

// trimmed notes the references that had white space around them.
func (s *selection) trimmed(b *catalog.Bundle) {
	for _, name := range b.Trimmed {
		s.note("bundle %q: the white space around the image reference %q is left out", b.Name, name)
	}
}
