package changes_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/baseline"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/changes"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/ledger"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// deltaWeeks packs three bundles: a whole one, one that leaves out what has not changed, and one
// in which nothing is new.
func deltaWeeks(t *testing.T, b *jobtest.Bench) (readers []*bundle.Reader) {
	t.Helper()
	image := func() oci.Descriptor { return b.Content.Image(true, b.Content.Layer(1000, ocitest.LayerGzip)) }
	refs := []string{b.Push(image(), "team/still", "1"), b.Push(b.Content.Kinds()["index"], "team/list", "v1")}
	for week := range 3 {
		app := b.Proxy.Host + "/team/app:v1"
		if week < 2 {
			app = b.Push(image(), "team/app", "v1")
		}
		if week == 1 {
			refs = append(refs, b.Push(image(), "team/new", "1"))
		}
		o := b.Pack(b.Prepare(jobtest.Images(append(refs, app)...)), fmt.Sprint("drive", week))
		if week > 0 {
			known, err := baseline.OfLedger(o.State, o.Job.Stream, 0)
			if err != nil {
				t.Fatal(err)
			}
			o.Baseline, o.Since = known, []string{"last"}
		}
		done, err := pack.Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ledger.Confirm(o.State, string(done.Fingerprint), ledger.Arrival{How: ledger.BySlip}); err != nil {
			t.Fatal(err)
		}
		readers = append(readers, b.Open(done.Dir))
	}
	if n := len(readers[2].Inventory().Images); n != 4 || readers[0].Baseline() != nil || readers[1].Has(readers[0].Inventory().Images[0].Root) {
		t.Fatalf("%d images, or no deltas", n)
	}
	return readers
}

// TestCompareDeltas: what a bundle leaves out counts as what it has, on both sides.
func TestCompareDeltas(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 93)
	readers := deltaWeeks(t, b)
	for _, c := range []struct {
		what          string
		new, old      int
		moves         int
		state         changes.State
		come, off     []string // repositories of images
		stay          int
		knowsCreation bool // of the image that the tag moves to
	}{
		{"over a whole one", 1, 0, 1, changes.Moves, []string{"team/app", "team/new"}, []string{"team/app"}, 2, true},
		{"nothing new, over a whole one", 2, 0, 1, changes.Moves, []string{"team/app", "team/new"}, []string{"team/app"}, 2, false},
		{"nothing new, over the last one", 2, 1, 0, "", nil, nil, 4, false},
		{"a whole one, over a later one", 0, 1, 1, changes.Stays, []string{"team/app"}, []string{"team/app", "team/new"}, 2, true},
	} {
		toBundle, err := changes.ToBundle(t.Context(), readers[c.new], readers[c.old], false)
		if err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		rc := &receipt.Receipt{State: receipt.Done, Bundle: readers[c.old].ID(), Packed: time.Unix(1e9, 0), Mirror: oci.Mirror{Host: "mirror.example"}, Stream: receipt.Stream(readers[c.old].Stream()), Sequence: c.old + 1}
		graph, err := oci.ReadGraph(t.Context(), readers[c.old].Inventory().Images, func(oci.Image) (oci.Source, error) { return b.Content, nil }, 1)
		if err != nil {
			t.Fatal(err)
		}
		rc.Fill(graph, all{})
		for kind, got := range map[string]*changes.Changes{"bundle": toBundle, "receipt": changes.ToReceipt(t.Context(), readers[c.new], rc, false)} {
			repos := func(list []changes.Image) (names []string) {
				for _, img := range list {
					names = append(names, img.Repo)
				}
				return slices.Sorted(slices.Values(names))
			}
			if come, off := repos(got.New), repos(got.Gone); !slices.Equal(come, c.come) || !slices.Equal(off, c.off) || got.Stays != c.stay {
				t.Errorf("%s, %s: come %q, go %q, %d stay", c.what, kind, come, off, got.Stays)
			}
			if len(got.Tags) != c.moves {
				t.Errorf("%s, %s: tags %+v", c.what, kind, got.Tags)
				continue
			}
			for _, m := range got.Tags {
				if m.State != c.state || !strings.HasSuffix(m.Tag, "team/app:v1") || m.New.Created.IsZero() == c.knowsCreation || m.New.Packed.IsZero() {
					t.Errorf("%s, %s: %+v", c.what, kind, m)
				}
			}
		}
	}
}
