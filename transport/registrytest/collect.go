package registrytest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	stored "github.com/distribution/distribution/v3/registry/storage"
	"github.com/distribution/distribution/v3/registry/storage/driver/filesystem"

	"github.com/satchel-airgap/satchel/oci/proctest"
)

// Collect has distribution v3 collect garbage: blobs that no manifest names, and, if untagged,
// manifests without a tag.
func (s *Served) Collect(t testing.TB, untagged bool) {
	t.Helper()
	driver, err := filesystem.FromParameters(map[string]any{"rootdirectory": s.Dir})
	if err != nil {
		t.Fatal(err)
	}
	registry, err := stored.NewRegistry(t.Context(), driver, stored.EnableDelete)
	if err != nil {
		t.Fatal(err)
	}
	if err := stored.MarkAndSweep(t.Context(), driver, registry, stored.GCOpts{RemoveUntagged: untagged, Quiet: true}); err != nil {
		t.Fatal(err)
	}
}

// Collect is the same of docker-registry 2.8, which takes the images of a tagged list for
// untagged ones.
func (r *Registry) Collect(t testing.TB, untagged bool) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yml")
	if err := os.WriteFile(file, fmt.Appendf(nil, config, r.Dir, ""), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := proctest.Command(t, program, "garbage-collect", fmt.Sprintf("--delete-untagged=%t", untagged), file)
	cmd.Env = []string{"OTEL_TRACES_EXPORTER=none", "PATH=" + os.Getenv("PATH")}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
