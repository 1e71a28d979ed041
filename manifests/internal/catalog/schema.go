package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/blang/semver/v4"
	"github.com/operator-framework/operator-registry/alpha/declcfg"
	"github.com/operator-framework/operator-registry/alpha/property"
)

const (
	maxName     = 253      // bytes of a channel's or bundle's name
	maxShown    = 64       // bytes of a name that was not checked
	maxProperty = 64 << 10 // bytes of a property that is looked at
)

// document takes what the index needs from one document. What is wrong with one of a
// package is recorded, and then it is not kept; the error is for one that is of none.
func (b *builder) document(src *source, doc document) error {
	m, err := doc.meta()
	if err != nil {
		return err
	}
	switch {
	case m.Schema == "":
		return errors.New("it has no schema")
	case isTemplate(m.Schema):
		return fmt.Errorf("it is a template (%s), from which opm alpha render-template makes a catalog", m.Schema)
	}
	pkg := m.Package
	switch m.Schema {
	case declcfg.SchemaPackage:
		pkg, err = m.Name, b.addPackage(src.name, m.Blob)
	case declcfg.SchemaChannel:
		err = b.addChannel(src.name, m.Blob)
	case declcfg.SchemaBundle:
		err = b.addBundle(src.name, m)
	case declcfg.SchemaDeprecation:
		err = json.Unmarshal(m.Blob, new(declcfg.Deprecation))
	}
	var full *fullError
	switch {
	case errors.As(err, &full):
		return err
	case err != nil && pkg == "":
		return fmt.Errorf("%s %q: %w", m.Schema, cut(m.Name), err)
	case err != nil:
		return b.blame(src.name, pkg, m.Schema, m.Name, err)
	}
	if pkg != "" && len(pkg) <= maxName && !slices.Contains(src.pkgs, pkg) && len(src.pkgs) < maxFaults {
		src.pkgs = append(src.pkgs, pkg)
	}
	if err := b.keep(len(m.Name)); err != nil {
		return err
	}
	if err := b.spool.add(src.name, m); err != nil {
		return &fullError{err}
	}
	return nil
}

// isTemplate knows the schemas of what opm makes catalogs from.
func isTemplate(schema string) bool {
	return schema == "olm.semver" || strings.HasPrefix(schema, "olm.template.") || strings.HasPrefix(schema, "olm.composite")
}

func (b *builder) addPackage(file string, blob []byte) error {
	var p declcfg.Package
	if err := json.Unmarshal(blob, &p); err != nil {
		return err
	}
	if err := checkName("its name", p.Name); err != nil {
		return err
	}
	if p.DefaultChannel != "" {
		if err := checkName("its default channel", p.DefaultChannel); err != nil {
			return err
		}
	}
	b.pkgs = append(b.pkgs, packageRecord{file, p.Name, p.DefaultChannel})
	return b.keep(len(p.Name) + len(p.DefaultChannel))
}

func (b *builder) addChannel(file string, blob []byte) error {
	var c declcfg.Channel
	if err := json.Unmarshal(blob, &c); err != nil {
		return err
	}
	if c.Package == "" {
		return errors.New("it has no package")
	}
	if err := checkName("its name", c.Name); err != nil {
		return err
	}
	rec := channelRecord{file: file, pkg: c.Package, Channel: Channel{Name: c.Name}}
	size, seen := len(c.Package)+len(c.Name), map[string]bool{}
	for _, e := range c.Entries {
		if err := checkName("the name of an entry", e.Name); err != nil {
			return err
		}
		if seen[e.Name] {
			if err := b.blame(file, c.Package, c.Schema, c.Name, fmt.Errorf("it has the entry %q twice", e.Name)); err != nil {
				return err
			}
			continue
		}
		seen[e.Name] = true
		rec.Entries = append(rec.Entries, Entry(e))
		for _, s := range append(e.Skips, e.Name, e.Replaces, e.SkipRange) {
			size += len(s) + 16
		}
	}
	b.chans = append(b.chans, rec)
	return b.keep(size)
}

// bundle is [declcfg.Bundle] without the properties that are large.
type bundle struct {
	Name          string                 `json:"name"`
	Package       string                 `json:"package"`
	Image         string                 `json:"image"`
	Properties    []bundleProperty       `json:"properties"`
	RelatedImages []declcfg.RelatedImage `json:"relatedImages"`
}

type bundleProperty struct {
	Type  string `json:"type"`
	Value small  `json:"value"`
}

// small is JSON that is skipped when it is large.
type small []byte

func (s *small) UnmarshalJSON(b []byte) error {
	if len(b) <= maxProperty {
		*s = append((*s)[:0], b...)
	}
	return nil
}

