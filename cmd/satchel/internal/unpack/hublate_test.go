package unpack_test

import (
	"path/filepath"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/hub"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/outdir"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
)

// TestHubLate: a bundle that comes late does not set hub.json back, and in a directory of its
// own its file lacks images whose tags a newer bundle has set.
func TestHubLate(t *testing.T) {
	t.Parallel()
	d := newDeltas(t, 85)
	mirror := newMirror(t)
	state := t.TempDir()
	run := func(r *bundle.Reader, out string) (hub.Bundle, int, bool) {
		t.Helper()
		o := d.options(mirror)
		o.State = state
		var err error
		if o.Out, err = outdir.Open(out); err != nil {
			t.Fatal(err)
		}
		if err := unpack.Run(t.Context(), r, jobtest.Client(), o); err != nil {
			t.Fatalf("%v\n%s", err, d.Log)
		}
		h, of, err := hub.Beside(filepath.Join(out, "registries.conf"))
		if err != nil || h == nil {
			t.Fatal(h, err)
		}
		old := false
		for _, img := range h.Images {
			old = old || img.Source.Repository == "team/app" && img.Root.Digest == rootOf(r, "team/app").Digest
		}
		return of, len(h.Images), old
	}
	first := d.pack("first")
	d.push("team/app")
	second := d.pack("second")
	same, other := filepath.Join(t.TempDir(), "hub"), filepath.Join(t.TempDir(), "other")
	of, all, _ := run(second, same)
	if of.ID != second.ID() || of.Sequence != 2 || all == 0 {
		t.Fatalf("%+v, %d images", of, all)
	}
	if late, n, old := run(first, same); late != of || n != all || old {
		t.Errorf("set back: %+v, %d images, the older one %t", late, n, old)
	}
	if late, n, old := run(first, other); late.ID != first.ID() || n >= len(first.Inventory().Images) || old {
		t.Errorf("of its own: %+v, %d images, the older one %t", late, n, old)
	}
}
