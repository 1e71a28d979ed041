package unpack_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// ages are bundles of a stream, each with app:v1 as it was then.
type ages struct {
	*jobtest.Bench
	readers []*bundle.Reader
	roots   []oci.Descriptor
	mirror  *registrytest.Proxy
	state   string // of the host
}

func newAges(t *testing.T, seed uint64, streams ...string) *ages {
	t.Helper()
	b := jobtest.New(t, seed)
	w := &ages{Bench: b, state: t.TempDir(), mirror: registrytest.StartProxy(t, registrytest.StartV3(t, false, "", "").Host)}
	for i, stream := range streams {
		root := b.Content.Image(false, b.Content.Layer(1000+i, ocitest.LayerGzip))
		o := b.Pack(b.Prepare(jobtest.Images(b.Push(root, "team/app", "v1"))), fmt.Sprint("drive", i))
		o.Job.Stream = stream
		done, err := pack.Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		w.roots, w.readers = append(w.roots, root), append(w.readers, b.Open(done.Dir))
	}
	return w
}

// unpack brings a week to the mirror, and gives what was said of tags.
func (w *ages) unpack(t *testing.T, week int, with ...func(*unpack.Options)) string {
	t.Helper()
	o := unpack.Options{To: w.To(), State: w.state, Parallel: 2, Site: manifests.Site{Mirror: oci.Mirror{Host: w.mirror.Host, Namespace: "in"}}}
	for _, f := range with {
		f(&o)
	}
	before := len(w.Log.String())
	if err := unpack.Run(t.Context(), w.readers[week], jobtest.Client(), o); err != nil {
		t.Fatal(err)
	}
	var said []string
	for line := range strings.Lines(w.Log.String()[before:]) {
		if strings.Contains(line, "tag ") || strings.Contains(line, "tags ") {
			said = append(said, line)
		}
	}
	return strings.Join(said, "")
}

// names wants the tag to name the image of a week.
func (w *ages) names(t *testing.T, week int) {
	t.Helper()
	if err := ocitest.Compare(t.Context(), w.Content, w.roots[week], "http://"+w.mirror.Host, "in/team/app", "v1"); err != nil {
		t.Error(err)
	}
}

// TestAge: within a stream a tag moves on and not back, whichever bundle comes first, and an
// image whose tag stays is there by digest and can be rendered.
func TestAge(t *testing.T) {
	t.Parallel()
	w := newAges(t, 71, "site", "site", "site")
	w.unpack(t, 0)
	if said := w.unpack(t, 2); !strings.Contains(said, "level=INFO") || strings.Contains(said, "WARN") || !strings.Contains(said, "moves from "+w.roots[0].Digest.String()) || !strings.Contains(said, w.roots[2].Digest.String()) {
		t.Errorf("forward: %s", said)
	}
	var rep unpack.Report
	dry := func(o *unpack.Options) { o.DryRun, o.Report = true, &rep }
	for _, with := range [][]func(*unpack.Options){{dry}, {}, {}} { // a late one, and again
		said := w.unpack(t, 1, with...)
		if !strings.Contains(said, "level=WARN") || !strings.Contains(said, `stays at `+w.roots[2].Digest.String()) || !strings.Contains(said, "not "+w.roots[1].Digest.String()) || !strings.Contains(said, "bundle 3 of the stream") {
			t.Errorf("a late one: %s", said)
		}
		w.names(t, 2)
	}
	if rep.Changes == nil || len(rep.Changes.Tags) != 1 || len(rep.Moves) > 0 {
		t.Errorf("of a dry run: %+v", rep)
	}
	if err := ocitest.Compare(t.Context(), w.Content, w.roots[1], "http://"+w.mirror.Host, "in/team/app", oci.DigestTag(w.roots[1].Digest)); err != nil {
		t.Error(err)
	}
	s := &site{Bench: w.Bench, reader: w.readers[1], mirror: w.mirror}
	if err := unpack.Render(t.Context(), s.reader, jobtest.Client(), s.options(t, filepath.Join(t.TempDir(), "out"))); err != nil {
		t.Error(err)
	}
	back := func(o *unpack.Options) { o.MoveTagsBack = true }
	if said := w.unpack(t, 1, back); !strings.Contains(said, "level=WARN") || !strings.Contains(said, "back from bundle 3") {
		t.Errorf("moved back: %s", said)
	}
	w.names(t, 1)
	if said := w.unpack(t, 0); !strings.Contains(said, "had set it to "+w.roots[2].Digest.String()) { // not to what it names
		t.Errorf("after a move back: %s", said)
	}
	w.names(t, 1)
	if said := w.unpack(t, 2); strings.Contains(said, "WARN") || strings.Contains(said, "no receipt says") || !strings.Contains(said, "moves from "+w.roots[1].Digest.String()) {
		t.Errorf("on again: %s", said)
	}
	w.names(t, 2)
}

