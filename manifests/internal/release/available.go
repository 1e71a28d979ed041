package release

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/graph"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Query says which releases are listed: those of Channel, the channels that have Version, or,
// with neither, all channels.
type Query struct {
	Type      string // ocp or okd; empty is ocp
	Arch      string // as Go writes it, or multi; empty is amd64
	Channel   string // such as stable-4.18
	Version   string // a minor version, such as 4.18, or a release, such as 4.18.3
	UpdateURL string // of update graphs, in place of the published ones
}

// Available is what a configuration can name of releases: all channels, or the releases of one.
type Available struct {
	Type     string             `json:"type"`
	Arch     string             `json:"architecture"`
	Channels []AvailableChannel `json:"channels,omitempty"` // the newest first
	Releases []AvailableRelease `json:"releases,omitempty"` // the newest first
}

// AvailableChannel is an update channel.
type AvailableChannel struct {
	Name string `json:"name"`
	// Releases is how many it has, from Lowest to Highest; 0 for one whose graph was not
	// asked for, because releases of others say that they are in it.
	Releases int    `json:"releases,omitempty"`
	Lowest   string `json:"lowest,omitempty"`
	Highest  string `json:"highest,omitempty"`
}

// AvailableRelease is a release of a channel.
type AvailableRelease struct {
	Version  string   `json:"version"`
	Payload  string   `json:"payload"` // its reference, by digest
	Channels []string `json:"channels,omitempty"`
	Advisory string   `json:"advisory,omitempty"` // an address
}

// NotThereError says that a graph server has nothing of what was asked for.
type NotThereError struct {
	Field string // of [Query]
	Why   string
	hint  string
}

func (e *NotThereError) Error() string { return e.Why }

// Hint says what to ask for.
func (e *NotThereError) Hint() string { return e.hint }

// Permanent reports that the same question has the same answer.
func (e *NotThereError) Permanent() bool { return true }

// List asks the server of update graphs what it has.
func List(ctx context.Context, q Query, from ask.Images) (*Available, error) {
	q.Type, q.Arch = cmp.Or(q.Type, imageset.ReleaseTypes[0]), cmp.Or(q.Arch, defaultArch)
	if !slices.Contains(imageset.ReleaseTypes, q.Type) {
		return nil, &NotThereError{"Type", fmt.Sprintf("there are no releases of type %q", q.Type), "name one of " + text.Or(imageset.ReleaseTypes)}
	}
	if !archPattern().MatchString(q.Arch) {
		return nil, &NotThereError{"Arch", fmt.Sprintf("%q is no architecture", q.Arch), "name one as Go writes it, such as amd64, arm64, s390x or ppc64le, or multi"}
	}
	cfg := &imageset.Config{}
	cfg.Extra.UpdateURL = q.UpdateURL
	l := &listing{newGraphs(cfg, from), q, &Available{Type: q.Type, Arch: q.Arch}}
	switch {
	case q.Channel != "":
		return l.out, l.releases(ctx)
	case q.Version != "":
		return l.out, l.channelsOf(ctx)
	}
	return l.out, l.all(ctx)
}

// listing is one answer.
type listing struct {
	*graphs
	q   Query
	out *Available
}

// graph gives that of a channel; one that there is not is empty.
func (l *listing) graph(ctx context.Context, channel string) (*graph.Graph, error) {
	g, err := l.get(ctx, graphQuery{l.q.Type, l.q.Arch, channel})
	var refused *ask.FetchError
	if errors.As(err, &refused) && (refused.Status == http.StatusNotFound || refused.Status == http.StatusBadRequest) {
		return &graph.Graph{}, nil
	}
	return g, err
}