// addBundle takes a bundle, and mends its document. One that operator-registry cannot have
// is in the index with its images, for whoever carries the catalog as it is.
func (b *builder) addBundle(file string, m *declcfg.Meta) error {
	var in bundle
	if err := json.Unmarshal(m.Blob, &in); err != nil {
		return err
	}
	if in.Package == "" {
		return errors.New("it has no package")
	}
	if err := checkName("its name", in.Name); err != nil {
		return err
	}
	rec := bundleRecord{file: file, pkg: in.Package, Bundle: Bundle{Name: in.Name, Image: strings.TrimSpace(in.Image)}}
	p, wrong := in.identity()
	if p != nil {
		rec.Version, rec.Release = p.Version, p.Release
	}
	rec.MostOpenShift = in.mostOpenShift()
	for _, r := range in.RelatedImages {
		name := strings.TrimSpace(r.Image)
		if name == "" {
			continue // real catalogs have such: see operator-registry, alpha/model, Bundle.Validate
		}
		n, err := b.image(name)
		if err != nil {
			return err
		}
		rec.related = append(rec.related, n)
	}
	needs := b.addNeeds(&rec, in.Properties)
	var full *fullError
	if errors.As(needs, &full) {
		return needs
	}
	if wrong == nil {
		wrong = needs
	}
	if rec.Trimmed = in.trimmed(); wrong == nil {
		wrong = b.mend(file, m, &in)
	} else {
		rec.Fault = plain(wrong.Error())
	}
	b.bundles = append(b.bundles, rec)
	if err := b.keep(len(in.Package) + len(in.Name) + len(in.Image) + len(rec.Version) + len(rec.Fault)); err != nil {
		return err
	}
	return wrong
}

// minorVersion is what olm.maxOpenShiftVersion holds: a string, or a number in older bundles.
var minorVersion = regexp.MustCompile(`^"?v?([0-9]{1,4}\.[0-9]{1,4})(\.[0-9]+)?"?$`)

// mostOpenShift reads the property; of several, the last counts.
func (in *bundle) mostOpenShift() (most string) {
	for _, p := range in.Properties {
		if m := minorVersion.FindSubmatch(p.Value); p.Type == "olm.maxOpenShiftVersion" && m != nil {
			most = string(m[1])
		}
	}
	return most
}

// addNeeds takes what the bundle brings and what it needs.
func (b *builder) addNeeds(rec *bundleRecord, list []bundleProperty) error {
	for _, p := range list {
		var to *[]int
		var v any
		switch p.Type {
		case property.TypeGVK:
			to, v = &rec.provides, new(property.GVK)
			if err := json.Unmarshal(p.Value, v); err != nil {
				return fmt.Errorf("its %s property: %w", p.Type, err)
			}
		case property.TypeGVKRequired, property.TypePackageRequired, property.TypeConstraint:
			to, v = &rec.requires, property.Property{Type: p.Type, Value: json.RawMessage(p.Value)}
		default:
			continue
		}
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("its %s property: %w", p.Type, err)
		}
		n, err := b.image(string(text))
		if err != nil {
			return err
		}
		*to = append(*to, n)
	}
	return nil
}

// identity checks the bundle's olm.package property, of which it has one, and
// that there is something to install from. The property may come with an error, if its
// version is one.
func (in *bundle) identity() (*property.Package, error) {
	var list []property.Package
	inline := false
	for _, prop := range in.Properties {
		inline = inline || prop.Type == property.TypeBundleObject
		if prop.Type != property.TypePackage {
			continue
		}
		var p property.Package
		if err := json.Unmarshal(prop.Value, &p); err != nil {
			return nil, fmt.Errorf("its olm.package property: %w", err)
		}
		list = append(list, p)
	}
	if len(list) != 1 {
		return nil, fmt.Errorf("it has %d olm.package properties, not 1", len(list))
	}
	p := &list[0]
	if _, err := semver.Parse(p.Version); err != nil {
		return nil, fmt.Errorf("its version %q: %w", cut(p.Version), err)
	}
	if p.Release != "" {
		if v, err := semver.Parse("0.0.0-" + p.Release); err != nil || len(v.Build) > 0 {
			err = fmt.Errorf("its release %q is not the last part of a semantic version", cut(p.Release))
			p.Release = ""
			return p, err
		}
	}
	switch {
	case p.PackageName != in.Package:
		return p, fmt.Errorf("its olm.package property is of package %q, not %q", cut(p.PackageName), cut(in.Package))
	case in.Image == "" && !inline:
		return p, errors.New("it has no image")
	}
	return p, nil
}

// checkName wants a name that can be shown.
func checkName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%s is empty", what)
	case len(name) > maxName:
		return fmt.Errorf("%s has %d bytes, more than %d", what, len(name), maxName)
	case strings.ContainsFunc(name, func(c rune) bool { return !unicode.IsPrint(c) }):
		return fmt.Errorf("%s %q has characters that cannot be shown", what, name)
	}
	return nil
}

// cut is a name that was not checked, for a message.
func cut(s string) string {
	if len(s) <= maxShown {
		return s
	}
	return s[:maxShown] + "..."
}
