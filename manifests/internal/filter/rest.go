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
	f.deprecations()
	out.Others = slices.Clone(f.cfg.Others)
	return nil
}

// deprecations takes, in one document, what is said of what is left. What
// operator-registry refuses is left out: an older one does not even look at it.
func (f *filter) deprecations() {
	var one declcfg.Deprecation
	seen, odd := map[declcfg.PackageScopedReference]bool{}, []string{}
	for _, d := range f.cfg.Deprecations {
		for _, e := range d.Entries {
			switch keep, fits := f.applies(e.Reference); {
			case !fits || e.Message == "" || seen[e.Reference]:
				odd = append(odd, strings.TrimSpace(e.Reference.Schema+" "+e.Reference.Name))
			case keep:
				one.Entries = append(one.Entries, e)
			}
			seen[e.Reference] = true
		}
		one.Schema, one.Package = d.Schema, d.Package
	}
	if len(odd) > 0 {
		f.note("deprecations that operator-registry refuses are left out: %s", some(odd))
	}
	if len(one.Entries) > 0 {
		f.out.Config.Deprecations = append(f.out.Config.Deprecations, one)
	}
}

// applies reports whether what is deprecated is left, and whether it is something of
// the catalog at all.
func (f *filter) applies(r declcfg.PackageScopedReference) (keep, fits bool) {
	switch r.Schema {
	case declcfg.SchemaBundle:
		_, there := f.versions[r.Name]
		return f.selected[r.Name], there
	case declcfg.SchemaChannel:
		named := func(c declcfg.Channel) bool { return c.Name == r.Name }
		return slices.ContainsFunc(f.out.Config.Channels, named), slices.ContainsFunc(f.cfg.Channels, named)
	case declcfg.SchemaPackage:
		return r.Name == "", r.Name == ""
	}
	return false, false
}

// defaultChannel is one of the channels that are left: the one that is asked for, the
// catalog's own, or the one that is named alone.
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
	case f.req.KeepDefault != "" && has(f.req.KeepDefault):
		f.note("%s; %q stays the default channel", why, f.req.KeepDefault)
		return f.req.KeepDefault, nil
	}
	becomes := ""
	switch named := f.req.Channels; {
	case len(named) == 1 && has(named[0].Name):
		becomes = named[0].Name
	case f.req.Only, len(left) == 1 && !slices.ContainsFunc(f.cfg.Channels, func(c declcfg.Channel) bool { return c.Name == own }):
		becomes = left[0].Name
	}
	if becomes != "" {
		f.note("%s; %q becomes the default channel", why, becomes)
		return becomes, nil
	}
	return "", &Error{Field: "name", Why: why + ": set defaultChannel to one of " + names(left)}
}

// oneLine turns operator-registry's tree of errors into one line without control
// characters.
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
