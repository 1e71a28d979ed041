package pack_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport"
)

// damage takes the segment with the first blob above 1 MiB from a bundle, and gives what is lost then.
func damage(t *testing.T, dir string) bundle.Lost {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(dir, "s-*-00001.age"))
	if err != nil || len(segments) < 2 {
		t.Fatalf("%v, %v", segments, err)
	}
	if err := os.Remove(segments[0]); err != nil {
		t.Fatal(err)
	}
	rep, err := bundle.Verify(t.Context(), []string{dir}, bundle.VerifyOptions{})
	if rep == nil || err == nil {
		t.Fatalf("%+v, %v", rep, err)
	}
	return bundle.LostOf(rep)
}

// supplement gives options of a supplement into a directory of that name.
func supplement(t *testing.T, b *jobtest.Bench, set, dir string, lost bundle.Lost) pack.Options {
	t.Helper()
	o := b.Pack(b.Prepare(set), dir)
	var err error
	if o.Supplement, err = bundle.FindSupplement(o.State, lost); err != nil {
		t.Fatal(err)
	}
	return o
}

// TestSupplement fetches what a damaged bundle has lost, and no other blob, although the tag has
// moved; interrupted, it resumes.
func TestSupplement(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 31)
	c := b.Content
	long := c.Image(true, c.Layer(12<<20, ocitest.LayerGzip))
	set := jobtest.Images(b.Push(long, "team/app", "v1"), b.Push(c.Image(true, c.Layer(3<<20, ocitest.LayerGzip)), "team/other", "v2"))
	first, err := pack.Run(t.Context(), b.Pack(b.Prepare(set), "drive"))
	if err != nil {
		t.Fatal(err)
	}
	lost := damage(t, first.Dir)
	b.Push(c.Image(true, c.Layer(1<<20, ocitest.LayerGzip)), "team/app", "v1")

	var other *pack.OtherConfigError
	if _, err := pack.Run(t.Context(), supplement(t, b, jobtest.Images(b.Proxy.Host+"/team/app:v1"), "other", lost)); !errors.As(err, &other) {
		t.Errorf("with another configuration: %v", err)
	}
	b.Proxy.Reset()
	b.Proxy.Break = func(kind string) (int64, bool) { return 2 << 20, kind == "GET blob" }
	b.Proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Range") != "" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return r.Header.Get("Range") != ""
	}
	var away *transport.RegistryError
	begun := supplement(t, b, set, "more", lost)
	begun.Job.Parity = bundle.ParityRatio{Parity: 1, Data: 4}
	if _, err := pack.Run(t.Context(), begun); !errors.As(err, &away) {
		t.Fatalf("a broken connection: %v", err)
	}
	b.Proxy.Break, b.Proxy.Answer = nil, nil
	done, err := pack.Run(t.Context(), supplement(t, b, set, "more", lost))
	if err != nil || !strings.Contains(b.Log.String(), "resuming bundle "+done.Bundle) {
		t.Fatalf("%v\n%s", err, b.Log)
	}
	if own, _, err := bundle.HasParity(done.Dir); !own || err != nil || !strings.Contains(b.Log.String(), "the supplement gets parity 1/4, which it was begun with") {
		t.Errorf("resumed without --parity: %v, %v\n%s", own, err, b.Log)
	}
	if n := b.Proxy.BlobBytes(); n > 15<<20 {
		t.Errorf("%d bytes were fetched", n)
	}
	again, err := pack.Run(t.Context(), supplement(t, b, set, "more", lost))
	if err != nil || !again.Unchanged || again.Fingerprint != done.Fingerprint {
		t.Errorf("again: %+v, %v", again, err)
	}
	whole(t, b, first, done)
}

// whole reads every image of the damaged bundle with its supplement.
func whole(t *testing.T, b *jobtest.Bench, damaged, more *pack.Result) {
	t.Helper()
	r := b.OpenAll(damaged.Dir, more.Dir)
	if s, ok := r.Supplement(); !ok || r.Packed() != damaged.Fingerprint || s.Of != damaged.Bundle || r.Stream() != damaged.Stream {
		t.Errorf("it is a supplement of %+v", s)
	}
	graph, err := oci.ReadGraph(t.Context(), r.Inventory().Images, func(oci.Image) (oci.Source, error) { return r, nil }, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range slices.Concat(graph.Manifests, graph.Blobs) {
		if _, err := oci.ReadBlob(t.Context(), r, n.Descriptor, n.Descriptor.Size); err != nil {
			t.Errorf("%s: %v", n.Descriptor.Digest, err)
		}
	}
}

// TestSupplementGaps names what the source has no more: it is refused, or a gap where those are allowed.
func TestSupplementGaps(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 32)
	c := b.Content
	layer := c.Layer(3<<20, ocitest.LayerGzip)
	set := jobtest.Images(b.Push(c.Image(true, layer), "team/app", "v1"), b.Push(c.Image(true, c.Layer(2<<20, ocitest.LayerGzip)), "team/other", "v2"))
	first, err := pack.Run(t.Context(), b.Pack(b.Prepare(set), "drive"))
	if err != nil {
		t.Fatal(err)
	}
	lost := damage(t, first.Dir)
	segments, _ := filepath.Glob(filepath.Join(first.Dir, "s-0[01]-*.age"))
	for _, s := range segments { // of both layers
		lost.Files = append(lost.Files, filepath.Base(s))
	}
	moved := false // the whole repository
	b.Proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		gone := strings.HasSuffix(r.URL.Path, layer.Digest.String()) || moved && strings.Contains(r.URL.Path, "/team/app/")
		if gone {
			w.WriteHeader(http.StatusNotFound)
		}
		return gone
	}
	var missing *transport.MissingBlobError
	if _, err := pack.Run(t.Context(), supplement(t, b, set, "more", lost)); !errors.As(err, &missing) || missing.Blob.Digest != layer.Digest || missing.Gone {
		t.Errorf("without gaps: %v", err)
	}
	moved = true
	if _, err := pack.Run(t.Context(), supplement(t, b, set, "more", lost)); !errors.As(err, &missing) || !missing.Gone || !strings.Contains(err.Error(), "neither this blob nor the image") {
		t.Errorf("without the repository: %v", err)
	}
	o := supplement(t, b, set, "more", lost)
	o.KeepGoing = true
	done, err := pack.Run(t.Context(), o)
	if err != nil || len(done.Gaps.Images) != 1 || done.Gaps.Images[0].Image.Source.Repository != "team/app" {
		t.Fatalf("with gaps: %+v, %v", done, err)
	}
	if n := b.OpenAll(first.Dir, done.Dir).Lacks(); n != 1 {
		t.Errorf("it lacks %d images", n)
	}
}
