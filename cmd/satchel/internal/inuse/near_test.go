package inuse

import (
	"testing"

	"github.com/satchel-airgap/satchel/manifests"
)

// TestNear: which releases stay beside one that is named by its version alone.
func TestNear(t *testing.T) {
	t.Parallel()
	for of, tags := range map[string]map[string]bool{
		"4.18.9": {
			"4.18.9-x86_64": false, "4.18.8-x86_64": false, "4.18.10-x86_64": true, "4.19.1-multi": true, "5.0.1-x86_64": true,
			"4.17.1-x86_64": true, "4.16.40-aarch64": true, "4.15.40-x86_64": false, "v1": false, "": false, "4.20.0-okd-scos.3-x86_64": true,
		},
		"4.20.0-okd-scos.ec.14": {"4.20.0-okd-scos.3-x86_64": true, "4.20.0-okd-scos.ec.2-x86_64": false},
		"5.0.2":                 {"5.0.1-x86_64": false, "4.22.3-x86_64": true, "4.21.9-x86_64": true, "4.20.9-x86_64": false},
		"5.1.2":                 {"5.0.1-x86_64": true, "4.23.3-x86_64": true, "4.22.9-x86_64": true, "4.21.9-x86_64": false},
	} {
		runs, err := manifests.ParseVersion(of)
		if err != nil {
			t.Fatal(err)
		}
		for tag, want := range tags {
			if got := near(tag, runs); got != want {
				t.Errorf("%s beside %s: %v", tag, of, got)
			}
		}
	}
}
