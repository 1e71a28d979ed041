package bundle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// without is a bundle of the fixture's images and one more, that carries nothing of what from,
// the bundle of the fixture's images, has. left is what does travel.
func (f *fixture) without(t testing.TB, from BaselineSource) (delta *fixture, left *oci.Graph) {
	t.Helper()
	d := *f
	d.drive, d.state, d.inv = filepath.Join(t.TempDir(), "drive"), t.TempDir(), &oci.Inventory{Images: slices.Clone(f.inv.Images)}
	base := &Baseline{}
	for _, n := range slices.Concat(f.graph.Blobs, f.graph.Manifests) {
		if err := base.Add(n.Descriptor.Digest, f.graph.Images[n.Images[0]].MirrorPath(), base.From(from)); err != nil {
			t.Fatal(err)
		}
	}
	d.job.Baseline, d.job.Version = base, "1.2.3"
	d.add(t, "new", f.content.Image(true, f.content.Layer(200<<10, ocitest.LayerGzip)))
	travels := func(nodes []oci.Node) []oci.Node {
		return slices.DeleteFunc(slices.Clone(nodes), func(n oci.Node) bool {
			_, _, ok := base.Find(n.Descriptor.Digest)
			return ok
		})
	}
	left = &oci.Graph{Images: d.graph.Images, Blobs: travels(d.graph.Blobs), Manifests: travels(d.graph.Manifests)}
	if len(left.Blobs) != 2 || len(left.Manifests) != 1 {
		t.Fatalf("%d blobs and %d manifests travel", len(left.Blobs), len(left.Manifests))
	}
	return &d, left
}

// packOnly packs what is in the graph.
func (f *fixture) packOnly(t testing.TB, g *oci.Graph) Fingerprint {
	t.Helper()
	only := *f
	only.graph = g
	return only.pack(t)
}

func source() BaselineSource {
	return BaselineSource{Bundle: "abcdefghijklmnop", Fingerprint: strings.Repeat("0a", 32), Stream: &Stream{Ledger: strings.Repeat("1c", 16), Name: "weekly"}, Sequence: 1}
}