// TestAgeAfterMoveBack names the bundle that has set a tag, also where the newest bundle that has
// it is another one: the tag was moved back.
func TestAgeAfterMoveBack(t *testing.T) {
	t.Parallel()
	w := newAges(t, 79, "site", "site", "other")
	w.unpack(t, 1)
	w.unpack(t, 0, func(o *unpack.Options) { o.MoveTagsBack = true })
	w.names(t, 0)
	said := w.unpack(t, 2)
	if strings.Contains(said, "no receipt says") || !strings.Contains(said, "moves from "+w.roots[0].Digest.String()) || !strings.Contains(said, "brought by bundle "+w.readers[0].ID()+", 1 of the stream") {
		t.Errorf("moved back before: %s", said)
	}
}

// TestAgeClaimed: a receipt of a newer bundle that nobody confirmed keeps no tag: it is named.
func TestAgeClaimed(t *testing.T) {
	t.Parallel()
	w := newAges(t, 74, "site", "site")
	other := func(o *unpack.Options) { o.State = t.TempDir() }
	w.unpack(t, 1, other)
	if said := w.unpack(t, 0); !strings.Contains(said, "level=WARN") || !strings.Contains(said, "moves from "+w.roots[1].Digest.String()) || !strings.Contains(said, "bundle 2 of the stream") || !strings.Contains(said, "nobody who is trusted has signed") {
		t.Errorf("a stranger's receipt: %s", said)
	}
	w.names(t, 0)
}

// TestAgeOfOthers: which of two bundles of different streams is newer nobody knows: the tag
// moves, and that is said, with who has set it.
func TestAgeOfOthers(t *testing.T) {
	t.Parallel()
	w := newAges(t, 72, "one", "other")
	w.unpack(t, 1)
	if said := w.unpack(t, 0); !strings.Contains(said, "level=WARN") || !strings.Contains(said, "moves from "+w.roots[1].Digest.String()) || !strings.Contains(said, "brought by bundle "+w.readers[1].ID()) || !strings.Contains(said, "is not known") {
		t.Errorf("another stream's: %s", said)
	}
	w.names(t, 0)
	theirs := w.Content.Image(false, w.Content.Layer(5000, ocitest.LayerGzip))
	if err := ocitest.Push(t.Context(), w.Content, theirs, "http://"+w.mirror.Host, "in/team/app", "v1"); err != nil {
		t.Fatal(err)
	}
	if said := w.unpack(t, 0); !strings.Contains(said, "level=WARN") || !strings.Contains(said, "moves from "+theirs.Digest.String()) || !strings.Contains(said, "no receipt says") {
		t.Errorf("somebody else's: %s", said)
	}
}

// TestAgeAfterAKill: a run that was killed has left no receipt, only what it intended: what it
// has set stays too.
func TestAgeAfterAKill(t *testing.T) {
	t.Parallel()
	w := newAges(t, 73, "site", "site")
	w.mirror.Answer = func(rw http.ResponseWriter, r *http.Request) bool { // after the tag, nothing
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/in/satchel/receipts/manifests/"+w.readers[1].ID()) && !strings.Contains(r.URL.Path, "-intent-") {
			rw.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	}
	o := unpack.Options{To: w.To(), State: w.state, Parallel: 2, Site: manifests.Site{Mirror: oci.Mirror{Host: w.mirror.Host, Namespace: "in"}}}
	if err := unpack.Run(t.Context(), w.readers[1], jobtest.Client(), o); err == nil {
		t.Fatal("it did not end early")
	}
	w.mirror.Answer = nil
	if said := w.unpack(t, 0); !strings.Contains(said, "stays at "+w.roots[1].Digest.String()) {
		t.Errorf("after a kill: %s", said)
	}
	w.names(t, 1)
}