// releases lists those of one channel.
func (l *listing) releases(ctx context.Context) error {
	g, err := l.graph(ctx, l.q.Channel)
	if err != nil {
		return err
	}
	if len(g.Nodes()) == 0 {
		return &NotThereError{"Channel", fmt.Sprintf("the update graph has no channel %s for %s", text.ASCII(l.q.Channel), l.q.Arch), "list the channels that there are, without naming one"}
	}
	for _, n := range slices.Backward(g.Nodes()) {
		l.out.Releases = append(l.out.Releases, AvailableRelease{n.Version.String(), n.Payload.String(), plain(n.Channels), text.ASCII(n.Advisory)})
	}
	return nil
}

// plain makes printable ASCII of names from elsewhere.
func plain(names []string) []string {
	var list []string
	for _, s := range names {
		list = append(list, text.ASCII(s))
	}
	return list
}

// channelKinds are the first words of channels, the most careful one first.
var channelKinds = []string{"stable", "eus", "fast", "candidate"}

// channelsOf lists the channels of a minor version, or those that have one release.
func (l *listing) channelsOf(ctx context.Context) error {
	v, whole, err := parseQueried(l.q.Version)
	if err != nil {
		return err
	}
	todo, seen := minorChannels(v.Major, v.Minor), map[string]bool{}
	var near []semver.Version
	for i := 0; i < len(todo) && i < maxListed; i++ {
		if seen[todo[i]] {
			continue
		}
		seen[todo[i]] = true
		g, err := l.graph(ctx, todo[i])
		if err != nil {
			return err
		}
		if whole {
			n, ok := g.Find(v)
			if !ok {
				near = append(near, g.Near(v)...)
				continue
			}
			todo = append(todo, n.Channels...) // those of later minor versions among them
		}
		l.channel(todo[i], g)
	}
	if len(l.out.Channels) == 0 {
		why := fmt.Sprintf("no channel for %s has the release %s", l.q.Arch, v)
		if !whole {
			why = fmt.Sprintf("there is no channel of %d.%d for %s", v.Major, v.Minor, l.q.Arch)
		} else if near = nearest(near, v); len(near) > 0 {
			why += "; near it are " + versions(near)
		}
		return &NotThereError{"Version", why, "list the channels that there are, without naming a version"}
	}
	l.sort()
	return nil
}

// nearest gives the highest version below one, and the lowest above it.
func nearest(list []semver.Version, v semver.Version) (ends []semver.Version) {
	semver.Sort(list)
	i, _ := slices.BinarySearchFunc(list, v, semver.Version.Compare)
	if i > 0 {
		ends = append(ends, list[i-1])
	}
	if i < len(list) {
		ends = append(ends, list[i])
	}
	return ends
}

// maxListed bounds the channels that one question asks for.
const maxListed = 100

// parseQueried reads a minor version or, whole, that of a release.
func parseQueried(s string) (v semver.Version, whole bool, err error) {
	if v, err = semver.Parse(s); err == nil {
		return v, true, nil
	}
	if v, err = semver.Parse(s + ".0"); err == nil && strings.Count(s, ".") == 1 {
		return v, false, nil
	}
	return v, false, &NotThereError{"Version", fmt.Sprintf("%q is no version", text.ASCII(s)), "name a minor version, such as 4.18, or a release, such as 4.18.3"}
}

// ParseMinor reads a minor version, or that of a release. The error is a *[NotThereError].
func ParseMinor(s string) (major, minor uint64, err error) {
	v, _, err := parseQueried(s)
	return v.Major, v.Minor, err
}

func minorChannels(major, minor uint64) (list []string) {
	for _, kind := range channelKinds {
		list = append(list, channelOf(kind, major, minor))
	}
	return list
}

func channelOf(kind string, major, minor uint64) string {
	return kind + "-" + strconv.FormatUint(major, 10) + "." + strconv.FormatUint(minor, 10)
}

// channel adds one that has releases.
func (l *listing) channel(name string, g *graph.Graph) {
	nodes := g.Nodes()
	if len(nodes) == 0 {
		return
	}
	l.out.Channels = append(l.out.Channels, AvailableChannel{text.ASCII(name), len(nodes), nodes[0].Version.String(), nodes[len(nodes)-1].Version.String()})
}