// TestBaseline packs a bundle without what an earlier one brought, and resumes it: it is sealed,
// verified and read as any other, and says of the rest where it is.
func TestBaseline(t *testing.T) {
	t.Parallel()
	f := newSmall(t, false)
	d, left := f.without(t, source())
	w := d.writer(t)
	if err := errors.Join(w.Put(context.Background(), left.Blobs[0].Descriptor, d.content), w.Close()); err != nil {
		t.Fatal(err)
	}
	pinned := d.job.Baseline
	d.job.Baseline = nil // it is pinned in the journal
	w = d.writer(t)
	if got, err := json.Marshal(w.Baseline()); err != nil {
		t.Fatal(err)
	} else if want, err := json.Marshal(pinned); err != nil || string(got) != string(want) {
		t.Errorf("resumed without\n%s, want\n%s, %v", got, want, err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	finger := d.packOnly(t, left)
	if _, err := Verify(t.Context(), []string{d.drive}, VerifyOptions{Expect: finger}); err != nil {
		t.Error(err)
	}
	seals := string(files(t, d.drive)[seal.BundleName])
	if !strings.Contains(seals, "\"needs\": [\n  \"baseline\"\n ],\n \"packedBy\": \"1.2.3\"") || strings.Contains(seals, "openshift") {
		t.Errorf("the seal is %s", seals)
	}
	r := d.open(t)
	for _, n := range slices.Concat(left.Blobs, left.Manifests) {
		if body, err := oci.ReadBlob(t.Context(), r, n.Descriptor, n.Descriptor.Size); err != nil || !r.Has(n.Descriptor) || oci.Digest(body) != n.Descriptor.Digest {
			t.Errorf("%s: %v", n.Descriptor.Digest, err)
		}
	}
	for _, n := range slices.Concat(f.graph.Blobs, f.graph.Manifests) {
		path, from, ok := r.Baseline().Find(n.Descriptor.Digest)
		if !ok || path != f.graph.Images[n.Images[0]].MirrorPath() || from.Sequence != 1 || from.Stream.Name != "weekly" || r.Has(n.Descriptor) {
			t.Errorf("%s is in %q, from %+v, %v", n.Descriptor.Digest, path, from, ok)
		}
		if _, err := r.Open(t.Context(), n.Descriptor, 0); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is opened: %v", n.Descriptor.Digest, err)
		}
	}
	if len(r.Inventory().Images) != len(f.inv.Images)+1 {
		t.Errorf("the inventory has %d images", len(r.Inventory().Images))
	}
	var done *SealedError
	if _, err := Resume(t.Context(), d.drive, d.state, d.job, nil); !errors.As(err, &done) || done.Fingerprint != finger || done.Baseline.Len() != pinned.Len() {
		t.Errorf("found finished: %+v, %v", done, err)
	}
}

// TestBaselineIsWhole seals no bundle that lacks what its baseline does not have.
func TestBaselineIsWhole(t *testing.T) {
	t.Parallel()
	f := newSmall(t, false)
	d, left := f.without(t, source())
	left.Manifests = nil
	w := d.writer(t)
	err := (&fixture{graph: left, content: d.content}).fill(context.Background(), w, d.content)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Seal(context.Background(), d.inv); err == nil || !strings.Contains(err.Error(), "new:v1: its manifest was not put") {
		t.Errorf("%v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	whole := newSmall(t, false)
	whole.job.Baseline = &Baseline{} // of which nothing is needed
	whole.pack(t)
	if seals := string(files(t, whole.drive)[seal.BundleName]); strings.Contains(seals, "needs") || whole.open(t).Baseline() != nil {
		t.Errorf("a bundle that carries all needs a feature: %s", seals)
	}
}

// TestBaselineIsNotCarried takes nothing that its baseline has, and seals no bundle that has it
// all the same: no reader would open it.
func TestBaselineIsNotCarried(t *testing.T) {
	t.Parallel()
	f := newSmall(t, false)
	d, left := f.without(t, source())
	w := d.writer(t)
	both := f.graph.Blobs[0].Descriptor
	for name, put := range map[string]func(context.Context, oci.Descriptor, oci.Source) error{"a blob": w.Put, "of a document": w.PutDocument} {
		if err := put(t.Context(), both, d.content); err == nil || !strings.Contains(err.Error(), both.Digest.String()+" is in the baseline") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if has, err := w.Has(t.Context(), both); has || err != nil {
		t.Errorf("it is there: %v, %v", has, err)
	}
	only := &fixture{graph: left, content: d.content}
	if err := only.fill(t.Context(), w, d.content); err != nil {
		t.Fatal(err)
	}
	carried := left.Blobs[0].Descriptor.Digest // as a baseline that was wrong from the start
	if err := w.begin.Baseline.Add(carried, "team/app", w.begin.Baseline.From(source())); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Seal(t.Context(), d.inv); err == nil || !strings.Contains(err.Error(), carried.String()+" is in the baseline") {
		t.Errorf("sealed: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestBaselineForecast foresees what a bundle takes that leaves most of its content out.
func TestBaselineForecast(t *testing.T) {
	t.Parallel()
	f := newSmall(t, false)
	d, left := f.without(t, source())
	got, err := d.job.Forecast(d.inv, left, d.everything(t))
	if err != nil {
		t.Fatal(err)
	}
	d.packOnly(t, left)
	var bytes int64
	for _, body := range files(t, d.drive) {
		bytes += int64(len(body))
	}
	if off := got.Bytes - bytes; off < -bytes/100 || off > bytes/100 {
		t.Errorf("%d bytes were foreseen, and it has %d", got.Bytes, bytes)
	}
}

// TestNothingNew is below 1 MiB where all of it is in the baseline: 10,000 blobs in a
// thousand images, of as many repositories.
func TestNothingNew(t *testing.T) {
	t.Parallel()
	f := newSmall(t, false)
	d := *f
	d.drive, d.state, d.inv = filepath.Join(t.TempDir(), "drive"), t.TempDir(), &oci.Inventory{}
	base := &Baseline{}
	from := base.From(source())
	add := func(name, path string) digest.Digest {
		d := oci.Digest([]byte(name))
		if err := base.Add(d, path, from); err != nil {
			t.Fatal(err)
		}
		return d
	}
	for n := range 1000 {
		name := fmt.Sprintf("vendor-%d/operator-%d", n/9, n)
		root := add(name, "made-up/"+name)
		img := imageOf(t, name, oci.Descriptor{MediaType: oci.MediaTypeIndex, Digest: root, Size: int64(500 + n%90)})
		img.Source.Tag, img.Source.Digest, img.Tags = "", root, nil
		img.Reasons = []oci.Reason{{Kind: "operator", Name: fmt.Sprintf("operator-%d", n/9), Part: "related image", Catalog: "registry.example/redhat/index:v4.16"}}
		img.Platforms = []string{"linux/amd64", "linux/arm64"}
		d.inv.Images = append(d.inv.Images, img)
		for k := range 12 { // ten blobs and two children
			add(fmt.Sprintf("%s %d", name, k), "made-up/"+name)
		}
	}
	d.inv.Sort()
	d.job.Baseline = base
	d.packOnly(t, &oci.Graph{})
	var bytes int64
	for _, body := range files(t, d.drive) {
		bytes += int64(len(body))
	}
	t.Logf("%d bytes", bytes)
	if bytes >= 1<<20 {
		t.Errorf("%d bytes for nothing new", bytes)
	}
	if r := d.open(t); r.Baseline().Len() != 13_000 || len(r.Inventory().Images) != 1000 {
		t.Errorf("%d in the baseline, %d images", r.Baseline().Len(), len(r.Inventory().Images))
	}
}

// TestSparseLayout completes an extracted bundle with standard tools: it is laid over the
// layout of its baseline.
func TestSparseLayout(t *testing.T) {
	t.Parallel()
	f := newSmall(t, false)
	f.pack(t)
	d, left := f.without(t, source())
	d.packOnly(t, left)
	age, whole, sparse := ageFor(t, false), t.TempDir(), t.TempDir()
	for out, one := range map[string]*fixture{whole: f, sparse: d} {
		if printed, err := openByTools(t, one, age, out); err != nil {
			t.Fatalf("%v\n%s", err, printed)
		}
	}
	if n := len(files(t, sparse)); n != len(left.Blobs)+len(left.Manifests)+2 {
		t.Errorf("%d files travelled", n)
	}
	if printed, err := proctest.Command(t, "cp", "-r", sparse+"/layout/.", whole+"/layout").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	checkLayout(t, d, filepath.Join(whole, "layout"))
}

// TestBaselineInTheJournal keeps what a journal of a bundle without a baseline is.
func TestBaselineInTheJournal(t *testing.T) {
	t.Parallel()
	body, err := json.Marshal(journal.Begin{})
	if err != nil || strings.Contains(string(body), "baseline") {
		t.Errorf("%s, %v", body, err)
	}
	var back journal.Begin
	if err := json.Unmarshal([]byte(`{"baseline":{"from":[],"content":[["app",0,"AAAA"]]}}`), &back); err == nil {
		t.Error("a damaged baseline was read")
	}
}
