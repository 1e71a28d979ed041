package inuse

import (
	"testing"

	"github.com/satchel-airgap/satchel/manifests"
)

// TestNear: which releases stay beside one that is named by its version alone.
func TestNear(t *testing.T) {
	t.Parallel()
	runs, err := manifests.ParseVersion("4.18.9")
	if err != nil {
		t.Fatal(err)
	}
	for tag, want := range map[string]bool{
		"4.18.9-x86_64": false, "4.18.8-x86_64": false, "4.18.10-x86_64": true, "4.19.1-multi": true, "5.0.1-x86_64": true,
		"4.17.1-x86_64": true, "4.16.40-aarch64": true, "4.15.40-x86_64": false, "v1": false, "": false, "4.20.0-okd-scos.3-x86_64": true,
	} {
		if got := near(tag, runs); got != want {
			t.Errorf("%s: %v", tag, got)
		}
	}
}
