package pack_test

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// tmpfs mounts one on dir, with these options.
func tmpfs(t *testing.T, dir, options string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := proctest.Command(t, "mount", "-t", "tmpfs", "-o", options, "satchel-test", dir).CombinedOutput(); err != nil {
		t.Skipf("mounting a tmpfs is not permitted here: %s", out)
	}
	t.Cleanup(func() { release(t, "umount", dir) })
}

// TestResumeLooksAtTheRoom has the drive filled by something else between two runs: the
// second one says so before it fetches anything.
func TestResumeLooksAtTheRoom(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 91)
	first, last := b.Content.Layer(3<<20, ocitest.LayerGzip), b.Content.Layer(1<<20, ocitest.LayerGzip)
	set := jobtest.Images(b.Push(b.Content.Image(true, first, last), "team/app", "v1"))
	o := b.Pack(b.Prepare(set), "drive")
	tmpfs(t, o.Dir, "size=16m")
	refused, asked := true, 0
	b.Proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/"+last.Digest.String()) {
			return false
		}
		if asked++; refused {
			time.Sleep(300 * time.Millisecond) // the other layer comes first
			w.WriteHeader(http.StatusNotFound)
		}
		return refused
	}
	if _, err := pack.Run(t.Context(), o); err == nil {
		t.Fatal("packed without a layer")
	}
	ballast(t, o.Dir, 512<<10)
	refused, asked = false, 0
	o.Options = b.Prepare(set)
	var space *bundle.SpaceError
	if _, err := pack.Run(t.Context(), o); !errors.As(err, &space) || !space.Begun || space.Need < last.Size || space.Need > last.Size+512<<10 || asked > 0 {
		t.Errorf("no room for the rest: %v, the layer was asked for %d times", err, asked)
	}
	// What a restart would delete counts as free; nothing is deleted for too little.
	o.Options, o.Restart = b.Prepare(set), true
	ballast(t, o.Dir, 64<<10)
	if _, err := pack.Run(t.Context(), o); !errors.As(err, &space) || space.Begun || !strings.Contains(space.Hint(), "nothing was written or deleted") {
		t.Errorf("no room for a restart: %v", err)
	}
	if list, _, err := bundle.List(o.Dir, ""); err != nil || len(list) != 1 || list[0].Size < 2<<20 {
		t.Errorf("what is there is %+v, %v", list, err)
	}
	ballast(t, o.Dir, 2<<20)
	o.Options, o.Restart = b.Prepare(set), false
	done, err := pack.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	checkWhole(t, b, done, "team/app:v1")
}

// TestNoInodes has a drive with free bytes that takes no more files.
func TestNoInodes(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 92)
	set := jobtest.Images(b.Push(b.Content.Image(true, b.Content.Layer(1<<20, ocitest.LayerGzip)), "team/app", "v1"))
	o := b.Pack(b.Prepare(set), "drive")
	tmpfs(t, o.Dir, "size=16m,nr_inodes=10")
	var space *bundle.SpaceError
	if _, err := pack.Run(t.Context(), o); !errors.As(err, &space) || space.FreeFiles != 9 || space.NeedFiles < 12 || !strings.Contains(err.Error(), "inodes") {
		t.Errorf("9 files: %v", err)
	}
	o.Options, o.NoSpaceCheck = b.Prepare(set), true
	var drive *bundle.DriveError
	if _, err := pack.Run(t.Context(), o); !errors.As(err, &drive) || !strings.Contains(err.Error(), "no inode for one more file") || !strings.Contains(drive.Hint(), "remove files") {
		t.Errorf("9 files, tried: %v", err)
	}
}
