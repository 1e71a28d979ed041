package asktest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// OldestOpm builds the oldest opm that a supported OpenShift ships, from its own module. The
// first time takes a minute, which only SATCHEL_SOAK waits for; go keeps what it has. It is for tests of packages beside
// this one.
func OldestOpm(t *testing.T) string {
	t.Helper()
	patience := 10 * time.Second
	if os.Getenv("SATCHEL_SOAK") != "" {
		patience = 10 * time.Minute
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	name := filepath.Join(t.TempDir(), "opm")
	cmd := exec.CommandContext(ctx, "go", "build", "-C", "../../opmtest/oldest", "-buildvcs=false", "-o", name, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("opm 1.26 could not be built within %v (SATCHEL_SOAK=1 waits longer): %v: %.500s", patience, err, out)
	}
	return name
}
