package filter

import (
	"fmt"
	"slices"
	"strings"

	"github.com/operator-framework/operator-registry/alpha/declcfg"
)

// Channel is one that is asked for by name. Without a range its head is meant.
type Channel struct {
	Name string
	Range
}

// Request is what is asked of one package. With neither channels nor a range it is
// the head of every channel.
type Request struct {
	Full     bool // everything of the channels that are named, or of all
	Channels []Channel
	Range           // of every channel, when none is named
	Default  string // the default channel, which must be left
	// Also are bundles that are chosen in addition, in every channel that has them.
	Also []string
	// Keep are bundles that are chosen in addition, each in one channel: names by channel.
	Keep map[string][]string
	// KeepDefault becomes the default channel where the catalog's own is left out and none
	// was asked for; it may not be left either.
	KeepDefault string
	// Installed are bundles of clusters: where the head of a channel is asked for, what leads
	// there from the lowest of these is chosen too.
	Installed []Installed
	// Only: nothing is chosen but the bundles in Also and Keep.
	Only bool
	// Without are bundles of the catalog that cannot be served; they are left out.
	Without []string
}

// added are the bundles that are chosen in addition.
func (r Request) added() []string {
	list := slices.Clone(r.Also)
	for _, names := range r.Keep {
		list = append(list, names...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Result is the package that was asked for.
type Result struct {
	Config  declcfg.DeclarativeConfig
	Bundles []string // names, sorted
	// Stranded are bundles that are asked for and from which no update leads to the
	// newest of them: a filtered channel cannot have them.
	Stranded []string
	// Faults are bundles that are asked for and that no filtered catalog can have:
	// operator-registry refuses a package with them.
	Faults []Fault
	Notes  []string // what its reader may not expect, without the package's name
}

// Fault says of a bundle what is wrong with it.
type Fault struct{ Bundle, Why string }

// Error says why a package cannot be filtered, in one line without the package's
// name.
type Error struct {
	Channel string // which it is about; empty for the package
	// Field is the key that asked for it, in the package of the configuration;
	// empty for a fault of the catalog.
	Field string
	Why   string // with what to do
}

func (e *Error) Error() string {
	if e.Channel == "" {
		return e.Why
	}
	return fmt.Sprintf("channel %q: %s", e.Channel, e.Why)
}

// Package filters the one package of cfg, which it leaves as it is. The error is an
// *[Error]. A bundle that operator-registry refuses is left out, and the rest is
// filtered without it.
func Package(cfg *declcfg.DeclarativeConfig, req Request) (*Result, error) {
	if len(cfg.Packages) != 1 {
		return nil, &Error{Why: fmt.Sprintf("there are %d packages of this name", len(cfg.Packages))}
	}
	rest, faults := unreadable(cfg)
	for _, name := range req.Without {
		rest = without(rest, []Fault{{Bundle: name}})
	}
	for {
		f := &filter{cfg: rest, req: req, versions: map[string]version{}, selected: map[string]bool{}, also: map[string]bool{}}
		err := f.run()
		if err == nil {
			refused := f.check()
			if refused == nil {
				f.out.Faults = askedFor(faults, req, cfg)
				return &f.out, nil
			}
			more := culprits(&f.out.Config)
			if len(more) > 0 {
				faults = append(faults, more...)
				rest = without(rest, more)
				continue
			}
			err = refused
		}
		if len(faults) > 0 { // without those there is nothing of what was asked
			return nil, &Error{Why: fmt.Sprintf("bundle %q: %s", faults[0].Bundle, faults[0].Why)}
		}
		return nil, err
	}
}

// run chooses and makes the package of what is chosen.
func (f *filter) run() error {
	for i := range f.cfg.Bundles {
		v, err := versionOf(&f.cfg.Bundles[i])
		if err != nil {
			return &Error{Why: oneLine(err)}
		}
		f.versions[f.cfg.Bundles[i].Name] = v
	}
	for _, name := range f.req.Also {
		f.also[name] = true
	}
	if err := f.channels(); err != nil {
		return err
	}
	return f.rest()
}

type filter struct {
	cfg      *declcfg.DeclarativeConfig
	req      Request
	versions map[string]version // of the bundles that are there
	also     map[string]bool
	selected map[string]bool // bundles
	emptied  []string        // channels that have nothing in the package's range
	out      Result
}

// channels filters each channel, in the order of their names.
func (f *filter) channels() error {
	list := slices.Clone(f.cfg.Channels)
	slices.SortStableFunc(list, func(a, b declcfg.Channel) int { return strings.Compare(a.Name, b.Name) })
	for i, ch := range f.req.Channels {
		if !slices.ContainsFunc(list, func(c declcfg.Channel) bool { return c.Name == ch.Name }) {
			return &Error{Field: fmt.Sprintf("channels[%d].name", i), Why: fmt.Sprintf("there is no channel %q; there are %s", ch.Name, names(list))}
		}
	}
	for _, c := range list {
		entries, err := f.channel(&c)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			continue
		}
		c.Entries = entries
		f.out.Config.Channels = append(f.out.Config.Channels, c)
		for _, e := range entries {
			f.selected[e.Name] = true
		}
	}
	if len(f.out.Config.Channels) == 0 || len(f.req.Channels) == 0 && len(f.emptied) == len(list) {
		return f.nothing(list)
	}
	f.emptied = slices.DeleteFunc(f.emptied, func(name string) bool {
		return slices.ContainsFunc(f.out.Config.Channels, func(c declcfg.Channel) bool { return c.Name == name })
	})
	if len(f.emptied) > 0 {
		f.out.Notes = append(f.out.Notes, "no version in the range is in "+some(f.emptied)+", left out")
	}
	return nil
}

// ask says what is asked of a channel, and which key does.
func (f *filter) ask(name string) (rng Range, field string, asked bool) {
	if f.req.Only {
		return Range{}, "", false
	}
	if len(f.req.Channels) == 0 {
		return f.req.Range, "", true
	}
	i := slices.IndexFunc(f.req.Channels, func(c Channel) bool { return c.Name == name })
	if i < 0 {
		return Range{}, "", false
	}
	if rng = f.req.Channels[i].Range; rng == (Range{}) {
		rng = f.req.Range
	}
	return rng, fmt.Sprintf("channels[%d]", i), true
}

// inRange adds the entries whose versions are in a range.
func (f *filter) inRange(g *graph, channel, field string, rng Range, wanted map[int]bool) error {
	b, err := rng.parse()
	if err != nil {
		return &Error{Channel: channel, Field: rng.field(field), Why: err.Error()}
	}
	is := b.has
	if slices.ContainsFunc(g.versions, b.exact) {
		is = b.exact
	}
	found := false
	for i, v := range g.versions {
		if is(v) {
			wanted[i], found = true, true
		}
	}
	switch {
	case found:
	case field != "":
		return &Error{Channel: channel, Field: rng.field(field), Why: "no version is in the range " + rng.String() + nearest(g.versions, b)}
	default:
		f.emptied = append(f.emptied, channel)
	}
	return nil
}

// field is the key of the bound that a message is about.
func (r Range) field(of string) string {
	if of != "" {
		of += "."
	}
	if r.Min == "" {
		return of + "maxVersion"
	}
	return of + "minVersion"
}

func (r Range) String() string {
	switch {
	case r.Min == "":
		return "<=" + r.Max
	case r.Max == "":
		return ">=" + r.Min
	case r.Min == r.Max:
		return r.Min
	}
	return ">=" + r.Min + " <=" + r.Max
}

// nothing says that no channel is left.
func (f *filter) nothing(list []declcfg.Channel) error {
	switch {
	case len(list) == 0:
		return &Error{Why: "it has no channel"}
	case f.req.Only:
		return &Error{Why: "none of its channels has " + some(f.req.added())}
	}
	if f.req.Range == (Range{}) {
		return &Error{Why: "none of its channels has a bundle that can be carried"}
	}
	b, err := f.req.parse()
	if err != nil {
		return &Error{Field: f.req.field(""), Why: err.Error()}
	}
	var all []version
	for _, c := range list {
		for _, e := range c.Entries {
			all = append(all, f.versions[e.Name])
		}
	}
	return &Error{Field: f.req.field(""), Why: "no version of any channel is in the range " + f.req.Range.String() + nearest(all, b)}
}

// nearest names the versions on both sides of a range in which there is none.
func nearest(list []version, b bounds) string {
	var below, above *version
	for i := range list {
		v := &list[i]
		if b.min != nil && v.against(*b.min) < 0 {
			if below == nil || v.compare(*below) > 0 {
				below = v
			}
		} else if above == nil || v.compare(*above) < 0 {
			above = v
		}
	}
	switch {
	case below != nil && above != nil:
		return fmt.Sprintf("; the nearest that are there are %s and %s", below, above)
	case below != nil:
		return fmt.Sprintf("; the highest that is there is %s", below)
	case above != nil:
		return fmt.Sprintf("; the lowest that is there is %s", above)
	}
	return ""
}

func names(list []declcfg.Channel) string {
	var out []string
	for _, c := range list {
		out = append(out, c.Name)
	}
	return some(out)
}

// some lists the first names of many.
func some(list []string) string {
	const most = 10
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}
