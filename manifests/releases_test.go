package manifests

import (
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
)

// TestReleasesOf lists releases by version, with the channel that chose each.
func TestReleasesOf(t *testing.T) {
	m := asktest.ChannelWorld(t)
	inv, err := Resolve(t.Context(), asktest.ChannelConfig(t, "{name: stable-4.3, minVersion: 4.3.1, maxVersion: 4.3.2}, {name: stable-4.2}"), m)
	asktest.NoError(t, err)
	var got []string
	for _, r := range Releases(inv) {
		if r.Digest == "" || r.Source.Digest != r.Digest {
			t.Errorf("%+v", r)
		}
		got = append(got, r.Name+": "+strings.Join(r.Why, ", "))
	}
	const path = "update path from 4.2.1 to 4.3.2"
	want := []string{"4.2.1-x86_64: channel stable-4.2, " + path, "4.3.0-x86_64: " + path, "4.3.1-x86_64: channel stable-4.3, " + path, "4.3.2-x86_64: channel stable-4.3, " + path}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
