package catalogmerge

import (
	"fmt"
	"slices"
	"strings"

	"github.com/blang/semver/v4"
	"github.com/operator-framework/operator-registry/alpha/declcfg"
	"github.com/operator-framework/operator-registry/alpha/property"

	"github.com/satchel-airgap/satchel/manifests/internal/filter"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Merged is a package of today's catalog with what only the kept one has.
type Merged struct {
	Config declcfg.DeclarativeConfig
	// Keep are the bundles that the result must have, by channel: all that the kept
	// package had.
	Keep map[string][]string
	// Default is the default channel of the kept package.
	Default string
	// Kept are the bundles, sorted, whose documents are those of the kept package.
	Kept []string
	// Whole says that today's catalog does not have the package.
	Whole bool
	// Notes say what was withdrawn, deprecated or built again since, a line each, without
	// the package's name.
	Notes []string
}

// Error says why a package cannot be joined.
type Error struct {
	Channel string // which it is about; empty for the package
	Why     string
}

func (e *Error) Error() string {
	if e.Channel == "" {
		return e.Why
	}
	return fmt.Sprintf("channel %q: %s", e.Channel, e.Why)
}

// Package joins one package. today is nil where the catalog has it no more; kept is what the
// mirror got, a package that operator-registry takes. Both stay as they are. The error is an
// *[Error].
func Package(today, kept *declcfg.DeclarativeConfig) (*Merged, error) {
	m := &merging{kept: byName(kept), taken: map[string]bool{}, out: &Merged{Keep: map[string][]string{}}}
	if len(kept.Packages) == 1 {
		m.out.Default = kept.Packages[0].DefaultChannel
	}
	if today == nil {
		m.whole(kept)
		return m.out, nil
	}
	m.today = byName(today)
	m.out.Config = *today
	m.out.Config.Channels = slices.Clone(today.Channels)
	for _, c := range kept.Channels {
		if err := m.channel(c); err != nil {
			return nil, err
		}
	}
	if err := m.bundles(); err != nil {
		return nil, err
	}
	m.deprecations(today, kept)
	m.note("withdrawn from its catalog and kept: ", m.withdrawn)
	m.note("deprecated since by its catalog: ", m.deprecated)
	m.note("with another image under the same name since: ", m.rebuilt)
	return m.out, nil
}

type merging struct {
	today, kept map[string]*declcfg.Bundle
	taken       map[string]bool // bundles that only the kept package has
	out         *Merged

	withdrawn, deprecated, rebuilt []string
}

func byName(cfg *declcfg.DeclarativeConfig) map[string]*declcfg.Bundle {
	m := map[string]*declcfg.Bundle{}
	for i := range cfg.Bundles {
		m[cfg.Bundles[i].Name] = &cfg.Bundles[i]
	}
	return m
}

func (m *merging) note(what string, list []string) {
	const most = 10
	if len(list) > 0 {
		m.out.Notes = append(m.out.Notes, what+text.Some(text.Sorted(list), most))
	}
}

// whole takes a package that today's catalog does not have.
func (m *merging) whole(kept *declcfg.DeclarativeConfig) {
	m.out.Config, m.out.Whole = *kept, true
	for _, c := range kept.Channels {
		for _, e := range c.Entries {
			m.out.Keep[c.Name] = append(m.out.Keep[c.Name], e.Name)
		}
	}
	for _, b := range kept.Bundles {
		m.out.Kept = append(m.out.Kept, b.Name)
	}
	slices.Sort(m.out.Kept)
	m.out.Notes = []string{"withdrawn from its catalog and kept as a whole"}
}

// channel joins one channel of the kept package.
func (m *merging) channel(kept declcfg.Channel) error {
	i := slices.IndexFunc(m.out.Config.Channels, func(c declcfg.Channel) bool { return c.Name == kept.Name })
	if i >= 0 && len(m.out.Config.Channels[i].Entries) == 0 { // there is nothing to join it with
		m.out.Config.Channels = slices.Delete(m.out.Config.Channels, i, i+1)
		i = -1
	}
	var lost []declcfg.ChannelEntry
	for _, e := range kept.Entries {
		m.out.Keep[kept.Name] = append(m.out.Keep[kept.Name], e.Name)
		there := i >= 0 && hasEntry(m.out.Config.Channels[i], e.Name)
		if !there {
			lost = append(lost, e)
		}
		if err := m.take(kept.Name, e.Name, there); err != nil {
			return err
		}
	}
	switch {
	case i < 0:
		m.out.Config.Channels = append(m.out.Config.Channels, kept)
		m.withdrawn = append(m.withdrawn, "channel "+kept.Name)
	case len(lost) > 0:
		c := m.out.Config.Channels[i]
		c.Entries = slices.Clone(c.Entries)
		if err := m.insert(&c, lost); err != nil {
			return err
		}
		m.out.Config.Channels[i] = c
	}
	return nil
}

func hasEntry(c declcfg.Channel, name string) bool {
	return slices.ContainsFunc(c.Entries, func(e declcfg.ChannelEntry) bool { return e.Name == name })
}

// take has the result have a bundle of a kept channel, which has it today too if there.
func (m *merging) take(channel, name string, there bool) error {
	was, now := m.kept[name], m.today[name]
	switch {
	case was == nil && now == nil:
		return &Error{channel, fmt.Sprintf("%s is in it, and nothing says what that is", name)}
	case now == nil:
		m.taken[name] = true
	case was == nil || was.Image == now.Image:
	case there:
		m.rebuilt = append(m.rebuilt, name)
	default:
		return &Error{channel, fmt.Sprintf("the bundle %s was withdrawn from it, and the same name stands for another image today: %s, not %s", name, orNone(now.Image), orNone(was.Image))}
	}
	return nil
}

func orNone(image string) string {
	if image == "" {
		return "one in the catalog"
	}
	return image
}

// insert adds entries that were withdrawn from a channel. Those that no entry updates by
// name are skipped by one whose skipRange has them, as a cluster does. The head stays.
func (m *merging) insert(c *declcfg.Channel, lost []declcfg.ChannelEntry) error {
	before := heads(c.Entries)
	own := len(c.Entries)
	c.Entries = append(c.Entries, lost...)
	for _, e := range lost {
		m.withdrawn = append(m.withdrawn, e.Name+" from channel "+c.Name)
	}
	for _, name := range heads(c.Entries) {
		if slices.Contains(before, name) {
			continue
		}
		i := m.skipping(c.Entries[:own], name)
		if i < 0 {
			return &Error{c.Name, fmt.Sprintf("%s was withdrawn from it, and no version that it has today updates %s: it would be a second head beside %s", name, name, text.Some(before, 3))}
		}
		c.Entries[i].Skips = append(slices.Clone(c.Entries[i].Skips), name)
	}
	if after := heads(c.Entries); !slices.Equal(before, after) {
		return &Error{c.Name, fmt.Sprintf("a version that was withdrawn from it updates what is its head today, %s", text.Some(before, 3))}
	}
	return nil
}

// heads lists the entries that no other replaces or skips, sorted.
func heads(entries []declcfg.ChannelEntry) (list []string) {
	updated := map[string]bool{}
	for _, e := range entries {
		for _, name := range append([]string{e.Replaces}, e.Skips...) {
			updated[name] = updated[name] || name != e.Name
		}
	}
	for _, e := range entries {
		if !updated[e.Name] {
			list = append(list, e.Name)
		}
	}
	slices.Sort(list)
	return list
}

// skipping is the highest entry whose skipRange has a bundle; -1 if none has.
func (m *merging) skipping(entries []declcfg.ChannelEntry, name string) int {
	v, ok := m.version(name)
	best := -1
	for i, e := range entries {
		in, err := semver.ParseRange(e.SkipRange)
		if !ok || e.SkipRange == "" || err != nil {
			continue
		}
		w, there := m.version(e.Name)
		if !there || !filter.Higher(w.Version, w.Release, v.Version, v.Release) || !inRange(in, v.Version) {
			continue
		}
		if best >= 0 {
			b, _ := m.version(entries[best].Name)
			if !filter.Higher(w.Version, w.Release, b.Version, b.Release) {
				continue
			}
		}
		best = i
	}
	return best
}

func inRange(in semver.Range, version string) bool {
	v, err := semver.Parse(version)
	return err == nil && in(v)
}

// version is that of a bundle of either package; today's counts.
func (m *merging) version(name string) (property.Package, bool) {
	b := m.today[name]
	if b == nil {
		b = m.kept[name]
	}
	if b == nil {
		return property.Package{}, false
	}
	return versionOf(b)
}

func versionOf(b *declcfg.Bundle) (p property.Package, ok bool) {
	props, err := property.Parse(b.Properties)
	if err != nil || len(props.Packages) != 1 {
		return p, false
	}
	return props.Packages[0], true
}

// bundles adds those that only the kept package has. operator-registry refuses two of one
// version.
func (m *merging) bundles() error {
	versions := map[string]string{}
	for name, b := range m.today {
		if p, ok := versionOf(b); ok {
			versions[p.Version+" "+p.Release] = name
		}
	}
	m.out.Config.Bundles = slices.Clone(m.out.Config.Bundles)
	for name := range m.taken {
		m.out.Kept = append(m.out.Kept, name)
	}
	slices.Sort(m.out.Kept)
	for _, name := range m.out.Kept {
		b := m.kept[name]
		if p, ok := versionOf(b); ok {
			if other, there := versions[p.Version+" "+p.Release]; there {
				return &Error{Why: fmt.Sprintf("the bundle %s was withdrawn, and %s has the same version today, %s", name, other, strings.TrimSuffix(p.Version+"-"+p.Release, "-"))}
			}
		}
		m.out.Config.Bundles = append(m.out.Config.Bundles, *b)
	}
	return nil
}

// deprecations adds what the kept package says of what only it has, and gathers what
// today's catalog says of the rest.
func (m *merging) deprecations(today, kept *declcfg.DeclarativeConfig) {
	now := map[declcfg.PackageScopedReference]bool{}
	for _, d := range today.Deprecations {
		for _, e := range d.Entries {
			now[e.Reference] = true
		}
	}
	more := declcfg.Deprecation{Schema: declcfg.SchemaDeprecation}
	was := map[declcfg.PackageScopedReference]bool{}
	for _, d := range kept.Deprecations {
		more.Package = d.Package
		for _, e := range d.Entries {
			was[e.Reference] = true
			if !now[e.Reference] && m.onlyKept(today, e.Reference) {
				more.Entries = append(more.Entries, e)
			}
		}
	}
	if len(more.Entries) > 0 {
		m.out.Config.Deprecations = append(slices.Clone(today.Deprecations), more)
	}
	for r := range now {
		if !was[r] && m.isKept(r) {
			m.deprecated = append(m.deprecated, strings.TrimSpace(strings.TrimPrefix(r.Schema, "olm.")+" "+r.Name))
		}
	}
}

// onlyKept reports whether a deprecation is about something that only the kept package has.
func (m *merging) onlyKept(today *declcfg.DeclarativeConfig, r declcfg.PackageScopedReference) bool {
	switch r.Schema {
	case declcfg.SchemaBundle:
		return m.taken[r.Name]
	case declcfg.SchemaChannel:
		return len(m.out.Keep[r.Name]) > 0 && !slices.ContainsFunc(today.Channels, func(c declcfg.Channel) bool { return c.Name == r.Name })
	}
	return false
}

// isKept reports whether a deprecation is about something that the kept package has.
func (m *merging) isKept(r declcfg.PackageScopedReference) bool {
	switch r.Schema {
	case declcfg.SchemaBundle:
		return m.kept[r.Name] != nil
	case declcfg.SchemaChannel:
		return len(m.out.Keep[r.Name]) > 0
	}
	return r.Schema == declcfg.SchemaPackage
}
