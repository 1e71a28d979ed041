package catalog

import (
	"fmt"
	"slices"
	"strings"
)

// Package is what a catalog says of one operator.
type Package struct {
	Name           string    `json:"name"`
	DefaultChannel string    `json:"defaultChannel,omitempty"`
	Channels       []Channel `json:"channels,omitempty"` // by name
	Bundles        []Bundle  `json:"bundles,omitempty"`  // by name
	Faults         []Fault   `json:"faults,omitempty"`   // by file
}

// Fault is something of a package that is not as it must be, and was skipped.
type Fault struct {
	File   string `json:"file"`
	Schema string `json:"schema"` // of the document that has it
	Name   string `json:"name"`   // of the channel or bundle
	Why    string `json:"why"`
}

// FileFault is a file of a catalog, or a part of one, that could not be read.
type FileFault struct {
	File     string   `json:"file"`
	Packages []string `json:"packages,omitempty"` // that it may be about
	Why      string   `json:"why"`
}

// Channel is a row of bundles, each of which updates others.
type Channel struct {
	Name    string  `json:"name"`
	Entries []Entry `json:"entries,omitempty"` // as written
}

// Entry is a bundle in a channel.
type Entry struct {
	Name      string   `json:"name"`
	Replaces  string   `json:"replaces,omitempty"`
	Skips     []string `json:"skips,omitempty"`
	SkipRange string   `json:"skipRange,omitempty"`
}

// Bundle is one version of an operator.
type Bundle struct {
	Name    string `json:"name"`
	Version string `json:"version"`           // a semantic version
	Release string `json:"release,omitempty"` // orders builds of one version
	// Image is empty for a bundle that lies in the catalog itself, as old ones do.
	Image   string   `json:"image,omitempty"`
	Related []string `json:"related,omitempty"` // image references as written, sorted, each once, none empty
	// Provides are the APIs that it brings, and Requires the properties that say
	// what else it needs (olm.gvk.required, olm.package.required,
	// olm.constraint), both as JSON, sorted, each once.
	Provides []string `json:"provides,omitempty"`
	Requires []string `json:"requires,omitempty"`
	// MostOpenShift is the newest minor version of OpenShift that it may be on, such as 4.16, by
	// its property olm.maxOpenShiftVersion; empty for any.
	MostOpenShift string `json:"maxOpenShiftVersion,omitempty"`
	// Fault says why operator-registry cannot have the bundle; its document is not kept.
	Fault string `json:"fault,omitempty"`
	// Trimmed are references without the white space that the catalog has around them.
	Trimmed []string `json:"trimmed,omitempty"`
}

// FullVersion is the version with the release, as operator-registry writes it; the name
// if there is no version.
func (b *Bundle) FullVersion() string {
	switch {
	case b.Version == "":
		return b.Name
	case b.Release == "":
		return b.Version
	}
	return b.Version + "-" + b.Release
}

// Channel finds a channel by name; nil if there is none.
func (p *Package) Channel(name string) *Channel {
	i, ok := slices.BinarySearchFunc(p.Channels, name, func(c Channel, name string) int { return strings.Compare(c.Name, name) })
	if !ok {
		return nil
	}
	return &p.Channels[i]
}

// Bundle finds a bundle by name; nil if there is none.
func (p *Package) Bundle(name string) *Bundle {
	i, ok := slices.BinarySearchFunc(p.Bundles, name, func(b Bundle, name string) int { return strings.Compare(b.Name, name) })
	if !ok {
		return nil
	}
	return &p.Bundles[i]
}

// Head names the entry that no other entry of the channel replaces or skips
// (operator-registry, alpha/model, Channel.Head). A channel has one.
func (c *Channel) Head() (string, error) {
	updated := map[string]bool{}
	for _, e := range c.Entries {
		if e.Replaces != "" {
			updated[e.Replaces] = true
		}
		for _, name := range e.Skips {
			updated[name] = true
		}
	}
	var heads []string
	for _, e := range c.Entries {
		if !updated[e.Name] {
			heads = append(heads, e.Name)
		}
	}
	slices.Sort(heads)
	switch len(heads) {
	case 1:
		return heads[0], nil
	case 0:
		return "", fmt.Errorf("it has no head: each of its %d entries is replaced or skipped by another", len(c.Entries))
	}
	return "", fmt.Errorf("it has several heads, which nothing replaces or skips: %s", Some(heads))
}

// Some lists the first names of many.
func Some(names []string) string {
	const most = 10
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
