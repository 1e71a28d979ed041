package release

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/graph"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/updatepath"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// span is a channel with its graph and the ends of what is chosen.
type span struct {
	imageset.ReleaseChannel
	path      string // of the configuration
	graph     *graph.Graph
	low, high semver.Version
}

// choosing picks the releases of one type and architecture.
type choosing struct {
	*graphs
	kind, arch string
	spans      []*span
	union      *graph.Graph
	list       []chosen
	at         map[string]int // where in list a version is
}

// choose gives the releases of all channels of a type, by version.
func (gs *graphs) choose(ctx context.Context, kind, arch string) ([]chosen, error) {
	c := &choosing{graphs: gs, kind: kind, arch: arch, at: map[string]int{}}
	p := gs.c.Problems()
	for i, ch := range gs.c.Mirror.Platform.Channels {
		if ch.Type != kind && (ch.Type != "" || kind != imageset.ReleaseTypes[0]) {
			continue
		}
		g, err := gs.get(ctx, graphQuery{kind, arch, ch.Name})
		if err != nil {
			return nil, err
		}
		s := &span{ReleaseChannel: ch, path: fmt.Sprintf("mirror.platform.channels[%d]", i), graph: g}
		s.ends(p, arch)
		c.spans = append(c.spans, s)
	}
	if len(c.spans) == 0 || len(p.List) > 0 {
		return nil, p.Join()
	}
	if err := c.pick(ctx); err != nil {
		return nil, err
	}
	slices.SortFunc(c.list, func(a, b chosen) int { return a.Version.Compare(b.Version) })
	return c.list, nil
}

// ends finds what the channel's range begins and ends with: the head alone for a
// channel with nothing more, from the first release on for one with a maxVersion,
// full or shortestPath, up to the head without a maxVersion (oc-mirror v2).
func (s *span) ends(p *imageset.Problems, arch string) {
	nodes := s.graph.Nodes()
	if len(nodes) == 0 {
		p.AddWithHint(s.path+".name", "a channel is named as stable-4.18; is the name right, and is there such a channel for "+arch+"?",
			"%s.name: the update graph of channel %s has no releases for %s", s.path, s.Name, arch)
		p.About(imageset.ListReleases)
		return
	}
	s.low, s.high = nodes[len(nodes)-1].Version, nodes[len(nodes)-1].Version
	if s.MaxVersion != "" || s.Full || s.ShortestPath {
		s.low = nodes[0].Version
	}
	for _, end := range []struct {
		field, text string
		to          *semver.Version
	}{{"minVersion", s.MinVersion, &s.low}, {"maxVersion", s.MaxVersion, &s.high}} {
		if end.text == "" {
			continue
		}
		v, err := semver.Parse(end.text)
		if err != nil {
			p.Add(s.path+"."+end.field, "%s.%s: %v", s.path, end.field, err)
			continue
		}
		if _, ok := s.graph.Find(v); !ok {
			p.AddWithHint(s.path+"."+end.field, "take a release that the channel has, or a channel that has this release",
				"%s.%s: channel %s has no release %s for %s; the nearest are %s", s.path, end.field, s.Name, v, arch, versions(s.graph.Near(v)))
			p.About(imageset.ListReleases)
		}
		*end.to = v
	}
}

func versions(list []semver.Version) string {
	var names []string
	for _, v := range list {
		names = append(names, v.String())
	}
	return strings.Join(names, " and ")
}

// Pick chooses by channel, and then what joins several channels.
func (c *choosing) pick(ctx context.Context) error {
	var err error
	if c.union, err = c.unite(); err != nil {
		return err
	}
	low, high, must := c.overall()
	for _, s := range c.spans {
		switch {
		case !s.ShortestPath:
			nodes := s.graph.Range(s.low, s.high)
			c.add(oci.Reason{Kind: origin.KindChannel, Name: s.Name}, nodes...)
			c.noteRisks(fmt.Sprintf("channel %s for %s", s.Name, c.arch), s.graph.Conditional(nodes))
			c.noteApart(s)
		case len(c.spans) > 1 && s.within(low, high): // the path that joins the channels is its path too
		default:
			hops, err := s.graph.Path(s.low, s.high, c.c.Extra.AcceptRisks)
			if err != nil {
				return c.noPath(s, err)
			}
			c.walk(oci.Reason{Kind: origin.KindChannel, Name: s.Name}, s.graph, s.low, s.high, hops)
		}
	}
	if len(c.spans) == 1 {
		return nil
	}
	return c.join(ctx, low, high, must)
}

