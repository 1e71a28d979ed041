package release

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
)

// listed writes an answer: the channels "NAME COUNT LOW HIGH", or the releases.
func listed(a *Available) string {
	var out []string
	for _, ch := range a.Channels {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %d %s %s", ch.Name, ch.Releases, ch.Lowest, ch.Highest)))
	}
	for _, r := range a.Releases {
		out = append(out, r.Version)
	}
	return strings.Join(out, "; ")
}

// serving has graphs as a server that refuses unknown channels has them.
func serving(t *testing.T, graphs map[string]string) *asktest.Images {
	t.Helper()
	m := asktest.NewImages()
	m.Published = map[string][]byte{}
	for channel, nodes := range graphs { // VERSION[=CHANNEL,CHANNEL]
		var list []map[string]any
		for _, word := range strings.Fields(nodes) {
			v, in, _ := strings.Cut(word, "=")
			list = append(list, map[string]any{"version": v, "payload": "quay.io/r/r@sha256:" + strings.Repeat("a", 64),
				"metadata": map[string]string{"url": "https://example.com/" + v, "io.openshift.upgrades.graph.release.channels": in}})
		}
		body, err := json.Marshal(map[string]any{"version": 1, "nodes": list, "edges": [][2]int{}})
		if err != nil {
			t.Fatal(err)
		}
		arch := "amd64"
		if a, name, ok := strings.Cut(channel, "/"); ok {
			arch, channel = a, name
		}
		m.Published[asktest.GraphLink(asktest.GraphServer, arch, channel)] = body
	}
	return m
}

func TestList(t *testing.T) {
	t.Parallel()
	m := serving(t, map[string]string{
		"stable-4.14":       "4.13.5=stable-4.13,stable-4.14,eus-4.14 4.14.1=stable-4.14,fast-4.14,eus-4.14,stable-4.15,eus-4.16",
		"stable-4.13":       "4.13.5=stable-4.13,stable-4.14,eus-4.14",
		"eus-4.14":          "4.13.5 4.14.1",
		"fast-4.14":         "4.14.1 4.14.2",
		"stable-4.15":       "4.14.1 4.15.0=stable-4.15,candidate-4.15",
		"candidate-4.15":    "4.15.0",
		"candidate-4.16":    "4.16.0-rc.1=candidate-4.16",
		"candidate-5.0":     "5.0.0-ec.1=candidate-5.0",
		"arm64/stable-4.14": "4.14.1",
	})
	for name, tc := range map[string]struct {
		q    Query
		want string
	}{
		"a channel":      {Query{Channel: "stable-4.14"}, "4.14.1; 4.13.5"},
		"another arch":   {Query{Channel: "stable-4.14", Arch: "arm64"}, "4.14.1"},
		"a minor":        {Query{Version: "4.14"}, "stable-4.14 2 4.13.5 4.14.1; eus-4.14 2 4.13.5 4.14.1; fast-4.14 2 4.14.1 4.14.2"},
		"a release":      {Query{Version: "4.14.1"}, "stable-4.15 2 4.14.1 4.15.0; stable-4.14 2 4.13.5 4.14.1; eus-4.14 2 4.13.5 4.14.1; fast-4.14 2 4.14.1 4.14.2"},
		"everything":     {Query{}, "candidate-5.0 1 5.0.0-ec.1 5.0.0-ec.1; eus-4.16 0; candidate-4.16 1 4.16.0-rc.1 4.16.0-rc.1; stable-4.15 2 4.14.1 4.15.0; candidate-4.15 0; stable-4.14 2 4.13.5 4.14.1; eus-4.14 0; fast-4.14 0; stable-4.13 1 4.13.5 4.13.5"},
		"no channel":     {Query{Channel: "stable-4.99"}, "the update graph has no channel stable-4.99 for amd64"},
		"no minor":       {Query{Version: "4.99"}, "there is no channel of 4.99 for amd64"},
		"no release":     {Query{Version: "4.14.0"}, "no channel for amd64 has the release 4.14.0; near it are 4.13.5 and 4.14.1"},
		"no version":     {Query{Version: "latest"}, `"latest" is no version`},
		"no arch":        {Query{Arch: "x86/64"}, `"x86/64" is no architecture`},
		"no type":        {Query{Type: "rhel"}, `there are no releases of type "rhel"`},
		"nothing at all": {Query{Type: "okd"}, "the update graph has none of the usual channels for amd64"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.q.UpdateURL = asktest.GraphServer
			got, err := List(t.Context(), tc.q, m)
			var none *NotThereError
			if errors.As(err, &none) {
				if none.Error() != tc.want || none.Hint() == "" {
					t.Errorf("got %v", err)
				}
			} else if err != nil || listed(got) != tc.want {
				t.Errorf("got  %s, %v\nwant %s", listed(got), err, tc.want)
			}
		})
	}
}

// TestListDescribes gives what a configuration or a person needs of a release.
func TestListDescribes(t *testing.T) {
	t.Parallel()
	m := serving(t, map[string]string{"x": "4.1.0=b,a\x1b"})
	got, err := List(t.Context(), Query{Channel: "x", UpdateURL: asktest.GraphServer}, m)
	if err != nil || len(got.Releases) != 1 {
		t.Fatal(err)
	}
	r := got.Releases[0]
	if r.Payload != "quay.io/r/r@sha256:"+strings.Repeat("a", 64) || strings.Join(r.Channels, " ") != "a? b" || r.Advisory != "https://example.com/4.1.0" {
		t.Errorf("got %+v", r)
	}
	if _, err := List(t.Context(), Query{UpdateURL: "ftp://x"}, m); err == nil || !strings.Contains(err.Error(), "UPDATE_URL_OVERRIDE") {
		t.Errorf("got %v", err)
	}
}

// TestListReal lists a graph as it was published.
func TestListReal(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile(filepath.Join(asktest.SharedData(t, "release/graph"), "amd64-stable-4.13.json"))
	if err != nil {
		t.Skip(err)
	}
	m := asktest.NewImages()
	m.Published = map[string][]byte{asktest.GraphLink(asktest.GraphServer, "amd64", "stable-4.13"): body}
	got, err := List(t.Context(), Query{Version: "4.13.27", UpdateURL: asktest.GraphServer}, m)
	if err != nil || len(got.Channels) != 1 || got.Channels[0].Releases != 98 {
		t.Errorf("got %+v, %v", got, err)
	}
}
