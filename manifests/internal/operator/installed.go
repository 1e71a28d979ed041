package operator

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/operator-framework/operator-registry/alpha/declcfg"

	"github.com/satchel-airgap/satchel/manifests/internal/catalog"
	"github.com/satchel-airgap/satchel/manifests/internal/filter"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/oci/text"
)

// installedFrom are the operators of clusters that come from a catalog, or may come from it.
func installedFrom(o *imageset.Operator, list []imageset.Installed) (some []imageset.Installed) {
	for _, one := range list {
		if o.Serves(one.Catalog) {
			some = append(some, one)
		}
	}
	return some
}

// installedOf are those of one package.
func (s *selection) installedOf(name string) (some []imageset.Installed) {
	for _, one := range s.installed {
		if one.Package == name {
			some = append(some, one)
		}
	}
	return some
}

// from adds to what is asked of a package what clusters have installed of it. A package that
// nobody has named is asked for then, in the channels that its updates come from.
func (s *selection) from(p *catalog.Package, req *filter.Request) {
	list := s.installedOf(p.Name)
	for _, one := range list {
		if one.Bundle != "" {
			req.Installed = append(req.Installed, filter.Installed{Bundle: one.Bundle, Version: one.Version, Channel: one.Channel})
		}
	}
	if len(list) == 0 || !req.Only {
		return
	}
	channels := channelsOf(p, list)
	if len(channels) == 0 {
		return
	}
	req.Only, req.Full = false, false
	for _, name := range channels {
		req.Channels = append(req.Channels, filter.Channel{Name: name})
	}
	if !slices.Contains(channels, p.DefaultChannel) {
		req.Default = channels[len(channels)-1]
	}
}

// channelsOf are the channels from which what is installed is updated: those of the Subscriptions;
// of one that the catalog does not have, those that have the bundle, else the default one. The one
// whose head is the newest comes last.
func channelsOf(p *catalog.Package, list []imageset.Installed) (names []string) {
	add := func(name string) bool {
		there := p.Channel(name) != nil
		if there && !slices.Contains(names, name) {
			names = append(names, name)
		}
		return there
	}
	for _, one := range list {
		if one.Channel != "" && add(one.Channel) {
			continue
		}
		has := func(e catalog.Entry) bool { return e.Name == one.Bundle }
		found := one.Channel == "" && add(p.DefaultChannel)
		for _, ch := range p.Channels {
			if !found && slices.ContainsFunc(ch.Entries, has) {
				add(ch.Name)
				found = true
			}
		}
		if !found {
			add(p.DefaultChannel)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		x, y := newest(p, a), newest(p, b)
		switch {
		case x != nil && y != nil && filter.Higher(x.Version, x.Release, y.Version, y.Release):
			return 1
		case x != nil && y != nil && filter.Higher(y.Version, y.Release, x.Version, x.Release):
			return -1
		}
		return cmp.Compare(a, b)
	})
	return names
}

// newest is the bundle of a channel with the highest version; nil if it has none.
func newest(p *catalog.Package, channel string) (high *catalog.Bundle) {
	for _, e := range p.Channel(channel).Entries {
		if b := p.Bundle(e.Name); b != nil && (high == nil || filter.Higher(b.Version, b.Release, high.Version, high.Release)) {
			high = b
		}
	}
	return high
}

// leftBehind notes what is installed of a package and not among what is carried of it.
func (s *selection) leftBehind(p *catalog.Package, out *filter.Result) {
	for _, one := range s.installedOf(p.Name) {
		s.channelLost(p, one, out)
		switch {
		case one.Bundle == "" || slices.Contains(out.Bundles, one.Bundle) || slices.Contains(out.Stranded, one.Bundle):
		case p.Bundle(one.Bundle) == nil:
			s.notes = append(s.notes, text.ASCII(fmt.Sprintf("%s: %s, which cluster %s has installed, is not in it any more", s.what, one, one.Cluster)))
		default:
			s.notes = append(s.notes, text.ASCII(fmt.Sprintf("%s: the configuration chooses other versions than %s, which cluster %s has installed: the way from there may be missing", s.what, one, one.Cluster)))
		}
	}
}

// channelLost notes a channel that somebody follows and that what is carried does not have.
func (s *selection) channelLost(p *catalog.Package, one imageset.Installed, out *filter.Result) {
	carried := func(c declcfg.Channel) bool { return c.Package == p.Name && c.Name == one.Channel }
	if one.Channel == "" || slices.ContainsFunc(out.Config.Channels, carried) {
		return
	}
	why := "the configuration leaves it out"
	if p.Channel(one.Channel) == nil {
		why = "the catalog does not have it any more"
	}
	s.notes = append(s.notes, text.ASCII(fmt.Sprintf("%s: package %s loses the channel %s: %s. It gets no updates where that is followed: %s", s.what, p.Name, one.Channel, why, cmp.Or(one.By, "cluster "+one.Cluster))))
}

// notCarried says which installed operators no catalog of the configuration has.
func notCarried(list []*selection, installed []imageset.Installed) (notes []string) {
	for _, one := range installed {
		served, found := "", false
		for _, s := range list {
			if !s.o.Serves(one.Catalog) {
				continue
			}
			found = found || s.found[one.Package] || s.hub != nil || s.root.Digest == "" // of those it is not known here
			served = s.what
		}
		from := ""
		if one.Catalog != "" {
			from = " from " + one.Catalog
		}
		switch {
		case found:
		case served == "":
			notes = append(notes, text.ASCII(fmt.Sprintf("not carried: operator %s, which cluster %s has%s: the configuration does not name that catalog", one, one.Cluster, from)))
		default:
			notes = append(notes, text.ASCII(fmt.Sprintf("not carried: operator %s, which cluster %s has%s: %s has no such package", one, one.Cluster, from, served)))
		}
	}
	return notes
}
