package catalogdiff

import (
	"fmt"
	"strings"

	"github.com/satchel-airgap/satchel/oci/text"
)

// mostVersions is how many versions of one channel a line names.
const mostVersions = 6

// Going says what goes, one line for each package, and of those that stay one for each
// channel.
func (c *Changes) Going() []string {
	return c.lines(StateGone, func(ch Channel) []Version { return ch.Go })
}

// Coming says what comes, in the same way.
func (c *Changes) Coming() []string {
	return c.lines(StateNew, func(ch Channel) []Version { return ch.Come })
}

// lines has what is whole new or gone, and versions of the rest.
func (c *Changes) lines(state State, of func(Channel) []Version) (list []string) {
	for _, p := range c.Packages {
		if p.State == state {
			list = append(list, text.ASCII(fmt.Sprintf("package %s (%s, %s)", p.Name, text.Count(len(p.Channels), "channel", "channels"), text.Count(p.versions(of), "version", "versions"))))
			continue
		}
		for _, ch := range p.Channels {
			v := of(ch)
			switch {
			case ch.State == state:
				list = append(list, text.ASCII(fmt.Sprintf("channel %s of %s (%s)", ch.Name, p.Name, text.Count(len(v), "version", "versions"))))
			case len(v) > 0:
				list = append(list, text.ASCII(fmt.Sprintf("%s in channel %s of %s", someVersions(v), ch.Name, p.Name)))
			}
		}
	}
	return list
}

// versions counts those of all channels, each once.
func (p Package) versions(of func(Channel) []Version) int {
	seen := map[string]bool{}
	for _, ch := range p.Channels {
		for _, v := range of(ch) {
			seen[v.Bundle] = true
		}
	}
	return len(seen)
}

func someVersions(list []Version) string {
	var names []string
	for _, v := range list {
		names = append(names, v.Version)
	}
	word := "versions "
	if len(names) == 1 {
		word = "version "
	}
	return word + text.Some(names, mostVersions)
}

// Other says what is different without coming or going: default channels, heads,
// deprecations, and bundles with another image; one line each.
func (c *Changes) Other() (list []string) {
	add := func(format string, args ...any) { list = append(list, text.ASCII(fmt.Sprintf(format, args...))) }
	for _, p := range c.Packages {
		if m := p.DefaultChannel; m != nil {
			add("the default channel of %s is %s, not %s", p.Name, orNone(m.To), orNone(m.From))
		}
		for _, ch := range p.Channels {
			if m := ch.Head; m != nil {
				add("the head of channel %s of %s is %s, not %s", ch.Name, p.Name, orNone(m.To), orNone(m.From))
			}
		}
		if len(p.Deprecated) > 0 {
			add("deprecated in %s: %s", p.Name, text.Some(p.Deprecated, mostVersions))
		}
		if len(p.Undeprecated) > 0 {
			add("no longer deprecated in %s: %s", p.Name, text.Some(p.Undeprecated, mostVersions))
		}
		if len(p.Rebuilt) > 0 {
			add("with another image under the same name in %s: %s", p.Name, text.Some(p.Rebuilt, mostVersions))
		}
	}
	return list
}

func orNone(name string) string {
	if name == "" {
		return "none"
	}
	return name
}

// String counts what is there, such as "1 package, 2 channels, 5 versions"; "" for nothing.
func (n Counts) String() string {
	var parts []string
	for _, p := range []struct {
		n         int
		one, many string
	}{{n.Packages, "package", "packages"}, {n.Channels, "channel", "channels"}, {n.Versions, "version", "versions"}} {
		if p.n > 0 {
			parts = append(parts, text.Count(p.n, p.one, p.many))
		}
	}
	return strings.Join(parts, ", ")
}
