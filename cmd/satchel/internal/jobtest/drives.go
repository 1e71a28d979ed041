package jobtest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// DriveSet is a bundle on three drives. Each has the layers of one image at least; the manifests are on
// the last one.
type DriveSet struct {
	*Bench
	Dirs []string // of the drives, by number
	Set  string   // the configuration, below "mirror:"
}

// NewDriveSet packs three images on three drives.
func NewDriveSet(t testing.TB, seed uint64) *DriveSet {
	t.Helper()
	b := New(t, seed)
	var refs []string
	for i := range 3 {
		root := b.Content.Image(true, b.Content.Layer((1700+250*i)<<10, ocitest.LayerGzip), b.Content.Layer((30+i)<<10, ocitest.LayerGzip))
		refs = append(refs, b.Push(root, fmt.Sprint("team/app", i), "v1"))
	}
	set := Images(refs...)
	o := b.Pack(b.Prepare(set), "d1")
	for _, name := range []string{"d1", "d2", "d3"} {
		dir := filepath.Join(b.dir, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		o.Dirs = append(o.Dirs, dir)
	}
	o.Job.SegmentSize, o.Job.Lanes, o.Drives.Size, o.Drives.Cluster = bundle.MinSegmentSize, 2, 3<<20, 4096
	done, err := pack.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if done.Dir != o.Dirs[2] {
		t.Fatalf("the last drive is %s", done.Dir)
	}
	return &DriveSet{b, o.Dirs, set}
}