// starts are channels of which a server has at least one, if it has any: the releases of each
// name the channels of the minor versions around it.
var starts = map[string][]string{
	"ocp": {"stable-4.16", "stable-4.18", "stable-4.14", "stable-4.20", "stable-4.12", "stable-4.22", "stable-5.0", "candidate-5.0", "stable-4.10", "stable-4.6"},
	"okd": {"stable-4", "stable-scos-4", "next", "stable-4.18"},
}

// all lists every channel: from one on, the releases of each stable channel lead to the next.
func (l *listing) all(ctx context.Context) error {
	named, asked := map[string]bool{}, map[string]bool{}
	for _, start := range starts[l.q.Type] {
		if err := l.follow(ctx, []string{start}, named, asked); err != nil {
			return err
		}
		if len(l.out.Channels) > 0 {
			break
		}
	}
	if err := l.newest(ctx, named, asked); err != nil {
		return err
	}
	if len(l.out.Channels) == 0 {
		return &NotThereError{"", fmt.Sprintf("the update graph has none of the usual channels for %s", l.q.Arch), "name a channel"}
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		if !asked[name] {
			l.out.Channels = append(l.out.Channels, AvailableChannel{Name: text.ASCII(name)})
		}
	}
	l.sort()
	return nil
}

// follow asks for channels, and for the stable ones that their releases name.
func (l *listing) follow(ctx context.Context, todo []string, named, asked map[string]bool) error {
	for i := 0; i < len(todo) && len(asked) < maxListed; i++ {
		if asked[todo[i]] {
			continue
		}
		asked[todo[i]] = true
		g, err := l.graph(ctx, todo[i])
		if err != nil {
			return err
		}
		l.channel(todo[i], g)
		for _, n := range g.Nodes() {
			for _, name := range n.Channels {
				named[name] = true
				if strings.HasPrefix(name, "stable-") {
					todo = append(todo, name)
				}
			}
		}
	}
	return nil
}

// newest asks for the channels of minor versions that have no stable release yet.
func (l *listing) newest(ctx context.Context, named, asked map[string]bool) error {
	high := semver.Version{}
	for _, ch := range l.out.Channels {
		if v, ok := minorOf(ch.Name); ok && v.GT(high) {
			high = v
		}
	}
	if high.Major == 0 || l.q.Type != imageset.ReleaseTypes[0] {
		return nil
	}
	for _, next := range []semver.Version{{Major: high.Major, Minor: high.Minor + 1}, {Major: high.Major + 1}} {
		for before := -1; len(l.out.Channels) > before; next.Minor++ {
			before = len(l.out.Channels)
			if err := l.follow(ctx, []string{channelOf("candidate", next.Major, next.Minor)}, named, asked); err != nil {
				return err
			}
		}
	}
	return nil
}

// minorOf is the version in a channel's name.
func minorOf(channel string) (v semver.Version, ok bool) {
	m := channelMinor.FindStringSubmatch(channel)
	if m == nil {
		return v, false
	}
	major, _ := strconv.ParseUint(m[2], 10, 32) // digits, at most four
	minor, _ := strconv.ParseUint(m[3], 10, 32)
	return semver.Version{Major: major, Minor: minor}, true
}

// sort puts the newest minor version first, and of each the most careful channel.
func (l *listing) sort() {
	rank := func(name string) int {
		kind, _, _ := strings.Cut(name, "-")
		if i := slices.Index(channelKinds, kind); i >= 0 {
			return i
		}
		return len(channelKinds)
	}
	slices.SortFunc(l.out.Channels, func(a, b AvailableChannel) int {
		va, _ := minorOf(a.Name)
		vb, _ := minorOf(b.Name)
		return cmp.Or(vb.Compare(va), cmp.Compare(rank(a.Name), rank(b.Name)), cmp.Compare(a.Name, b.Name))
	})
}