// noteApart notes a range from whose first release, where it is named, no update
// path leads to the last.
func (c *choosing) noteApart(s *span) {
	if s.MinVersion == "" || s.low.EQ(s.high) {
		return
	}
	_, err := s.graph.Path(s.low, s.high, c.c.Extra.AcceptRisks)
	var none *graph.NoPathError
	if errors.As(err, &none) && len(none.Risky) == 0 { // paths with risks are reported with these
		c.note("channel %s for %s: %v; the releases of the range are carried, and a cluster cannot be updated from the first of them to the last in this channel", s.Name, c.arch, none)
	}
}

// Unite puts the graphs of the channels together, and others with them.
func (c *choosing) unite(more ...*graph.Graph) (*graph.Graph, error) {
	for _, s := range c.spans {
		more = append(more, s.graph)
	}
	g, err := graph.Union(more...)
	if err != nil {
		return nil, fmt.Errorf("put the update graphs for %s together: %w", c.arch, err)
	}
	return g, nil
}

// overall gives the lowest and highest release that the channels ask for. The open
// end of a channel with shortestPath does not count where another end is given.
// must says whether a channel asks for a path.
func (c *choosing) overall() (low, high semver.Version, must bool) {
	var lows, open []semver.Version
	high = c.spans[0].high
	for _, s := range c.spans {
		must = must || s.ShortestPath
		if s.high.GT(high) {
			high = s.high
		}
		if s.ShortestPath && s.MinVersion == "" {
			open = append(open, s.low)
		} else {
			lows = append(lows, s.low)
		}
	}
	if len(lows) == 0 {
		lows = open
	}
	return slices.MinFunc(lows, semver.Version.Compare), high, must
}

// within reports whether each end that is given for a channel is that of all.
func (s *span) within(low, high semver.Version) bool {
	return (s.MinVersion == "" || s.low.EQ(low)) && (s.MaxVersion == "" || s.high.EQ(high))
}

// join chooses a path from the lowest to the highest release of several channels,
// through channels between them if it must be. Where no channel asks for a path,
// that there is none is worth a note only.
func (c *choosing) join(ctx context.Context, low, high semver.Version, must bool) error {
	hops, err := c.union.Path(low, high, c.c.Extra.AcceptRisks)
	if err != nil {
		hops, err = c.between(ctx, low, high, err)
	}
	var none *graph.NoPathError
	switch {
	case err == nil:
		c.walk(oci.Reason{Kind: origin.KindPath, Name: fmt.Sprintf("from %s to %s", low, high)}, c.union, low, high, hops)
		return nil
	case !errors.As(err, &none) || must:
		return c.noPath(nil, err)
	}
	c.noteRisks("mirror.platform.channels for "+c.arch, none.Risky)
	c.note("mirror.platform.channels: %v (%s); each channel's own releases are carried, and a cluster cannot be updated from the first of these to the last with only them", none, c.arch)
	return nil
}

var channelMinor = regexp.MustCompile(`^(.+)-([0-9]{1,4})\.([0-9]{1,4})$`)

// maxBetween bounds the channels that are requested in addition to those of the configuration.
const maxBetween = 32

