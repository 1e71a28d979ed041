package plan_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/inspect"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/plan"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// options plan for what pack is given.
func options(b *jobtest.Bench, set string) plan.Options {
	o := b.Pack(b.Prepare(set), "drive")
	return plan.Options{Options: o.Options, Job: o.Job}
}

// TestRun: the numbers of a plan are those of the bundle.
func TestRun(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 21)
	c := b.Content
	base := c.Layer(1<<20, ocitest.LayerGzip)
	set := jobtest.Images(b.Push(c.Image(true, base, c.Layer(100<<10, ocitest.LayerTar)), "team/one", "v1"), b.Push(c.Image(false, base), "team/two", "v1"))
	o := options(b, set)
	o.Drives.Size, o.Rate = 1e9, 1000
	got, err := plan.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got.Carried.Shared != base.Size || got.Carried.Saved != base.Size || got.Carried.Bytes != c.Size() || got.Carried.Images != 2 {
		t.Errorf("carried %+v, the base has %d bytes of %d", got.Carried, base.Size, c.Size())
	}
	if !slices.Equal(got.Drives, []plan.Drive{{Size: 1e9, Free: 1e9, Count: 1}}) {
		t.Errorf("drives %+v", got.Drives)
	}
	if r := got.Time; r == nil || r.Bytes == 0 || r.Seconds != (r.Bytes+999)/1000 {
		t.Errorf("time %+v", r)
	}
	done, err := pack.Run(t.Context(), b.Pack(b.Prepare(set), "drive"))
	if err != nil {
		t.Fatal(err)
	}
	have, err := inspect.Run(t.Context(), b.Open(done.Dir))
	if err != nil {
		t.Fatal(err)
	}
	if have.Blobs != got.Carried.Blobs+got.Carried.Manifests || have.BlobBytes != got.Carried.Bytes || len(have.Images) != 2 || max(have.Segments, got.Written.Segments)-min(have.Segments, got.Written.Segments) > 1 { // lanes take blobs as they come
		t.Errorf("planned %+v %+v, packed %+v", got.Carried, got.Written, have)
	}
}

// TestGaps plans without what is not available, if that is allowed.
func TestGaps(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 22)
	c := b.Content
	set := jobtest.Images(b.Push(c.Image(true, c.Layer(1<<20, ocitest.LayerGzip)), "team/one", "v1"), b.Proxy.Host+"/team/none:v1")
	var gap *oci.Gap
	if _, err := plan.Run(t.Context(), options(b, set)); !errors.As(err, &gap) {
		t.Errorf("an image that is missing: %v", err)
	}
	o := options(b, set)
	o.KeepGoing = true
	got, err := plan.Run(t.Context(), o)
	if err != nil || got.Carried.Images != 1 || len(got.Gaps) != 1 || got.Gaps[0].Image.Source.Repository != "team/none" {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestTooLarge names the image of a blob that fits on no drive.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 23)
	c := b.Content
	o := options(b, jobtest.Images(b.Push(c.Image(true, c.Layer(8<<20, ocitest.LayerGzip)), "team/big", "v1")))
	o.Drives.Size = 4 << 20
	var large *bundle.TooLargeError
	if _, err := plan.Run(t.Context(), o); !errors.As(err, &large) {
		t.Errorf("got %v", err)
	}
}
