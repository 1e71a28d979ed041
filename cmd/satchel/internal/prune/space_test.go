package prune

import (
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/transport"
)

// TestSpace: a registry that says what it is gets its own line; any other gets all, with the
// warning of what is unsafe.
func TestSpace(t *testing.T) {
	t.Parallel()
	for product, want := range map[transport.Product]string{
		transport.ProductQuay: "two weeks", transport.ProductHarbor: "garbage collection", transport.ProductNexus: "Compact blob store", transport.ProductArtifactory: "trash can",
	} {
		if list := Space(product); len(list) != 1 || !strings.HasPrefix(list[0], string(product)+": ") || !strings.Contains(list[0], want) {
			t.Errorf("%s: %q", product, list)
		}
	}
	all := strings.Join(Space(transport.ProductUnknown), "\n")
	for _, want := range []string{"distribution 3", "--delete-untagged", "stopped or read-only", "never with -m", "Quay", "Harbor", "Nexus", "Artifactory"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q lacks %q", all, want)
		}
	}
}