// between looks for a path through the channels of the minor versions between
// those of the configuration: by their own first words, then the stable ones. failed
// is why there is none without.
func (c *choosing) between(ctx context.Context, low, high semver.Version, failed error) ([]graph.Hop, error) {
	way, ok := updatepath.Way(updatepath.MinorOf(low), updatepath.MinorOf(high))
	if !ok || len(way) > maxBetween {
		return nil, failed
	}
	var prefixes []string
	for _, s := range c.spans {
		if m := channelMinor.FindStringSubmatch(s.Name); m != nil && !slices.Contains(prefixes, m[1]) {
			prefixes = append(prefixes, m[1])
		}
	}
	if len(prefixes) > 0 && !slices.Contains(prefixes, "stable") {
		prefixes = append(prefixes, "stable")
	}
	var more []*graph.Graph
	for _, prefix := range prefixes {
		for _, minor := range way[:max(0, len(way)-1)] {
			g, err := c.get(ctx, graphQuery{c.kind, c.arch, prefix + "-" + minor.String()})
			var refused *ask.FetchError
			if errors.As(err, &refused) && (refused.Status == http.StatusNotFound || refused.Status == http.StatusBadRequest) {
				continue // there is no such channel
			}
			if err != nil {
				return nil, err
			}
			more = append(more, g)
		}
		var err error
		if c.union, err = c.unite(slices.Clone(more)...); err != nil {
			return nil, err
		}
		hops, err := c.union.Path(low, high, c.c.Extra.AcceptRisks)
		if err == nil {
			return hops, nil
		}
		failed = err
	}
	return nil, failed
}

// add chooses releases for a reason.
func (c *choosing) add(why oci.Reason, nodes ...graph.Node) {
	for _, n := range nodes {
		i, ok := c.at[n.Version.String()]
		if !ok {
			i = len(c.list)
			c.at[n.Version.String()] = i
			c.list = append(c.list, chosen{Node: n, kind: c.kind, arch: c.arch})
		}
		c.list[i].why = append(c.list[i].why, why)
	}
}

// walk chooses the releases on a path, and notes its risks and those that a
// shorter one would have.
func (c *choosing) walk(why oci.Reason, g *graph.Graph, low, high semver.Version, hops []graph.Hop) {
	if n, ok := g.Find(low); ok {
		c.add(why, n)
	}
	for _, h := range hops {
		if n, ok := g.Find(h.To); ok {
			c.add(why, n)
		}
	}
	what := why.String() + " for " + c.arch
	c.noteRisks(what+", accepted", hops)
	short := slices.DeleteFunc(g.Shortest(low, high), func(h graph.Hop) bool { return graph.Accepts(c.c.Extra.AcceptRisks, h) })
	if n := len(g.Shortest(low, high)); n < len(hops) && len(short) > 0 {
		c.noteRisks(fmt.Sprintf("%s: %d updates are carried; %d would do if these risks were accepted: %s", what, len(hops), n, strings.Join(graph.Names(short), ", ")), short)
	}
}

// noPath is the error for ends that no path joins: those of a channel, or of all.
func (c *choosing) noPath(s *span, err error) error {
	var none *graph.NoPathError
	if !errors.As(err, &none) {
		return err
	}
	path, what, hint := "mirror.platform.channels", "mirror.platform.channels", "choose other versions, or carry each channel's releases without shortestPath"
	if s != nil {
		path, what = s.path, s.path+": channel "+s.Name
	}
	if len(none.Risky) > 0 {
		hint = "if these risks do not matter to your clusters, accept each of them: " + strings.Join(graph.Names(none.Risky), ", ")
		c.noteRisks(what+" for "+c.arch+", not accepted", none.Risky)
	}
	p := c.c.Problems()
	p.AddWithHint(path, text.ASCII(hint), "%s for %s: %s", what, c.arch, text.ASCII(none.Error()))
	if len(none.Risky) > 0 {
		p.About("AcceptRisks")
	}
	return p.Join()
}

// noteRisks notes conditional updates, a line for each release and risk.
func (c *choosing) noteRisks(what string, hops []graph.Hop) {
	type key struct {
		to   string
		risk graph.Risk
	}
	from, order := map[key][]string{}, []key{}
	for _, h := range hops {
		for _, r := range h.Risks {
			k := key{h.To.String(), r}
			if from[k] == nil {
				order = append(order, k)
			}
			from[k] = append(from[k], h.From.String())
		}
	}
	const most = 5
	for _, k := range order {
		list := from[k]
		if n := len(list); n > most {
			list = append(slices.Clone(list[:most]), fmt.Sprintf("%d more", n-most))
		}
		c.note("%s: conditional update to %s from %s: risk %s: %s (%s)", what, k.to, strings.Join(list, ", "), k.risk.Name, k.risk.Message, k.risk.URL)
	}
}
