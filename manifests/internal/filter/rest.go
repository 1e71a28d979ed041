package filter

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/operator-framework/operator-registry/alpha/declcfg"
)

// rest takes what belongs to the channels and bundles that are left.
func (f *filter) rest() error {
	pkg := f.cfg.Packages[0]
	var err error
	if pkg.DefaultChannel, err = f.defaultChannel(pkg.DefaultChannel); err != nil {
		return err
	}
	out := &f.out.Config
	out.Packages = []declcfg.Package{pkg}
	for _, b := range f.cfg.Bundles {
		if f.selected[b.Name] {
			out.Bundles = append(out.Bundles, b)
			f.out.Bundles = append(f.out.Bundles, b.Name)
		}
	}
	slices.Sort(f.out.Bundles)
	for _, d := range f.cfg.Deprecations {
		entries := d.Entries
		d.Entries = nil
		for _, e := range entries {
			if f.applies(e.Reference) {
				d.Entries = append(d.Entries, e)
			}
		}
		if len(d.Entries) > 0 {
			out.Deprecations = append(out.Deprecations, d)
		}
	}
	out.Others = slices.Clone(f.cfg.Others)
	return nil
}

// applies reports whether what is deprecated is left. What refers to something
// that never was is left in, for the model to refuse.
func (f *filter) applies(r declcfg.PackageScopedReference) bool {
	switch r.Schema {
	case declcfg.SchemaBundle:
		_, there := f.versions[r.Name]
		return f.selected[r.Name] || !there
	case declcfg.SchemaChannel:
		named := func(c declcfg.Channel) bool { return c.Name == r.Name }
		return slices.ContainsFunc(f.out.Config.Channels, named) || !slices.ContainsFunc(f.cfg.Channels, named)
	}
	return true
}

// defaultChannel is one of the channels that are left: the one that is asked for,
// the catalog's own, or the only one.
func (f *filter) defaultChannel(own string) (string, error) {
	left := f.out.Config.Channels
	has := func(name string) bool {
		return slices.ContainsFunc(left, func(c declcfg.Channel) bool { return c.Name == name })
	}
	why := fmt.Sprintf("the default channel of the catalog is %q, which is left out", own)
	if own == "" {
		why = "the catalog names no default channel"
	}
	switch asked := f.req.Default; {
	case asked != "" && has(asked):
		return asked, nil
	case asked != "":
		return "", &Error{Field: "defaultChannel", Why: fmt.Sprintf("the default channel %q is not among the channels that are left: name one of %s", asked, names(left))}
	case has(own):
		return own, nil
	case len(left) == 1 || f.req.Only:
		f.out.Notes = append(f.out.Notes, fmt.Sprintf("%s; %q becomes the default channel", why, left[0].Name))
		return left[0].Name, nil
	}
	return "", &Error{Field: "name", Why: why + ": set defaultChannel to one of " + names(left)}
}

// check asks operator-registry's model.
func (f *filter) check() error {
	cfg := f.out.Config
	cfg.Bundles = slices.Clone(cfg.Bundles)
	for i := range cfg.Bundles { // which the model rewrites
		cfg.Bundles[i].Properties = slices.Clone(cfg.Bundles[i].Properties)
	}
	if _, err := declcfg.ConvertToModel(cfg); err != nil {
		return &Error{Why: "operator-registry refuses it: " + oneLine(err)}
	}
	return nil
}

// oneLine makes a line, of nothing that a terminal obeys, of the trees that
// operator-registry draws of errors.
func oneLine(err error) string {
	const most = 500
	fields := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' })
	for i, s := range fields {
		fields[i] = strings.Trim(s, " │├└─")
	}
	s := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.Join(fields, " "))
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
