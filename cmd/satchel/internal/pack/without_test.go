package pack_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestGapOfFinishedDrive: a blob of the first drive was refused, the drive is finished without it, and the run ends. The
// one that resumes it leaves the image out too: a bundle never claims what it does not have.
func TestGapOfFinishedDrive(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 900)
	c := b.Content
	var refs []string
	var victim oci.Descriptor
	for i := range 4 {
		small := c.Layer((30+i)<<10, ocitest.LayerGzip)
		if i == 0 {
			victim = small
		}
		refs = append(refs, b.Push(c.Image(true, c.Layer((1700+250*i)<<10, ocitest.LayerGzip), small), fmt.Sprint("team/app", i), "v1"))
	}
	set := jobtest.Images(refs...)
	options := func() pack.Options {
		o := b.Pack(b.Prepare(set), "a")
		if err := os.MkdirAll(o.Dir, 0o755); err != nil {
			t.Fatal(err)
		}
		bb := b.Pack(o.Options, "b").Dir
		if err := os.MkdirAll(bb, 0o755); err != nil {
			t.Fatal(err)
		}
		o.Dirs = []string{o.Dir, bb}
		o.Job.SegmentSize, o.Job.Lanes, o.Drives.Size, o.Drives.Cluster = bundle.MinSegmentSize, 2, 3<<20+512<<10, 4096
		o.KeepGoing = true
		return o
	}
	b.Proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, victim.Digest.String()) {
			return false
		}
		w.WriteHeader(http.StatusNotFound)
		return true
	}
	var saved []string
	for {
		o := options()
		done, err := pack.Run(t.Context(), o)
		var wanted *pack.NextDriveError
		if errors.As(err, &wanted) {
			to := fmt.Sprint(wanted.Dir, "-", len(saved))
			if err := errors.Join(os.Rename(wanted.Dir, to), os.Mkdir(wanted.Dir, 0o755)); err != nil {
				t.Fatal(err)
			}
			saved = append(saved, to)
			continue
		}
		if err != nil {
			t.Fatal(err, b.Log)
		}
		dirs := append(saved, o.Dirs...)
		var all []string
		for _, d := range dirs {
			if _, err := os.Stat(filepath.Join(d, "drive.json")); err == nil {
				all = append(all, d)
			}
		}
		key, err := bundle.ReadIdentities([]string{b.KeyFile()}, &bundle.UI{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := bundle.Open(t.Context(), all, bundle.Wanted{}, key)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if len(saved) == 0 {
			t.Fatal("all drives were there: nothing was resumed")
		}
		if len(done.Gaps.Images) != 1 || done.Gaps.Images[0].Image.Source.Repository != "team/app0" || len(r.Inventory().Images) != 3 || len(r.Inventory().Gaps) != 1 {
			t.Errorf("gaps %+v, images %+v", done.Gaps.Images, r.Inventory().Images)
		}
		return
	}
}
