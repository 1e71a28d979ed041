package release

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
)

// realGraph is a published graph, read again without code of the package.
type realGraph struct {
	file, arch string
	body       []byte
	all        []semver.Version // in order
	payloads   map[string]string
	edges      map[string]bool // "A>B"
}

func newRealGraph(t *testing.T, file, arch string) *realGraph {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(asktest.SharedData(t, "release/graph"), file))
	if err != nil {
		t.Skipf("the graphs of other projects are not here: %v", err)
	}
	var plain struct {
		Nodes []struct{ Version, Payload string }
		Edges [][2]int
	}
	if err := json.Unmarshal(body, &plain); err != nil {
		t.Fatal(err)
	}
	r := &realGraph{file: file, arch: arch, body: body, payloads: map[string]string{}, edges: map[string]bool{}}
	for _, n := range plain.Nodes {
		r.all = append(r.all, semver.MustParse(n.Version))
		r.payloads[n.Version] = n.Payload
	}
	for _, e := range plain.Edges {
		r.edges[plain.Nodes[e[0]].Version+">"+plain.Nodes[e[1]].Version] = true
	}
	semver.Sort(r.all)
	return r
}

// choose selects from the graph as a channel with these fields does.
func (r *realGraph) choose(t *testing.T, fields string) ([]chosen, error) {
	t.Helper()
	m := asktest.NewImages()
	m.Published = map[string][]byte{asktest.GraphLink(asktest.GraphServer, r.arch, "real"): r.body}
	return newGraphs(asktest.ChannelConfig(t, "{name: real"+fields+"}"), m).choose(t.Context(), "ocp", r.arch)
}

// path holds a shortest path against the file, and reports whether there is one.
func (r *realGraph) path(t *testing.T, low, high, ends string) bool {
	t.Helper()
	got, err := r.choose(t, ends+", shortestPath: true")
	if err != nil {
		if !strings.Contains(err.Error(), "no update path leads from "+low+" to "+high) {
			t.Errorf("%s%s: %v", r.file, ends, err)
		}
		return false
	}
	names := chosenVersions(got)
	for i := range names[1:] {
		if !r.edges[names[i]+">"+names[i+1]] {
			t.Errorf("%s%s: %v, where there is no edge from %s to %s", r.file, ends, names, names[i], names[i+1])
		}
	}
	if names[0] != low || names[len(names)-1] != high {
		t.Errorf("%s%s: %v", r.file, ends, names)
	}
	return true
}

// TestRealChannels selects from the graphs that are at hand, and holds the result
// against the versions and edges in the file.
func TestRealChannels(t *testing.T) {
	for file, arch := range map[string]string{"amd64-stable-4.13.json": "amd64", "stable-4.7_amd64.json": "amd64", "candidate-4.12_multi.json": "multi"} {
		r := newRealGraph(t, file, arch)
		all := r.all
		if got, err := r.choose(t, ""); err != nil || len(got) != 1 || got[0].Version.String() != all[len(all)-1].String() || got[0].Payload.String() != r.payloads[got[0].Version.String()] {
			t.Errorf("%s: head %v, %v", file, got, err)
		}
		if got, err := r.choose(t, ", full: true"); err != nil || len(got) != len(all) {
			t.Errorf("%s: full %d of %d, %v", file, len(got), len(all), err)
		}
		paths, step := 0, max(1, len(all)/8)
		for low := 0; low < len(all); low += step {
			for high := low; high < len(all); high += step {
				ends := ", minVersion: " + all[low].String() + ", maxVersion: " + all[high].String()
				got, err := r.choose(t, ends)
				if err != nil || !slices.Equal(chosenVersions(got), versionNames(all[low:high+1])) {
					t.Errorf("%s%s: %v, %v", file, ends, chosenVersions(got), err)
				}
				if r.path(t, all[low].String(), all[high].String(), ends) {
					paths++
				}
			}
		}
		if paths < 10 {
			t.Errorf("%s: only %d paths", file, paths)
		}
	}
}

func chosenVersions(list []chosen) (names []string) {
	for _, n := range list {
		names = append(names, n.Version.String())
	}
	return names
}

func versionNames(list []semver.Version) (names []string) {
	for _, v := range list {
		names = append(names, v.String())
	}
	return names
}
