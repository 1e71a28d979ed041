package pack_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// TestSystemDisk asks before the first byte goes to the system's own disk, and does not
// call that disk safe to remove.
func TestSystemDisk(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 71)
	set := jobtest.Images(b.Push(b.Content.Image(true, b.Content.Layer(1<<20, ocitest.LayerGzip)), "team/app", "v1"))
	o := b.Pack(b.Prepare(set), "drive")
	if at, err := bundle.CheckMount(o.Dir, o.State); err != nil || at.Removable() || at.Doubt == "" {
		t.Skipf("temporary files are not on the system's disk here: %+v, %v", at, err)
	}
	answer := false
	asked := 0
	o.Confirm = func(_ context.Context, doubt string) (bool, error) {
		asked++
		if !strings.Contains(doubt, o.Dir) {
			t.Errorf("asked %q", doubt)
		}
		return answer, nil
	}
	var declined *bundle.MountError
	if _, err := pack.Run(t.Context(), o); !errors.As(err, &declined) {
		t.Errorf("no: %v", err)
	}
	if _, err := os.Lstat(o.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no, and yet the directory was made: %v", err)
	}
	answer = true
	if _, err := pack.Run(t.Context(), o); err != nil || asked != 2 {
		t.Errorf("yes: %v, asked %d times", err, asked)
	}
	if log := b.Log.String(); strings.Contains(log, "safe to remove") || strings.Count(log, "level=WARN") != 2 {
		t.Errorf("%s", log)
	}
}

// TestSpaceIsReportedWrongly only warns where the user knows better.
func TestSpaceIsReportedWrongly(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("mounting a tmpfs needs root")
	}
	b := jobtest.New(t, 72)
	set := jobtest.Images(b.Push(b.Content.Image(true, b.Content.Layer(512<<10, ocitest.LayerGzip)), "team/app", "v1"))
	o := b.Pack(b.Prepare(set), "drive")
	if err := os.Mkdir(o.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := proctest.Command(t, "mount", "-t", "tmpfs", "-o", "size=256k", "satchel-test", o.Dir).CombinedOutput(); err != nil {
		t.Skipf("mounting a tmpfs is not permitted here: %s", out)
	}
	t.Cleanup(func() {
		if out, err := proctest.Command(t, "umount", o.Dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %s", out)
		}
	})
	var space *bundle.SpaceError
	if _, err := pack.Run(t.Context(), o); !errors.As(err, &space) {
		t.Fatalf("256 KiB: %v", err)
	}
	size := fmt.Sprintf("remount,size=%d", space.Need-8<<10)
	if out, err := proctest.Command(t, "mount", "-o", size, o.Dir).CombinedOutput(); err != nil {
		t.Fatalf("%s: %s", size, out)
	}
	o.Options = b.Prepare(set)
	if _, err := pack.Run(t.Context(), o); !errors.As(err, &space) {
		t.Fatalf("8 KiB too few: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(o.Dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("refused, and there is %v, %v", left, err)
	}
	o.NoSpaceCheck = true
	o.Options = b.Prepare(set)
	if _, err := pack.Run(t.Context(), o); err != nil {
		t.Errorf("as the user said: %v", err)
	}
	if log := b.Log.String(); !strings.Contains(log, "are needed") || !strings.Contains(log, "is in memory (tmpfs)") || strings.Contains(log, "safe to remove") {
		t.Errorf("%s", log)
	}
}
