package release

import (
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
)

func TestGraphURL(t *testing.T) {
	tests := []struct{ override, kind, want, bare string }{
		{"", "ocp", "https://api.openshift.com/api/upgrades_info/v1/graph?arch=amd64&channel=stable-4.1", "https://api.openshift.com/api/upgrades_info/v1/graph"},
		{"", "okd", "https://origin-release.ci.openshift.org/graph?arch=amd64&channel=stable-4.1", "https://origin-release.ci.openshift.org/graph"},
		{"http://me:pw@a.io:1/x?channel=no&key=v", "okd", "http://me:pw@a.io:1/x?arch=amd64&channel=stable-4.1&key=v", "http://a.io:1/x"},
		{"a.io/x", "ocp", "", ""},
		{"file:///x", "ocp", "", ""},
	}
	for _, tc := range tests {
		c := asktest.ChannelConfig(t, "{name: stable-4.1}")
		c.Extra.UpdateURL = tc.override
		link, bare, err := graphURL(c, graphQuery{tc.kind, "amd64", "stable-4.1"})
		if link != tc.want || bare != tc.bare || (err == nil) != (tc.want != "") {
			t.Errorf("%s: got %s, %s, %v", tc.override, link, bare, err)
		}
	}
}
