package draft

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/needed"
	"github.com/satchel-airgap/satchel/manifests/internal/updatepath"
	"github.com/satchel-airgap/satchel/oci/text"
)

// runs is what is known of one cluster.
type runs struct {
	name    string
	version semver.Version
	known   bool   // the version
	okd     bool   // else OpenShift
	own     string // the channel that the cluster has; "" for none
	channel string // the one that the configuration names for the version
	kind    string // first word of its channels
	arch    string // "" where it is not known
	also    []also // what is carried beside the version
}

// also is a release that a cluster needs beside the one that it runs.
type also struct {
	version semver.Version
	channel string
	why     string
}

func (r runs) String() string {
	if !r.known {
		return r.name + ": its version is not known"
	}
	product := "OpenShift"
	if r.okd {
		product = "OKD"
	}
	channel := "no channel"
	if r.own != "" {
		channel = "channel " + text.ASCII(r.own)
	}
	if r.own != r.channel {
		channel += fmt.Sprintf("; %s is named below, for the release that runs now", r.channel)
	}
	return fmt.Sprintf("%s: %s %s for %s, %s", r.name, product, r.version, cmp.Or(r.arch, "an architecture that is not known"), channel)
}

// read learns what the clusters run, and where they are to go.
func (w *writer) read(to string) error {
	for _, s := range w.list {
		w.runs = append(w.runs, runsOf(s))
	}
	if to == "" {
		return nil
	}
	target, err := semver.Parse(to)
	if err != nil {
		return &VersionError{fmt.Sprintf("%q is no version", text.ASCII(to)), "name a release, such as 4.18.3"}
	}
	for _, r := range w.runs {
		switch {
		case !r.known:
			return &VersionError{fmt.Sprintf("cluster %s: its version is not known, so the way to %s is not either", r.name, target), "say which version it runs"}
		case r.version.GT(target) || !leads(r.version, target):
			return &VersionError{fmt.Sprintf("cluster %s runs %s, which cannot be updated to %s", r.name, r.version, target), "name a later version"}
		case r.okd:
			return &VersionError{fmt.Sprintf("cluster %s is OKD: updates to a version are written for OpenShift alone", r.name), "leave the version out, and add a maxVersion to the channel"}
		}
	}
	w.target = &target
	return nil
}

// leads reports whether updates lead from one version to a later one.
func leads(from, to semver.Version) bool {
	_, ok := updatepath.Way(updatepath.MinorOf(from), updatepath.MinorOf(to))
	return ok
}

func runsOf(s *cluster.State) (r runs) {
	r = runs{name: text.ASCII(s.Name), arch: archOf(s)}
	r.version, r.known = s.Running()
	r.okd, _ = s.OKD()
	var cv struct {
		Spec struct {
			Channel string `json:"channel"`
		} `json:"spec"`
		Status struct {
			Desired struct {
				Version  string   `json:"version"`
				Channels []string `json:"channels"`
			} `json:"desired"`
		} `json:"status"`
	}
	if one, ok := s.One("ClusterVersion", "", "version"); ok && json.Unmarshal(one.Body, &cv) != nil {
		cv.Spec.Channel = ""
	}
	r.own = cv.Spec.Channel
	r.kind, _, _ = strings.Cut(cmp.Or(r.own, "stable"), "-")
	switch own := channelOf(r.kind, r.version); {
	case r.okd:
		r.channel = cmp.Or(cv.Spec.Channel, "stable-4")
	case cv.Status.Desired.Version == r.version.String() && len(cv.Status.Desired.Channels) > 0:
		r.channel = pick(cv.Status.Desired.Channels, own, channelOf("stable", r.version))
	case len(r.version.Pre) > 0:
		r.channel = channelOf("candidate", r.version)
	default:
		r.channel = own
	}
	r.also = alsoOf(s, r)
	return r
}

// alsoOf lists the releases of updates that have begun, and those of hosted clusters and their pools.
func alsoOf(s *cluster.State, r runs) (list []also) {
	add := func(versions []string, why string) {
		for _, version := range versions {
			v, err := semver.Parse(version)
			if err != nil || v.EQ(r.version) || slices.ContainsFunc(list, func(a also) bool { return a.version.EQ(v) }) {
				continue
			}
			one := also{v, channelOf(r.kind, v), why}
			switch {
			case r.okd:
				one.channel = r.channel
			case len(v.Pre) > 0:
				one.channel = channelOf("candidate", v)
			}
			list = append(list, one)
		}
	}
	add(needed.Begun(s), r.name+", which has begun to update to it")
	for _, h := range needed.Hosted(s) {
		add(h.Versions(), text.ASCII(h.Who())+" of "+r.name)
	}
	return list
}

// pick takes the first of the names that a list has, else the first of the list.
func pick(list []string, names ...string) string {
	for _, name := range names {
		if slices.Contains(list, name) {
			return name
		}
	}
	return list[0]
}

// channelOf is the channel of a minor version. Odd ones have no eus channel.
func channelOf(kind string, v semver.Version) string {
	if kind == "eus" && v.Minor%2 == 1 {
		kind = "stable"
	}
	return fmt.Sprintf("%s-%d.%d", kind, v.Major, v.Minor)
}

