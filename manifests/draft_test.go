package manifests

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
)

// TestDraftResolves carries what is written for clusters: what they run, and the way to a version.
func TestDraftResolves(t *testing.T) {
	t.Parallel()
	m := asktest.ChannelWorld(t)
	at := func(name, version string) *Cluster {
		s, err := ReadCluster(name, strings.NewReader(fmt.Sprintf("apiVersion: config.openshift.io/v1\nkind: ClusterVersion\nmetadata: {name: version}\nspec: {channel: stable-%s}\nstatus: {desired: {version: %s}, history: [{state: Completed, version: %s, image: quay.io/r/r}]}\n", version[:3], version, version)))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for name, tc := range map[string]struct {
		to   string
		list []*Cluster
		want string
	}{
		"what runs":            {"", []*Cluster{at("east", "4.2.0")}, "4.2.0"},
		"a way":                {"4.3.1", []*Cluster{at("east", "4.1.1")}, "4.1.1 4.1.2 4.2.0 4.2.1 4.3.0 4.3.1"},
		"within a minor":       {"4.1.2", []*Cluster{at("east", "4.1.0")}, "4.1.0 4.1.1 4.1.2"},
		"two of one channel":   {"", []*Cluster{at("east", "4.1.0"), at("west", "4.1.1")}, "4.1.0 4.1.1"},
		"two on one way":       {"4.2.1", []*Cluster{at("east", "4.1.2"), at("west", "4.2.0")}, "4.1.2 4.2.0 4.2.1"},
		"the target runs here": {"4.2.1", []*Cluster{at("east", "4.2.1")}, "4.2.1"},
	} {
		t.Run(name, func(t *testing.T) {
			body, _, err := Draft(tc.list, tc.to)
			if err != nil {
				t.Fatal(err)
			}
			cfg, err := Load(Request{Name: "f.yaml", Data: []byte(strings.Replace(string(body), "graph: true", "graph: false", 1)), Extra: Extra{UpdateURL: asktest.GraphServer, IgnoreReleaseSignature: true}})
			if err != nil {
				t.Fatalf("%v\n%s", err, body)
			}
			inv, err := Resolve(t.Context(), cfg, m)
			if err != nil {
				t.Fatalf("%v\n%s", err, body)
			}
			var got []string
			for _, img := range inv.Images {
				if img.MirrorPath() == origin.PathPayload {
					v, _, _ := strings.Cut(img.Tags[0], "-")
					got = append(got, v)
				}
			}
			if slices.Sort(got); strings.Join(got, " ") != tc.want {
				t.Errorf("got %s, want %s\n%s", got, tc.want, body)
			}
		})
	}
}
