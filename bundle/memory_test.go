package bundle

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
)

// TestSystemMemory asks before anything is packed into memory that the system mounts for
// itself: nothing there outlives the host's next start.
func TestSystemMemory(t *testing.T) {
	t.Parallel()
	const shared = "/dev/shm"
	if on := media.System().Of(shared); on.Point != shared || on.Type != "tmpfs" {
		t.Skipf("%s is no tmpfs here: %+v", shared, on)
	}
	top, err := os.MkdirTemp(shared, "satchel-test-")
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(top); err != nil {
			t.Error(err)
		}
	})
	for _, dir := range []string{top, filepath.Join(top, "media", "me", "drive")} {
		at, err := CheckMount(dir, t.TempDir())
		if err != nil || at.Removable() || at.Memory != "tmpfs" || !strings.HasPrefix(at.Doubt, dir+" is in memory (tmpfs): no drive is mounted there") {
			t.Errorf("%s: %+v, %v", dir, at, err)
		}
	}
}
