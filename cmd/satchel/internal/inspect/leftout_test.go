package inspect_test

import (
	"slices"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/baseline"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/inspect"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/ledger"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/report"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestLeftOut shows what of a bundle's images is in it: nothing of one that is the same, one
// child of an index that is new.
func TestLeftOut(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 91)
	c := b.Content
	amd, arm := c.Image(false, c.Layer(5000, ocitest.LayerGzip)), c.Image(false, c.Layer(6000, ocitest.LayerGzip))
	set := jobtest.Images(b.Push(c.Image(true, c.Layer(7000, ocitest.LayerGzip)), "team/same", "v1"), b.Push(c.IndexFor(false, []string{"amd64", "arm64"}, amd, arm), "team/list", "v1"))
	first, err := pack.Run(t.Context(), b.Pack(b.Prepare(set), "first"))
	if err != nil {
		t.Fatal(err)
	}
	o := b.Pack(b.Prepare(set), "second")
	if _, err := ledger.Confirm(o.State, string(first.Fingerprint), ledger.Arrival{How: ledger.BySlip}); err != nil {
		t.Fatal(err)
	}
	b.Push(c.IndexFor(false, []string{"amd64", "arm64"}, amd, c.Image(false, c.Layer(8000, ocitest.LayerGzip))), "team/list", "v1")
	if o.Baseline, err = baseline.OfLedger(o.State, "set", 0); err != nil {
		t.Fatal(err)
	}
	second, err := pack.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := inspect.Run(t.Context(), b.Open(second.Dir))
	if err != nil {
		t.Fatal(err)
	}
	one := func(repo string) report.Image {
		i := slices.IndexFunc(rep.Images, func(i report.Image) bool { return i.Source.Repository == repo })
		if i < 0 {
			t.Fatalf("%s is not in %+v", repo, rep.Images)
		}
		return rep.Images[i]
	}
	if same := one("team/same"); !same.LeftOut || same.Bytes != 0 {
		t.Errorf("%+v", same)
	}
	if list := one("team/list"); list.LeftOut || list.Bytes < 8000 || list.Bytes > 12000 || len(list.Without) > 0 {
		t.Errorf("%+v", list)
	}
	if rep.Manifests != 2 || rep.Blobs != 4 || rep.LeftOut == nil || rep.LeftOut.Count != 6 || len(rep.LeftOut.From) != 1 || rep.LeftOut.From[0].Bundle != first.Bundle {
		t.Errorf("%d manifests of %d, %+v", rep.Manifests, rep.Blobs, rep.LeftOut)
	}
	whole, err := inspect.Run(t.Context(), b.Open(first.Dir))
	if err != nil || whole.LeftOut != nil || len(whole.Images) != 2 {
		t.Errorf("%+v, %v", whole, err)
	}
}
