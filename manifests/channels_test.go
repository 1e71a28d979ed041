package manifests

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/release"
	"github.com/satchel-airgap/satchel/oci"
)

// released lists the payloads of an inventory by their tags.
func released(inv *oci.Inventory) string {
	var list []string
	for _, i := range inv.Images {
		if i.Path == origin.PathPayload {
			list = append(list, strings.ReplaceAll(strings.Join(i.Tags, "+"), "-x86_64", ""))
		}
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// channelCase is a selection, and what it makes.
type channelCase struct {
	name, channels string
	more           string
	accept         string
	want           string // releases
	asked          string // channels
	notes          string
}

func channelCases() []channelCase {
	return []channelCase{
		{name: "head", channels: "{name: stable-4.3}", want: "4.3.3", asked: "stable-4.3"},
		{name: "min", channels: "{name: stable-4.3, minVersion: 4.3.1}", want: "4.3.1 4.3.2 4.3.3 4.3.3-rc.1", asked: "stable-4.3",
			notes: "channel stable-4.3 for amd64: conditional update to 4.3.3 from 4.3.1: risk Lossy: about Lossy (https://example.com/Lossy)\n" +
				"channel stable-4.3 for amd64: conditional update to 4.3.3 from 4.3.2: risk Slow: about Slow (https://example.com/Slow)"},
		{name: "max", channels: "{name: stable-4.3, maxVersion: 4.3.1}", want: "4.2.1 4.3.0 4.3.1", asked: "stable-4.3"},
		{name: "both", channels: "{name: stable-4.2, minVersion: 4.1.2, maxVersion: 4.2.0}", want: "4.1.2 4.2.0", asked: "stable-4.2"},
		{name: "a range that no path joins", channels: "{name: apart-4.4, minVersion: 4.4.0}", want: "4.4.0 4.4.1 4.4.2", asked: "apart-4.4",
			notes: "channel apart-4.4 for amd64: no update path leads from 4.4.0 to 4.4.2: updates from 4.4.0 lead as far as 4.4.0, and those to 4.4.2 begin at 4.4.1; the releases of the range are carried, and a cluster cannot be updated from the first of them to the last in this channel"},
		{name: "one", channels: "{name: stable-4.2, minVersion: 4.2.0, maxVersion: 4.2.0}", want: "4.2.0", asked: "stable-4.2"},
		{name: "one by path", channels: "{name: stable-4.2, minVersion: 4.2.0, maxVersion: 4.2.0, shortestPath: true}", want: "4.2.0", asked: "stable-4.2"},
		{name: "full", channels: "{name: stable-4.2, full: true, type: ocp}", want: "4.1.2 4.2.0 4.2.1", asked: "stable-4.2"},
		{name: "path", channels: "{name: eus-4.1, shortestPath: true}", want: "4.1.0 4.1.2", asked: "eus-4.1"},
		{name: "path around a risk", channels: "{name: stable-4.3, minVersion: 4.3.0, maxVersion: 4.3.2, shortestPath: true}", want: "4.3.0 4.3.1 4.3.2", asked: "stable-4.3",
			notes: "channel stable-4.3 for amd64: 2 updates are carried; 1 would do if these risks were accepted: Slow: conditional update to 4.3.2 from 4.3.0: risk Slow: about Slow (https://example.com/Slow)"},
		{name: "path by a risk", channels: "{name: stable-4.3, minVersion: 4.3.0, shortestPath: true}", accept: "Lossy Typo", want: "4.3.0 4.3.1 4.3.3", asked: "stable-4.3",
			notes: "channel stable-4.3 for amd64, accepted: conditional update to 4.3.3 from 4.3.1: risk Lossy: about Lossy (https://example.com/Lossy)\n" +
				"accepted risk Typo: no update in the graphs of this configuration has a risk of that name"},
		{name: "path over two channels", channels: "{name: stable-4.1, minVersion: 4.1.0, shortestPath: true}, {name: stable-4.2, maxVersion: 4.2.1, shortestPath: true}",
			want: "4.1.0 4.1.1 4.1.2 4.2.0 4.2.1", asked: "stable-4.1 stable-4.2"},
		{name: "path over a channel between", channels: "{name: eus-4.1, minVersion: 4.1.0, shortestPath: true}, {name: eus-4.3, maxVersion: 4.3.1, shortestPath: true}",
			want: "4.1.0 4.1.2 4.2.0 4.2.1 4.3.0 4.3.1", asked: "eus-4.1 eus-4.3 eus-4.2 stable-4.2"},
		{name: "path over a channel between, to the next major", channels: "{name: eus-4.21, minVersion: 4.21.1, shortestPath: true}, {name: eus-5.0, maxVersion: 5.0.1, shortestPath: true}",
			want: "4.21.1 4.22.1 5.0.1", asked: "eus-4.21 eus-4.22 eus-5.0 stable-4.22"},
		{name: "heads that a path joins", channels: "{name: stable-4.1}, {name: stable-4.2}", want: "4.1.2 4.2.0 4.2.1", asked: "stable-4.1 stable-4.2"},
		{name: "ends within others", channels: "{name: stable-4.1, minVersion: 4.1.1, maxVersion: 4.1.2, shortestPath: true}, {name: eus-4.1, minVersion: 4.1.0, maxVersion: 4.1.2, shortestPath: true}",
			want: "4.1.0 4.1.1 4.1.2", asked: "stable-4.1 eus-4.1"},
		{name: "heads that none joins", channels: "{name: stable-4.1}, {name: island-4.3}", want: "4.1.2 4.3.1", asked: "stable-4.1 island-4.3 stable-4.2 island-4.2",
			notes: "mirror.platform.channels: no update path leads from 4.1.2 to 4.3.1: updates from 4.1.2 lead as far as 4.2.1, and those to 4.3.1 begin at 4.3.1 (amd64); each channel's own releases are carried, and a cluster cannot be updated from the first of these to the last with only them"},
		{name: "two architectures", channels: "{name: stable-4.2}", more: "    architectures: [arm64, amd64, arm64]\n", want: "4.2.1 4.2.1-aarch64", asked: "stable-4.2 stable-4.2"},
	}
}

func TestChannels(t *testing.T) {
	m := asktest.ChannelWorld(t)
	for _, tc := range channelCases() {
		t.Run(tc.name, func(t *testing.T) {
			m.Fetched, m.Notes = nil, nil
			c := asktest.ChannelConfig(t, tc.channels, tc.more)
			c.Extra.AcceptRisks = strings.Fields(tc.accept)
			inv, err := Resolve(t.Context(), c, m)
			if err != nil {
				t.Fatal(err)
			}
			if got := released(inv); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
			if got, want := askedChannels(t, m.Fetched), strings.Fields(tc.asked); !sameSet(got, want) {
				t.Errorf("asked for %q, want %q", got, want)
			}
			if got := strings.Join(m.Notes, "\n"); got != tc.notes {
				t.Errorf("notes\n%s\nwant\n%s", got, tc.notes)
			}
			compareDocument(t, m, inv)
			again, err := Resolve(t.Context(), c, m)
			if err != nil || !reflect.DeepEqual(inv, again) {
				t.Errorf("the second time gave %+v, %v", again, err)
			}
		})
	}
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

func askedChannels(t *testing.T, links []string) (list []string) {
	t.Helper()
	for _, l := range links {
		u, err := url.Parse(l)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, u.Query().Get("channel"))
	}
	return list
}

// compareDocument wants every graph that was had, byte for byte.
func compareDocument(t *testing.T, m *asktest.Registry, inv *oci.Inventory) {
	t.Helper()
	root, ok := inv.Document(DocumentGraph)
	if !ok {
		t.Fatal("there is no document of the graphs")
	}
	files, err := oci.ReadArtifact(t.Context(), &m.Stored, root, documents.ArtifactGraph)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, link := range m.Fetched {
		u, _ := url.Parse(link) // was parsed before
		if body, ok := m.Published[link]; ok {
			want[u.Query().Get("arch")+"-"+u.Query().Get("channel")+".json"] = string(body)
		}
	}
	for _, f := range files {
		if want[f.Title] != string(f.Body) {
			t.Errorf("%s in the document is not as it was received", f.Title)
		}
		delete(want, f.Title)
	}
	if len(want) != 0 {
		t.Errorf("%d graphs are not in the document", len(want))
	}
}

func TestChannelErrors(t *testing.T) {
	const path = "f.yaml:5:"
	m := asktest.ChannelWorld(t)
	bad := m.GraphBody(t, "amd64", asktest.Graph{Versions: "4.2.0", Edges: nil})
	m.Published[asktest.GraphLink(asktest.GraphServer, "amd64", "bad-4.2")] = []byte(strings.Replace(string(bad), "@sha256:", ":", 1)[:40])
	other := m.PutPayload(t, "4.2.0", "amd64", m.Components("etcd-1", "cli-2"))
	m.At("quay.io/ocp/rel@"+other.Digest.String(), other)
	m.Published[asktest.GraphLink(asktest.GraphServer, "amd64", "other-4.2")] = fmt.Appendf(nil, `{"nodes":[{"version":"4.2.0","payload":"quay.io/ocp/rel@%s"}],"edges":[]}`, other.Digest)
	tests := []struct{ name, channels, want, hint string }{
		{"no such channel", "{name: none-4.3}", path + "23: mirror.platform.channels[0].name: the update graph of channel none-4.3 has no releases for amd64", "a channel is named as stable-4.18; is the name right, and is there such a channel for amd64?"},
		{"no such min", "{name: stable-4.3, minVersion: 4.2.9}", path + "47: mirror.platform.channels[0].minVersion: channel stable-4.3 has no release 4.2.9 for amd64; the nearest are 4.2.1 and 4.3.0", "take a release that the channel has, or a channel that has this release"},
		{"no such max", "{name: stable-4.3, maxVersion: 4.9.9}", path + "47: mirror.platform.channels[0].maxVersion: channel stable-4.3 has no release 4.9.9 for amd64; the nearest are 4.3.3", "take a release that the channel has, or a channel that has this release"},
		{"risks", "{name: stable-4.3, minVersion: 4.3.2, shortestPath: true}", path + "16: mirror.platform.channels[0]: channel stable-4.3 for amd64: no update path leads from 4.3.2 to 4.3.3 without risks that were not accepted: Slow", "if these risks do not matter to your clusters, accept each of them: Slow"},
		{"no path", "{name: eus-4.1, minVersion: 4.1.1, shortestPath: true}", path + "16: mirror.platform.channels[0]: channel eus-4.1 for amd64: no update path leads from 4.1.1 to 4.1.2: updates from 4.1.1 lead as far as 4.1.1, and those to 4.1.2 begin at 4.1.2", "choose other versions, or carry each channel's releases without shortestPath"},
		{"no path over channels", "{name: stable-4.1, minVersion: 4.1.0, shortestPath: true}, {name: island-4.3, shortestPath: true}", path + "15: mirror.platform.channels for amd64: no update path leads from 4.1.0 to 4.3.1: updates from 4.1.0 lead as far as 4.2.1, and those to 4.3.1 begin at 4.3.1", "choose other versions, or carry each channel's releases without shortestPath"},
		{"unknown to the server", "{name: candidate-4.2}", "read the update graph of channel candidate-4.2 for amd64: get " + asktest.GraphLink(asktest.GraphServer, "amd64", "candidate-4.2") + ": the server answers 404 Not Found", ""},
		{"cut", "{name: bad-4.2}", "read the update graph of channel bad-4.2 for amd64 from https://graph.example.com/g: it is not valid JSON of an update graph: unexpected end of JSON input", ""},
		{"two payloads", "{name: stable-4.2}, {name: other-4.2}", "put the update graphs for amd64 together: release 4.2.0 has two payloads, ", ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Resolve(t.Context(), asktest.ChannelConfig(t, tc.channels), m)
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
			hint := ""
			if ce, ok := one[*ConfigError](err); ok {
				hint = ce.Hint()
			}
			if hint != tc.hint {
				t.Errorf("hint %q, want %q", hint, tc.hint)
			}
		})
	}
}

// one finds the only error of a type in joined ones.
func one[T error](err error) (found T, ok bool) {
	if joined, many := err.(interface{ Unwrap() []error }); many && len(joined.Unwrap()) == 1 {
		err = joined.Unwrap()[0]
	}
	//lint:ignore errorlint it is the error itself that is wanted
	found, ok = err.(T)
	return found, ok
}

func TestChannelValidate(t *testing.T) {
	tests := []struct{ in, want string }{
		{"{name: stable-4.1, minVersion: 4.2.0, maxVersion: 4.1.0}", "f.yaml:5:47: mirror.platform.channels[0]: minVersion 4.2.0 is above maxVersion 4.1.0"},
		{"{name: stable-4.1, minVersion: '4.2'}", `f.yaml:5:47: mirror.platform.channels[0].minVersion is "4.2"; a version is written as 4.18.1`},
		{"{name: stable-4.1, maxVersion: v4.2.0}", `f.yaml:5:47: mirror.platform.channels[0].maxVersion is "v4.2.0"; a version is written as 4.18.1`},
		{"{name: ../x}", `f.yaml:5:23: mirror.platform.channels[0].name is "../x", which is not the name of a channel`},
	}
	for _, tc := range tests {
		if _, err := Parse("f.yaml", []byte(asktest.Head+"mirror:\n  platform:\n    channels: ["+tc.in+"]\n")); errorText(err) != tc.want {
			t.Errorf("%s: got %v, want %s", tc.in, err, tc.want)
		}
	}
}

// TestChannelGaps has a payload that is not what the graph says, and one that is gone.
func TestChannelGaps(t *testing.T) {
	m := asktest.ChannelWorld(t)
	link := asktest.GraphLink(asktest.GraphServer, "amd64", "stable-4.2")
	m.Published[link] = []byte(strings.NewReplacer("4.2.1", "4.2.9").Replace(string(m.Published[link])))
	first := m.PutPayload(t, "4.1.2", "amd64", m.Parts)
	delete(m.Refs, "quay.io/ocp/rel@"+first.Digest.String())
	inv, err := Resolve(t.Context(), asktest.ChannelConfig(t, "{name: stable-4.2, full: true}"), m)
	gaps, ok := oci.Gaps(err)
	if !ok || len(gaps) != 2 || released(inv) != "4.2.0" {
		t.Fatalf("got %s, %v", released(inv), err)
	}
	for _, want := range []string{"the update graph says that it is 4.2.9 for amd64; it is 4.2.1 for amd64", "manifest unknown"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	whys := map[string]bool{}
	for _, g := range gaps {
		whys[strings.Join(oci.Words(g.Image.Reasons), ", ")] = true
		if g.Image.Origin != origin.Release || g.Image.Path != origin.PathPayload {
			t.Errorf("gap %+v", g.Image)
		}
	}
	if !whys["release 4.1.2 x86_64, channel stable-4.2"] || !whys["release 4.2.9 x86_64, channel stable-4.2"] {
		t.Errorf("gaps of %v", whys)
	}
}

// TestOKD asks each type's own server, and keeps the two apart in the document.
func TestOKD(t *testing.T) {
	m := asktest.ChannelWorld(t)
	for kind, v := range map[string]string{"ocp": "4.2.0", "okd": "4.2.0-0.okd-2020-07-12-134038"} {
		m.Published[asktest.GraphLink(release.GraphURLs[kind], "amd64", kind+"-4")] = m.GraphBody(t, "amd64", asktest.Graph{Versions: v, Edges: nil})
	}
	c := asktest.ChannelConfig(t, "{name: okd-4, type: okd}, {name: ocp-4}")
	c.Extra.UpdateURL = ""
	inv, err := Resolve(t.Context(), c, m)
	if err != nil || released(inv) != "4.2.0 4.2.0-0.okd-2020-07-12-134038" {
		t.Fatalf("got %v", err)
	}
	root, _ := inv.Document(DocumentGraph)
	files, err := oci.ReadArtifact(t.Context(), &m.Stored, root, documents.ArtifactGraph)
	if err != nil || len(files) != 2 || files[0].Title != "amd64-ocp-4.json" || files[1].Title != "okd-amd64-okd-4.json" {
		t.Errorf("document %+v, %v", files, err)
	}
}

// TestArchInVersion takes a graph that writes the architecture behind versions.
func TestArchInVersion(t *testing.T) {
	m := asktest.ChannelWorld(t)
	link := asktest.GraphLink(asktest.GraphServer, "amd64", "stable-4.2")
	m.Published[link] = []byte(strings.ReplaceAll(string(m.Published[link]), `"4.2.1"`, `"4.2.1+amd64"`))
	inv, err := Resolve(t.Context(), asktest.ChannelConfig(t, "{name: stable-4.2}"), m)
	if err != nil || released(inv) != "4.2.1" {
		t.Errorf("got %v", err)
	}
}

// TestExtraDigest counts what is requested in addition to the file where it matters.
func TestExtraDigest(t *testing.T) {
	plain := asktest.ChannelConfig(t, "{name: stable-4.1}")
	base := plain.Digest()
	plain.Extra.UpdateURL = ""
	if plain.Digest() == base {
		t.Error("the graph server does not matter")
	}
	plain.Extra.AcceptRisks = []string{"B", "A", "B"}
	risks := plain.Digest()
	plain.Extra.AcceptRisks = []string{"A", "B"}
	if plain.Digest() != risks || !slices.Equal(plain.Extra.AcceptRisks, []string{"A", "B"}) {
		t.Error("the order of accepted risks matters")
	}
	r := asktest.ReleaseConfig(t, "a.io/b:c")
	base = r.Digest()
	r.Extra.UpdateURL = asktest.GraphServer
	if r.Digest() != base {
		t.Error("the graph server matters where no graph is asked for")
	}
}