// archOf is the architecture of the payload that a cluster runs: multi, or that of its nodes.
func archOf(s *cluster.State) string {
	var cv struct {
		Status struct {
			Desired struct {
				Architecture string `json:"architecture"`
			} `json:"desired"`
		} `json:"status"`
	}
	if one, ok := s.One("ClusterVersion", "", "version"); ok && json.Unmarshal(one.Body, &cv) == nil && strings.EqualFold(cv.Status.Desired.Architecture, "multi") {
		return "multi"
	}
	var archs []string
	for _, o := range s.Of("Node") {
		var node struct {
			Status struct {
				Info struct {
					Architecture string `json:"architecture"`
				} `json:"nodeInfo"`
			} `json:"status"`
		}
		if json.Unmarshal(o.Body, &node) == nil && node.Status.Info.Architecture != "" {
			archs = append(archs, node.Status.Info.Architecture)
		}
	}
	switch archs = text.Sorted(archs); len(archs) {
	case 0:
		return ""
	case 1:
		return archs[0]
	}
	return "multi"
}

// span is one channel: the versions that clusters run of it, the lowest first, and where they go.
type span struct {
	okd      bool
	versions []semver.Version
	clusters []string
	target   bool
}

// spans gathers the channels.
func (w *writer) spans() map[string]*span {
	all := map[string]*span{}
	at := func(name string, okd bool) *span {
		if all[name] == nil {
			all[name] = &span{okd: okd}
		}
		return all[name]
	}
	for _, r := range w.runs {
		if r.known {
			s := at(r.channel, r.okd)
			s.versions = append(s.versions, r.version)
			s.clusters = append(s.clusters, r.name)
		}
		for _, a := range r.also {
			s := at(a.channel, r.okd)
			s.versions = append(s.versions, a.version)
			s.clusters = append(s.clusters, a.why)
		}
	}
	if w.target != nil && len(w.runs) > 0 {
		at(channelOf(w.runs[0].kind, *w.target), false).target = true
	}
	for _, s := range all {
		semver.Sort(s.versions)
		s.versions = slices.CompactFunc(s.versions, semver.Version.EQ)
	}
	return all
}

// platform writes the releases.
func (w *writer) platform() {
	spans := w.spans()
	if len(spans) == 0 {
		w.payload()
		return
	}
	w.any = true
	w.line(1, "platform:")
	if !slices.ContainsFunc(w.runs, func(r runs) bool { return r.okd }) {
		w.line(2, "# The data of the update graph, for an update service inside.")
		w.line(2, "graph: true")
	}
	w.architectures()
	w.line(2, "channels:")
	for _, name := range sortedChannels(spans) {
		w.channel(name, spans[name])
	}
}

// payload writes a release of which only the image is known.
func (w *writer) payload() {
	for i, r := range w.needs.Running {
		if i > 0 {
			w.note(1, "%s also runs: %s", r.Why, r.Ref)
			continue
		}
		w.any = true
		w.line(1, "platform:")
		w.line(2, "# %s runs it; its version is not known, so no channel is named.", r.Why)
		w.line(2, "release: %s", quoted(r.Ref.String()))
	}
}

func (w *writer) architectures() {
	var archs []string
	for _, r := range w.runs {
		if r.known && r.arch != "" {
			archs = append(archs, r.arch)
		}
	}
	if archs = text.Sorted(archs); len(archs) == 0 {
		w.note(2, "the architecture of the clusters is not known; it is taken to be amd64")
		archs = []string{"amd64"}
	}
	w.line(2, "architectures:")
	for _, a := range archs {
		w.line(2, "- %s", quoted(a))
	}
}

// sortedChannels orders channels by what clusters run of them.
func sortedChannels(spans map[string]*span) (names []string) {
	for name := range spans {
		names = append(names, name)
	}
	low := func(s *span) semver.Version {
		if len(s.versions) == 0 {
			return semver.Version{Major: 1 << 32}
		}
		return s.versions[0]
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(low(spans[a]).Compare(low(spans[b])), cmp.Compare(a, b)) })
	return names
}

// channel writes one. On the way to a version, the channel that it begins in has no end: one path
// leads through all channels.
func (w *writer) channel(name string, s *span) {
	n := len(s.versions)
	if n > 0 {
		var versions []string
		for _, v := range s.versions {
			versions = append(versions, v.String())
		}
		w.line(2, "# Runs now: %s, in %s.", text.And(versions), text.And(text.Sorted(s.clusters)))
	}
	first := w.target != nil && n > 0 && s.versions[0].EQ(w.lowest())
	w.line(2, "- name: %s", quoted(name))
	if s.okd {
		w.line(3, "type: okd")
	}
	if n > 0 {
		w.line(3, "minVersion: %s", quoted(s.versions[0].String()))
	}
	switch {
	case s.target:
		w.line(3, "maxVersion: %s", quoted(w.target.String()))
	case n > 1, !first:
		w.line(3, "maxVersion: %s", quoted(s.versions[n-1].String()))
	}
	if w.target != nil || n > 1 {
		w.line(3, "shortestPath: true")
	}
	if n > 2 || w.target != nil && n > 0 && !first && !s.target {
		w.note(3, "a path of channel %s may leave out a release that one of several clusters runs: name the clusters to plan and pack too", name)
	}
}

// lowest is the lowest version that runs.
func (w *writer) lowest() semver.Version {
	low := *w.target
	for _, r := range w.runs {
		if r.known && r.version.LT(low) {
			low = r.version
		}
	}
	return low
}
