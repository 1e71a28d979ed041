package filter

import (
	"slices"

	"github.com/operator-framework/operator-registry/alpha/declcfg"
)

// Installed is a bundle that a cluster has: what updates it must stay possible from there on.
type Installed struct {
	Bundle  string
	Version string // of a bundle that the catalog does not have any more; may be empty
	Channel string // that its updates come from; empty is the default channel
}

// fromInstalled adds what leads from the lowest of the installed bundles to the head of a channel:
// all versions between. A bundle counts in each channel that has it, and one that the catalog does
// not have any more in the channel that its updates come from.
func (f *filter) fromInstalled(g *graph, channel string, wanted map[int]bool) {
	lowest := -1 // an entry
	var low *bounds
	for _, one := range f.req.Installed {
		i := slices.IndexFunc(g.entries, func(e declcfg.ChannelEntry) bool { return e.Name == one.Bundle })
		if i >= 0 {
			if lowest < 0 || g.versions[i].compare(g.versions[lowest]) < 0 {
				lowest = i
			}
			continue
		}
		version := one.Version
		if v, there := f.versions[one.Bundle]; there {
			version = v.Version.String()
		}
		if version == "" || !f.updatesFrom(one, channel) {
			continue
		}
		if b, err := (Range{Min: version}).parse(); err == nil && (low == nil || b.min.Compare(*low.min) < 0) {
			low = &b
		}
	}
	newer := false
	for i, v := range g.versions {
		is := lowest >= 0 && v.compare(g.versions[lowest]) >= 0 || low != nil && low.has(v)
		wanted[i], newer = wanted[i] || is, newer || is
	}
	if low != nil && !newer {
		f.note("channel %q: %s, which is installed, is newer than all that it has", channel, low.min)
	}
}

// updatesFrom reports whether a channel is the one that an installed bundle is updated from.
func (f *filter) updatesFrom(one Installed, channel string) bool {
	if one.Channel == "" {
		return channel == f.cfg.Packages[0].DefaultChannel
	}
	return channel == one.Channel
}
