package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// graphServer answers as the servers of update graphs do.
type graphServer struct {
	*httptest.Server
	mu     sync.Mutex
	graphs map[string][]byte // by arch, then channel: "amd64 stable-4.99"
	asked  []string
	// answer may answer in its place; it says whether it did. n counts from 1.
	answer func(w http.ResponseWriter, r *http.Request, n int) bool
}

func newGraphServer(t *testing.T) *graphServer {
	s := &graphServer{graphs: map[string][]byte{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		key := q.Get("arch") + " " + q.Get("channel")
		s.mu.Lock()
		s.asked = append(s.asked, key+" "+q.Get("key"))
		answer, body, n := s.answer, s.graphs[key], len(s.asked)
		s.mu.Unlock()
		if answer != nil && answer(w, r, n) {
			return
		}
		switch {
		case r.Header.Get("Accept") == "":
			http.Error(w, `{"kind":"invalid_content_type"}`, http.StatusNotAcceptable)
		case body == nil:
			_, _ = fmt.Fprint(w, `{"version":1,"nodes":[],"edges":[],"conditionalEdges":[]}`)
		default:
			_, _ = w.Write(body)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *graphServer) answers(f func(w http.ResponseWriter, r *http.Request, n int) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer, s.asked = f, nil
}

// requests lists what was asked since answers was called: "ARCH CHANNEL KEY".
func (s *graphServer) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// withGraph has a world's commands ask that server.
func (w *world) withGraph(url string, args ...string) result {
	w.t.Helper()
	p := w.prepare(args...)
	p.cmd.Env = append(p.cmd.Env, "UPDATE_URL_OVERRIDE="+url)
	if err := p.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	return p.wait()
}

// channelSet publishes three releases of two components, and a graph in which the
// last follows the first by a conditional update only.
func channelSet(t *testing.T, o *outside, s *graphServer) (releases []ocpRelease) {
	t.Helper()
	var nodes []map[string]string
	for _, version := range []string{"4.99.1", "4.99.2", "4.99.3"} {
		r := o.madeRelease(t, version+"-x86_64", 2, func() oci.Descriptor { return o.small(2 << 10) }, func(names map[string]string) (oci.Descriptor, error) {
			return o.content.Payload(version, "amd64", names, o.base[0])
		})
		releases = append(releases, r)
		nodes = append(nodes, map[string]string{"version": version, "payload": "quay.io/openshift-release-dev/ocp-release@" + r.payload.Digest.String()})
	}
	body, err := json.Marshal(map[string]any{
		"version": 1, "nodes": nodes, "edges": [][2]int{{0, 1}},
		"conditionalEdges": []any{map[string]any{
			"edges": []map[string]string{{"from": "4.99.2", "to": "4.99.3"}, {"from": "4.99.1", "to": "4.99.3"}},
			"risks": []map[string]string{{"name": "DiskLost", "message": "Disks\nmay \u001b[31m go.", "url": "https://example.com/1"}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.graphs["amd64 stable-4.99"] = body
	return releases
}

// TestChannels carries the releases of a channel, which servers answer for as
// servers do: late, elsewhere, and not at the first time.
func TestChannels(t *testing.T) {
	t.Parallel()
	o, s := newOutside(406), newGraphServer(t)
	releases := channelSet(t, o, s)
	conf := o.conf(t, o.serve(t))
	answers := map[string]func(w http.ResponseWriter, r *http.Request, n int) bool{
		"plain": nil,
		"slow": func(http.ResponseWriter, *http.Request, int) bool {
			time.Sleep(time.Second)
			return false
		},
		"redirect": func(w http.ResponseWriter, r *http.Request, _ int) bool {
			if r.URL.Path == "/moved" {
				return false
			}
			http.Redirect(w, r, "/moved?"+r.URL.RawQuery, http.StatusFound)
			return true
		},
		"unavailable at first": func(w http.ResponseWriter, _ *http.Request, n int) bool {
			if n > 1 {
				return false
			}
			http.Error(w, "later", http.StatusServiceUnavailable)
			return true
		},
		"broken off at first": func(w http.ResponseWriter, _ *http.Request, n int) bool {
			if n > 1 {
				return false
			}
			w.Header().Set("Content-Length", "100000")
			_, _ = fmt.Fprint(w, `{"version":1,"nodes":[`)
			return true
		},
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			s.answers(answer)
			w := newWorld(t)
			w.imageset("  platform:\n    channels: [{name: stable-4.99, minVersion: 4.99.1, maxVersion: 4.99.2, shortestPath: true}]\n")
			args := w.pack("--registries-conf", conf, "--retry-delay", "10ms")
			w.withGraph(s.URL+"/graph?key=mine", args...).want(exitOK)
			for _, q := range s.requests() {
				if q != "amd64 stable-4.99 mine" {
					t.Errorf("the server was asked for %s", q)
				}
			}
			w.withGraph(s.URL+"/graph?key=mine", args...).want(exitOK).says("nothing has changed since")
			if name != "plain" {
				return
			}
			w.sameGraph(t, "amd64-stable-4.99.json", s.graphs["amd64 stable-4.99"])
			mirror := newMirror(t)
			w.run(w.unpackSite(mirror+"/ocp", filepath.Join(w.dir, "out"))...).want(exitOK)
			compareMirrored(t, o.content, mirror, append(releases[0].mirrored("ocp"), releases[1].mirrored("ocp")...))
			if n := len(w.inspected().Images); n != 6 {
				t.Errorf("%d images are carried", n)
			}
		})
	}
}

// sameGraph opens the bundle as a tool of the far side would, and wants a file of
// the graphs' document byte for byte.
func (w *world) sameGraph(t *testing.T, title string, want []byte) {
	t.Helper()
	ids, err := bundle.ReadIdentities([]string{w.key}, &bundle.UI{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := bundle.Open(t.Context(), []string{w.drive}, bundle.Wanted{}, ids)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	root, ok := r.Inventory().Document(manifests.DocumentGraph)
	if !ok {
		t.Fatal("the bundle has no document of update graphs")
	}
	files, err := oci.ReadArtifact(t.Context(), r, root, "application/vnd.satchel.update-graph.v1")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 1 || files[0].Title != title || string(files[0].Body) != string(want) {
		t.Errorf("the bundle's graphs are %+v", files)
	}
}

// TestChannelErrors has servers and configurations that are wrong.
func TestChannelErrors(t *testing.T) {
	t.Parallel()
	o, s := newOutside(407), newGraphServer(t)
	channelSet(t, o, s)
	conf := o.conf(t, o.serve(t))
	status := func(code int) func(http.ResponseWriter, *http.Request, int) bool {
		return func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			http.Error(w, "no", code)
			return true
		}
	}
	const risky = "{name: stable-4.99, minVersion: 4.99.1, shortestPath: true}"
	tests := []struct {
		name, channels, url string
		answer              func(http.ResponseWriter, *http.Request, int) bool
		more                []string
		code                int
		says                []string
	}{
		{"refused", "{name: stable-4.99}", "", status(403), nil, exitRegistry, []string{"satchel: read the update graph of channel stable-4.99 for amd64: get " + s.URL, "403 Forbidden"}},
		{"always unavailable", "{name: stable-4.99}", "", status(503), nil, exitRegistry, []string{"read the update graph of channel stable-4.99 for amd64: get " + s.URL, "503"}},
		{"a page", "{name: stable-4.99}", "", func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			_, _ = fmt.Fprint(w, "<html>log in</html>")
			return true
		}, nil, exitFailed, []string{"read the update graph of channel stable-4.99 for amd64 from " + s.URL + ": it is not valid JSON of an update graph"}},
		{"no such channel", "{name: stabel-4.99}", "", nil, nil, exitUsage, []string{"imageset.yaml:5:23: mirror.platform.channels[0].name: the update graph of channel stabel-4.99 has no releases for amd64", "hint: a channel is named as stable-4.18"}},
		{"another architecture", "{name: stable-4.99}]\n    architectures: [amd64, arm64", "", nil, nil, exitUsage, []string{"has no releases for arm64"}},
		{"risks", risky, "", nil, nil, exitUsage, []string{"conditional update to 4.99.3 from 4.99.1: risk DiskLost: Disks may ?[31m go. (https://example.com/1)", "no update path leads from 4.99.1 to 4.99.3 without risks that were not accepted: DiskLost", "hint: if these risks do not matter to your clusters, accept each of them: DiskLost (--accept-risk NAME)"}},
		{"another risk", risky, "", nil, []string{"--accept-risk", "Other"}, exitUsage, []string{"not accepted: DiskLost"}},
		{"accepted", risky, "", nil, []string{"--accept-risk", "Other", "--accept-risk", "DiskLost"}, exitOK, []string{"accepted: conditional update to 4.99.3 from 4.99.1: risk DiskLost", "accepted risk Other: no update"}},
		{"no address", "{name: stable-4.99}", "localhost/graph", nil, nil, exitUsage, []string{"UPDATE_URL_OVERRIDE is not an http or https address", "hint: set UPDATE_URL_OVERRIDE"}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s.answers(tc.answer)
			w := newWorld(t)
			w.imageset("  platform:\n    channels: [" + tc.channels + "]\n")
			if tc.url == "" {
				tc.url = s.URL
			}
			args := w.pack(append(tc.more, "--registries-conf", conf, "--retry-delay", "10ms", "--retry-times", "1")...)
			w.withGraph(tc.url, args...).want(tc.code).says(tc.says...)
			if _, err := os.Stat(w.drive); tc.code != exitOK && err == nil {
				if files, err := os.ReadDir(w.drive); err != nil || len(files) > 0 {
					t.Errorf("the drive was written: %v, %v", files, err)
				}
			}
		})
	}
}
