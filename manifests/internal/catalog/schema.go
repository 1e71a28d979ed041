package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/blang/semver/v4"
	"github.com/operator-framework/operator-registry/alpha/declcfg"
	"github.com/operator-framework/operator-registry/alpha/property"
	"k8s.io/apimachinery/pkg/util/validation"
)

const (
	maxName     = 253      // bytes of a channel's or bundle's name
	maxShown    = 64       // bytes of a name that was not checked
	maxProperty = 64 << 10 // bytes of a property that is looked at
)

// document takes what the index needs from one document.
func (b *builder) document(file string, doc document) error {
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
	switch m.Schema {
	case declcfg.SchemaPackage:
		err = b.addPackage(file, m.Blob)
	case declcfg.SchemaChannel:
		err = b.addChannel(file, m.Blob)
	case declcfg.SchemaBundle:
		err = b.addBundle(file, m.Blob)
	case declcfg.SchemaDeprecation:
		err = json.Unmarshal(m.Blob, new(declcfg.Deprecation))
	}
	if err != nil {
		return fmt.Errorf("%s %q: %w", m.Schema, cut(m.Name), err)
	}
	if err := b.keep(len(m.Name)); err != nil {
		return err
	}
	if err := b.spool.add(file, m); err != nil {
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
	if errs := validation.IsDNS1123Label(p.Name); len(errs) > 0 { // as operator-registry, ConvertToModel
		return fmt.Errorf("its name is not one of a package: %s", errs[0])
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
			return fmt.Errorf("it has the entry %q twice", e.Name)
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

// small is JSON that is passed over when it is large.
type small []byte

func (s *small) UnmarshalJSON(b []byte) error {
	if len(b) <= maxProperty {
		*s = append((*s)[:0], b...)
	}
	return nil
}

func (b *builder) addBundle(file string, blob []byte) error {
	var in bundle
	if err := json.Unmarshal(blob, &in); err != nil {
		return err
	}
	if in.Package == "" {
		return errors.New("it has no package")
	}
	if err := checkName("its name", in.Name); err != nil {
		return err
	}
	p, err := in.identity()
	if err != nil {
		return err
	}
	rec := bundleRecord{file: file, pkg: in.Package, Bundle: Bundle{Name: in.Name, Version: p.Version, Release: p.Release, Image: in.Image}}
	for _, r := range in.RelatedImages {
		if r.Image == "" {
			continue // real catalogs have such: see operator-registry, alpha/model, Bundle.Validate
		}
		n, err := b.image(r.Image)
		if err != nil {
			return err
		}
		rec.related = append(rec.related, n)
	}
	if err := b.addNeeds(&rec, in.Properties); err != nil {
		return err
	}
	b.bundles = append(b.bundles, rec)
	return b.keep(len(in.Package) + len(in.Name) + len(in.Image) + len(p.Version))
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
// that there is something to install from.
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
	switch {
	case len(list) != 1:
		return nil, fmt.Errorf("it has %d olm.package properties, not 1", len(list))
	case list[0].PackageName != in.Package:
		return nil, fmt.Errorf("its olm.package property is of package %q, not %q", cut(list[0].PackageName), cut(in.Package))
	case in.Image == "" && !inline:
		return nil, errors.New("it has no image")
	}
	if _, err := semver.Parse(list[0].Version); err != nil {
		return nil, fmt.Errorf("its version %q: %w", cut(list[0].Version), err)
	}
	if r := list[0].Release; r != "" {
		if v, err := semver.Parse("0.0.0-" + r); err != nil || len(v.Build) > 0 {
			return nil, fmt.Errorf("its release %q is not the last part of a semantic version", cut(r))
		}
	}
	return &list[0], nil
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
