package changes_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/changes"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// receiptOf is what a mirror that got a bundle would have kept.
func receiptOf(t *testing.T, r *bundle.Reader) *receipt.Receipt {
	t.Helper()
	graph, err := oci.ReadGraph(t.Context(), r.Inventory().Images, func(oci.Image) (oci.Source, error) { return r, nil }, 1)
	if err != nil {
		t.Fatal(err)
	}
	rc := &receipt.Receipt{State: receipt.Done, Bundle: r.ID(), Packed: r.Created(), Mirror: oci.Mirror{Host: "mirror.example", Namespace: "in"}, Stream: receipt.Stream(r.Stream()), Sequence: r.Sequence()}
	rc.Fill(graph, all{})
	return rc
}

// all has everything.
type all struct{}

func (all) Manifest(string, digest.Digest) (receipt.Mark, bool) { return receipt.Pushed, true }
func (all) Blob(string, oci.Descriptor) (receipt.Mark, bool)    { return receipt.Pushed, true }
func (all) Tag(string, string) (receipt.Mark, bool)             { return receipt.Pushed, true }

// TestCompare holds each of two weeks, and a bundle of another stream, against the others.
func TestCompare(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 91)
	image := func(n int) oci.Descriptor { return b.Content.Image(false, b.Content.Layer(1000+n, ocitest.LayerGzip)) }
	still := b.Push(image(0), "team/still", "1")
	var roots []oci.Descriptor
	var readers []*bundle.Reader
	for i, stream := range []string{"site", "site", "other"} {
		root := image(i + 1)
		refs := []string{b.Push(root, "team/app", "v1"), still}
		if i == 1 {
			refs = append(refs, b.Push(image(9), "team/new", "1"))
		}
		o := b.Pack(b.Prepare(jobtest.Images(refs...)), fmt.Sprint("drive", i))
		o.Job.Stream = stream
		done, err := pack.Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		roots, readers = append(roots, root), append(readers, b.Open(done.Dir))
	}
	for _, c := range []struct {
		what      string
		new, old  int
		back      bool
		state     changes.State
		expected  bool
		why       string
		come, off int // images
	}{
		{"the next week", 1, 0, false, changes.Moves, true, "", 2, 1},
		{"the week before", 0, 1, false, changes.Stays, false, "bundle 2 of the stream", 1, 2},
		{"the week before, back", 0, 1, true, changes.Moves, false, "back from bundle 2", 1, 2},
		{"another stream", 2, 0, false, changes.Moves, false, "not known", 1, 1},
	} {
		toBundle, err := changes.ToBundle(t.Context(), readers[c.new], readers[c.old], c.back)
		if err != nil {
			t.Fatal(err)
		}
		toReceipt := changes.ToReceipt(t.Context(), readers[c.new], receiptOf(t, readers[c.old]), c.back)
		for tag, got := range map[string]*changes.Changes{"team/app:v1": toBundle, "mirror.example/in/team/app:v1": toReceipt} {
			if len(got.Tags) != 1 {
				t.Errorf("%s: %d tags", c.what, len(got.Tags))
				continue
			}
			m := got.Tags[0]
			if m.Tag != tag || m.Old.Digest != roots[c.old].Digest || m.New.Digest != roots[c.new].Digest || m.State != c.state || m.Expected != c.expected || !strings.Contains(m.Why, c.why) || (m.Why == "") != (c.why == "") {
				t.Errorf("%s: %+v", c.what, m)
			}
			if !m.Old.Packed.Equal(readers[c.old].Created()) || !m.New.Packed.Equal(readers[c.new].Created()) {
				t.Errorf("%s: dates %+v", c.what, m)
			}
			if len(got.New) != c.come || len(got.Gone) != c.off || got.Stays != 1 {
				t.Errorf("%s: %d come, %d go, %d stay", c.what, len(got.New), len(got.Gone), got.Stays)
			}
			if body, err := json.Marshal(got); err != nil || strings.Contains(string(body), "null") {
				t.Errorf("%s: %v %s", c.what, err, body)
			}
		}
	}
}
