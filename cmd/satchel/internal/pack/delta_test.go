package pack_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/baseline"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/ledger"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// since has the next pack leave out what the newest bundle needs that arrived.
func (w *weekly) since(dir string) {
	w.t.Helper()
	o := w.Pack(w.Prepare(w.set), dir)
	known, err := baseline.OfLedger(o.State, o.Job.Stream, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	w.dir, w.edit = o.Dir, func(o *pack.Options) { o.Baseline, o.Since = known, []string{"last"} }
}

// arrived notes that a bundle arrived.
func (w *weekly) arrived(done *pack.Result) {
	w.t.Helper()
	if _, err := ledger.Confirm(w.Pack(w.Prepare(w.set), "").State, string(done.Fingerprint), ledger.Arrival{How: ledger.BySlip}); err != nil {
		w.t.Fatal(err)
	}
}

// whole checks that a bundle and its baseline have all that its images need, and gives how
// much of that is in the bundle.
func (w *weekly) whole(done *pack.Result) (carried int) {
	w.t.Helper()
	r := w.Open(done.Dir)
	g, err := oci.ReadGraph(w.t.Context(), r.Inventory().Images, func(oci.Image) (oci.Source, error) { return w.Content, nil }, 1)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, n := range slices.Concat(g.Manifests, g.Blobs) {
		path, _, left := r.Baseline().Find(n.Descriptor.Digest)
		if left == r.Has(n.Descriptor) {
			w.t.Errorf("%s of %s is carried %v, and in the baseline %v", n.Descriptor.Digest, g.Images[n.Images[0]].Source, r.Has(n.Descriptor), left)
		}
		if r.Has(n.Descriptor) {
			carried++
		} else if path != g.Images[n.Images[0]].MirrorPath() {
			w.t.Errorf("%s is in %q", n.Descriptor.Digest, path)
		}
	}
	return carried
}

// TestDelta packs what is new since a bundle that arrived, week after week; what did not
// arrive travels again.
func TestDelta(t *testing.T) {
	t.Parallel()
	w := newWeekly(t, 27)
	first := w.packed()
	all := w.whole(first)
	w.arrived(first)
	w.push("team/app")
	w.since("second")
	w.Proxy.Reset()
	second := w.packed()
	if n := w.whole(second); n != 3 || all != 6 || w.Proxy.BlobBytes() > 1<<17 || w.said("there already, and not carried: 1 manifest, 2 blobs") != 1 {
		t.Errorf("%d of %d are carried, %d bytes fetched\n%s", n, all, w.Proxy.BlobBytes(), w.Log)
	}
	if _, from, _ := w.Open(second.Dir).Baseline().Find(w.Open(first.Dir).Inventory().Images[1].Root.Digest); from.Bundle != first.Bundle || from.Sequence != 1 || from.Fingerprint != string(first.Fingerprint) {
		t.Errorf("it is from %+v", from)
	}
	third := w.push("team/other")
	w.since("third") // the second one is lost
	if done := w.packed(); w.whole(done) != 6 {
		t.Errorf("%s: what did not arrive was left out", third)
	}
	w.arrived(second)
	w.since("fourth")
	fourth := w.packed()
	if n := w.whole(fourth); n != 3 {
		t.Errorf("%d are carried", n)
	}
	w.arrived(fourth)
	w.since("fifth")
	fifth := w.packed()
	if n := w.whole(fifth); n != 0 {
		t.Errorf("%d are carried of what is the same", n)
	}
	sources := map[string]bool{}
	for _, s := range w.Open(fifth.Dir).Baseline().Sources() {
		sources[s.Bundle] = true
	}
	if len(sources) != 2 || !sources[second.Bundle] || !sources[fourth.Bundle] {
		t.Errorf("the fifth is from %v", sources)
	}
}

// TestDeltaAgain runs the same command again after success: the bundle is compared as it was
// pinned, also once it has arrived itself. It is another job than a whole bundle.
func TestDeltaAgain(t *testing.T) {
	t.Parallel()
	w := newWeekly(t, 28)
	first := w.packed()
	w.arrived(first)
	w.push("team/app")
	w.since("second")
	second := w.packed()
	w.arrived(second)
	w.since("second")
	again := w.packed()
	if again.Fingerprint != second.Fingerprint || again.Sequence != 2 || w.said("nothing has changed since") != 1 {
		t.Errorf("%+v\n%s", again, w.Log)
	}
	w.edit = nil
	var refused *bundle.RefusedError
	if _, err := w.pack(); !errors.As(err, &refused) {
		t.Errorf("a whole one in its place: %v", err)
	}
}

// TestDeltaResumes takes the baseline that was pinned, whatever is known by then.
func TestDeltaResumes(t *testing.T) {
	t.Parallel()
	w := newWeekly(t, 29)
	w.arrived(w.packed())
	layer := w.Content.Layer(1<<16, ocitest.LayerGzip)
	w.Push(w.Content.Image(false, layer), "team/app", "v1")
	w.since("second")
	w.Proxy.Answer = func(rw http.ResponseWriter, r *http.Request) bool {
		away := r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, layer.Digest.String())
		if away {
			rw.WriteHeader(http.StatusServiceUnavailable)
		}
		return away
	}
	if _, err := w.pack(); err == nil {
		t.Fatal("it was packed without its layer")
	}
	w.Proxy.Answer = nil
	w.edit = func(o *pack.Options) { o.Since = []string{"last"} } // the ledger is gone, or knows more
	done := w.packed()
	if n := w.whole(done); n != 3 || w.said("resuming bundle") != 1 {
		t.Errorf("%d are carried\n%s", n, w.Log)
	}
}

// TestDeltaGaps leaves an image out while it is fetched: the rest is still whole.
func TestDeltaGaps(t *testing.T) {
	t.Parallel()
	w := newWeekly(t, 30)
	w.arrived(w.packed())
	w.push("team/app")
	w.since("second")
	keep := w.edit
	w.edit = func(o *pack.Options) { keep(o); o.KeepGoing = true }
	w.Proxy.Answer = func(rw http.ResponseWriter, r *http.Request) bool {
		gone := r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/team/app/blobs/")
		if gone {
			rw.WriteHeader(http.StatusNotFound)
		}
		return gone
	}
	done := w.packed()
	if n := w.whole(done); n != 0 || len(done.Gaps.Images) != 1 {
		t.Errorf("%d are carried, gaps %+v", n, done.Gaps)
	}
}
