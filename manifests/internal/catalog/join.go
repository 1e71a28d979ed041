package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/operator-framework/operator-registry/alpha/declcfg"
)

// ParseFile reads a catalog that is one file of documents. what names it in errors.
func ParseFile(what string, r io.Reader) (_ *Catalog, err error) {
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
	const name = "catalog.json"
	b := newBuilder(what, s)
	if err := b.file(name, r); err != nil {
		return nil, err
	}
	c.Packages, c.Faults, err = b.packages("")
	return c, err
}

// Joined is a package of two catalogs: how it is to be, without what is large in its
// bundles, and the names of those bundles whose documents the second one gives.
type Joined struct {
	Config declcfg.DeclarativeConfig
	Second []string
}

// Join joins two stored catalogs. What only the first has stays as it is. join says how each
// package is that the second has; first is nil where the first does not have it. What is of
// no package, and what has no schema of operator-registry's, is that of the first, if it has
// the package.
func Join(a, b *Reader, join func(first, second *declcfg.DeclarativeConfig) (*Joined, error)) (_ *Catalog, err error) {
	s, err := newSpool()
	if err != nil {
		return nil, err
	}
	j := &joining{c: &Catalog{spool: s, Faults: a.Faults}, join: join}
	defer func() {
		if err != nil {
			err = errors.Join(err, j.c.Close())
		}
	}()
	x, y := side{r: a}, side{r: b}
	if err := errors.Join(x.next(), y.next()); err != nil {
		return nil, err
	}
	for x.p != nil || y.p != nil {
		first, second := &x, &y
		if y.p == nil || x.p != nil && x.p.Name < y.p.Name {
			second = nil
		} else if x.p == nil || y.p.Name < x.p.Name {
			first = nil
		}
		if err := j.one(first, second); err != nil {
			return nil, err
		}
		for _, k := range []*side{first, second} {
			if k == nil {
				continue
			}
			if err := k.next(); err != nil {
				return nil, err
			}
		}
	}
	s.sort(func(string) bool { return true })
	return j.c, nil
}

// side is one of the catalogs, at one of its packages; nil at the end.
type side struct {
	r    *Reader
	p    *Package
	docs *Documents
}

func (s *side) next() (err error) {
	if s.p, s.docs, err = s.r.Next(); errors.Is(err, io.EOF) {
		s.p, err = nil, nil
	}
	return err
}

type joining struct {
	c    *Catalog
	join func(first, second *declcfg.DeclarativeConfig) (*Joined, error)
}

// one joins one package.
func (j *joining) one(first, second *side) error {
	switch {
	case second == nil:
		if first.p.Name != "" {
			j.c.Packages = append(j.c.Packages, *first.p)
		}
		return j.copy(first.docs, nil, func(entry) bool { return true })
	case second.p.Name == "":
		if first == nil {
			return nil
		}
		return j.copy(first.docs, nil, func(entry) bool { return true })
	case first == nil:
		return j.alone(second)
	}
	var configs [2]declcfg.DeclarativeConfig
	from := len(j.c.spool.list)
	own := func(e entry) bool { return e.Schema != declcfg.SchemaChannel && e.Schema != declcfg.SchemaDeprecation }
	if err := j.copy(first.docs, &configs[0], own); err != nil {
		return err
	}
	then := len(j.c.spool.list)
	if err := j.copy(second.docs, &configs[1], func(e entry) bool { return e.Schema == declcfg.SchemaBundle }); err != nil {
		return err
	}
	out, err := j.join(&configs[0], &configs[1])
	if err != nil {
		return err
	}
	j.keepOnly(from, then, out.Second)
	j.c.Packages = append(j.c.Packages, out.index(first.p, second.p))
	if err := addAll(j.c.spool, first.p.Name, out.Config.Channels, func(c declcfg.Channel) string { return c.Name }); err != nil {
		return err
	}
	return addAll(j.c.spool, first.p.Name, out.Config.Deprecations, func(declcfg.Deprecation) string { return "" })
}

// alone takes a package that only the second catalog has.
func (j *joining) alone(second *side) error {
	var config declcfg.DeclarativeConfig
	if err := j.copy(second.docs, &config, func(entry) bool { return true }); err != nil {
		return err
	}
	j.c.Packages = append(j.c.Packages, *second.p)
	_, err := j.join(nil, &config)
	return err
}

// copy keeps the documents that are wanted, and reads all of them into a config, if there is one.
func (j *joining) copy(docs *Documents, config *declcfg.DeclarativeConfig, wanted func(entry) bool) error {
	s := j.c.spool
	for {
		e, packed, err := docs.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && config != nil {
			var m *declcfg.Meta
			if m, err = docs.unpack(e, packed); err == nil {
				err = addTo(config, m)
			}
		}
		if err != nil {
			return err
		}
		if !wanted(e) {
			continue
		}
		if _, err := s.f.WriteAt(packed, s.end); err != nil {
			return err
		}
		s.list = append(s.list, spoolEntry{pkg: docs.pkg, entry: e, off: s.end})
		s.end += int64(len(packed))
	}
}

// keepOnly leaves out, of the documents from then on, all but those of some bundles; and of
// those from a place on up to there, the bundles of the same names.
func (j *joining) keepOnly(from, then int, names []string) {
	s := j.c.spool
	second := slices.DeleteFunc(slices.Clone(s.list[then:]), func(e spoolEntry) bool { return !slices.Contains(names, e.Name) })
	first := slices.DeleteFunc(slices.Clone(s.list[from:then]), func(e spoolEntry) bool {
		return e.Schema == declcfg.SchemaBundle && slices.Contains(names, e.Name)
	})
	s.list = slices.Concat(s.list[:from], first, second)
}

// index is the joined package.
func (o *Joined) index(first, second *Package) Package {
	p := *first
	p.Channels, p.Bundles = nil, slices.Clone(first.Bundles)
	for _, c := range o.Config.Channels {
		ch := Channel{Name: c.Name}
		for _, e := range c.Entries {
			ch.Entries = append(ch.Entries, Entry(e))
		}
		p.Channels = append(p.Channels, ch)
	}
	for _, name := range o.Second {
		if b := second.Bundle(name); b != nil {
			p.Bundles = append(slices.DeleteFunc(p.Bundles, func(b Bundle) bool { return b.Name == name }), *b)
		}
	}
	slices.SortFunc(p.Channels, func(a, b Channel) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(p.Bundles, func(a, b Bundle) int { return strings.Compare(a.Name, b.Name) })
	return p
}

// addAll keeps documents that were made anew: JSON with sorted keys, as the others are.
func addAll[T any](s *spool, pkg string, list []T, name func(T) string) error {
	for _, v := range list {
		body, err := json.Marshal(v)
		if err != nil {
			return err
		}
		var keys map[string]any
		if err := json.Unmarshal(body, &keys); err != nil {
			return err
		}
		var out bytes.Buffer
		enc := json.NewEncoder(&out)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(keys); err != nil {
			return err
		}
		schema, ok := keys["schema"].(string)
		if !ok {
			return fmt.Errorf("a document of package %q has no schema", pkg)
		}
		if err := s.add("", &declcfg.Meta{Schema: schema, Package: pkg, Name: name(v), Blob: out.Bytes()}); err != nil {
			return err
		}
	}
	return nil
}
