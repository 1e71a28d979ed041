package filter

import (
	"fmt"
	"slices"

	"github.com/operator-framework/operator-registry/alpha/declcfg"
)

// channel gives the entries that are kept of one channel; none if it is left out.
func (f *filter) channel(c *declcfg.Channel) ([]declcfg.ChannelEntry, error) {
	rng, field, asked := f.ask(c.Name)
	added := func(e declcfg.ChannelEntry) bool {
		return f.also[e.Name] || slices.Contains(f.req.Keep[c.Name], e.Name)
	}
	if !asked && !slices.ContainsFunc(c.Entries, added) {
		return nil, nil
	}
	f.readable(c)
	if len(c.Entries) == 0 {
		return nil, f.emptyChannel(c.Name, field)
	}
	why := ""
	if asked && f.req.Full {
		if why = faultOf(c.Entries); why == "" {
			return c.Entries, nil // however many updates there are
		}
	}
	g, err := newGraph(c, f.versions)
	if err != nil {
		return nil, &Error{Channel: c.Name, Why: err.Error()}
	}
	wanted := map[int]bool{}
	for i, e := range c.Entries {
		wanted[i] = added(e)
	}
	if asked {
		switch {
		case f.req.Full:
			f.note("channel %q: operator-registry refuses its updates (%s): they are written in another way", c.Name, why)
			for i := range c.Entries {
				wanted[i] = true
			}
		case rng == Range{}:
			if err := f.wantHead(g, c.Name, wanted); err != nil {
				return nil, err
			}
			f.fromInstalled(g, c.Name, wanted)
		default:
			if err := f.inRange(g, c.Name, field, rng, wanted); err != nil {
				return nil, err
			}
		}
	}
	return f.cut(g, c.Name, field, wanted)
}

func (f *filter) note(format string, args ...any) {
	f.out.Notes = append(f.out.Notes, fmt.Sprintf(format, args...))
}

// readable removes from a channel the entries without a bundle, empty skips, and
// updates of an entry to itself.
func (f *filter) readable(c *declcfg.Channel) {
	var lost []string
	entries := c.Entries
	c.Entries = nil
	for _, e := range entries {
		if _, ok := f.versions[e.Name]; !ok {
			lost = append(lost, e.Name)
			continue
		}
		if slices.Contains(e.Skips, "") || slices.Contains(e.Skips, e.Name) {
			e.Skips = slices.DeleteFunc(slices.Clone(e.Skips), func(s string) bool { return s == "" || s == e.Name })
		}
		if e.Replaces == e.Name {
			e.Replaces = ""
		}
		c.Entries = append(c.Entries, e)
	}
	if len(lost) > 0 {
		f.note("channel %q: left out, because the catalog has no bundle of this name that can be carried: %s", c.Name, some(lost))
	}
}

// emptyChannel is the error for a channel that has no bundle, if it is asked for by name.
func (f *filter) emptyChannel(name, field string) error {
	if field == "" {
		f.emptied = append(f.emptied, name)
		return nil
	}
	return &Error{Channel: name, Why: "the catalog has no bundle of it that can be carried"}
}

// wantHead adds the head of a channel; of several, which operator-registry refuses, the
// highest.
func (f *filter) wantHead(g *graph, channel string, wanted map[int]bool) error {
	head, err := g.head()
	if err != nil {
		return &Error{Channel: channel, Why: err.Error()}
	}
	wanted[head] = true
	var others []string
	for _, i := range heads(g.entries) {
		if i != head {
			others = append(others, g.entries[i].Name)
		}
	}
	if len(others) > 0 {
		f.note("channel %q has several heads: %s is taken, and not %s", channel, g.entries[head].Name, some(others))
	}
	return nil
}

// cut returns the entries that are kept, and notes what differs from the request.
func (f *filter) cut(g *graph, channel, field string, wanted map[int]bool) ([]declcfg.ChannelEntry, error) {
	k, err := g.keep(wanted)
	if err != nil {
		why := err.Error()
		if k.joint >= 0 {
			why += fmt.Sprintf("; maxVersion %s takes in what joins all in the range", g.versions[k.joint])
		}
		return nil, &Error{Channel: channel, Field: field, Why: why}
	}
	if k.joint >= 0 {
		f.note("channel %q: %s is carried too: it is the lowest version that all in the range can be updated to", channel, g.entries[k.joint].Name)
	}
	if len(k.left) > 0 {
		f.out.Stranded = append(f.out.Stranded, k.left...)
		f.note("channel %q: %s left out: no update leads from there to the head of the channel; the images are carried", channel, some(k.left))
	}
	return k.entries, nil
}
