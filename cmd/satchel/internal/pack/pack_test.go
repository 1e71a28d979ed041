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
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/gaps"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport"
)

// checkWhole wants a bundle with these images, and all that they reach.
func checkWhole(t *testing.T, b *jobtest.Bench, done *pack.Result, want ...string) {
	t.Helper()
	r := b.Open(done.Dir)
	images := r.Inventory().Images
	if got := jobtest.Repos(images); !slices.Equal(got, want) {
		t.Errorf("the bundle carries %v, want %v", got, want)
	}
	graph, err := oci.ReadGraph(t.Context(), images, func(oci.Image) (oci.Source, error) { return r, nil }, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range slices.Concat(graph.Manifests, graph.Blobs) {
		if _, err := oci.ReadBlob(t.Context(), r, n.Descriptor, n.Descriptor.Size); err != nil {
			t.Errorf("%s: %v", n.Descriptor.Digest, err)
		}
	}
}

// TestRun packs, and finds the bundle finished when it packs again.
func TestRun(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 1)
	c := b.Content
	set := jobtest.Images(b.Push(c.Image(true, c.Layer(3<<20, ocitest.LayerGzip)), "team/app", "v1"), b.Push(c.Kinds()["index"], "team/list", "v2"))
	first, err := pack.Run(t.Context(), b.Pack(b.Prepare(set), "drive"))
	if err != nil {
		t.Fatal(err)
	}
	checkWhole(t, b, first, "team/app:v1", "team/list:v2")
	if file, err := first.WriteGaps(""); err != nil || file != "" {
		t.Errorf("a gap list %s of no gaps, %v", file, err)
	}
	again, err := pack.Run(t.Context(), b.Pack(b.Prepare(set), "drive"))
	if err != nil || again.Fingerprint != first.Fingerprint || !strings.Contains(b.Log.String(), "nothing has changed since") {
		t.Errorf("again: %+v, %v\n%s", again, err, b.Log)
	}
	if _, err := bundle.Verify(t.Context(), []string{first.Dir}, bundle.VerifyOptions{Expect: first.Fingerprint}); err != nil {
		t.Error(err)
	}
}

// TestResume breaks off in a layer and resumes: what is on the drive is not fetched again.
func TestResume(t *testing.T) {
	t.Parallel()
	const size = 12 << 20
	b := jobtest.New(t, 2)
	c := b.Content
	set := jobtest.Images(b.Push(c.Image(true, c.Layer(size, ocitest.LayerGzip)), "team/app", "v1"))
	b.Proxy.Break = func(kind string) (int64, bool) { return 9 << 20, kind == "GET blob" }
	b.Proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool { // and stays away
		if r.Header.Get("Range") != "" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return r.Header.Get("Range") != ""
	}
	_, err := pack.Run(t.Context(), b.Pack(b.Prepare(set), "drive"))
	var lost *transport.RegistryError
	if !errors.As(err, &lost) || !lost.Away() {
		t.Fatalf("a broken connection: %v", err)
	}
	b.Proxy.Break, b.Proxy.Answer = nil, nil
	b.Proxy.Reset()
	done, err := pack.Run(t.Context(), b.Pack(b.Prepare(set), "drive"))
	if err != nil {
		t.Fatal(err)
	}
	if n := b.Proxy.BlobBytes(); n > size/2 || !strings.Contains(b.Log.String(), "resuming bundle "+done.Bundle) {
		t.Errorf("%d bytes were fetched again\n%s", n, b.Log)
	}
	checkWhole(t, b, done, "team/app:v1")
}

// TestGaps finishes without what the registry refuses, lists it, and carries just that
// when it is available.
func TestGaps(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 3)
	c := b.Content
	layer := c.Layer(1<<20, ocitest.LayerGzip)
	set := jobtest.Images(b.Push(c.Image(true, c.Layer(2<<20, ocitest.LayerTar)), "team/app", "v1"), b.Push(c.Image(true, layer), "team/later", "v1"),
		b.Proxy.Host+"/team/none:v1")
	b.Proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		// Found while fetching: the check before the first byte is answered.
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, layer.Digest.String()) {
			return false
		}
		w.WriteHeader(http.StatusNotFound)
		return true
	}
	o := b.Prepare(set)
	if _, err := pack.Run(t.Context(), b.Pack(o, "refused")); err == nil {
		t.Error("it finished with gaps that nobody allowed")
	}
	o = b.Prepare(set)
	o.KeepGoing = true
	done, err := pack.Run(t.Context(), b.Pack(o, "drive"))
	if err != nil {
		t.Fatal(err)
	}
	checkWhole(t, b, done, "team/app:v1")
	inv := b.Open(done.Dir).Inventory()
	file, err := done.WriteGaps(filepath.Join(t.TempDir(), "list"))
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the list: %v, %v", info.Mode(), err)
	}
	list, err := gaps.Read(file)
	if err != nil || len(list.Images) != 2 || len(inv.Gaps) != 2 || list.Bundle != done.Bundle {
		t.Fatalf("gaps %+v, in the bundle %+v, %v", list, inv.Gaps, err)
	}

	b.Proxy.Answer = nil
	b.Push(c.Image(true, layer), "team/none", "v1")
	o = b.Prepare(set)
	o.Only, o.OnlyFile = list, file
	later, err := pack.Run(t.Context(), b.Pack(o, "later"))
	if err != nil {
		t.Fatal(err)
	}
	checkWhole(t, b, later, "team/later:v1", "team/none:v1")
}

// TestIdentity: what makes another job of a pack.
func TestIdentity(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 4)
	base := b.Prepare(jobtest.Images("q.example/a:v1"))
	same := b.Prepare("  # a comment\n" + jobtest.Images("q.example/a:v1"))
	if pack.Identity(base) != pack.Identity(same) {
		t.Error("a comment makes another job")
	}
	seen := map[string]string{pack.Identity(base).String(): "base"}
	other := func(name string, edit func(o *pack.Options)) {
		o := pack.Options{Options: base}
		edit(&o)
		id := pack.Identity(o.Options).String()
		if seen[id] != "" {
			t.Errorf("%s is the same job as %s", name, seen[id])
		}
		seen[id] = name
	}
	img := oci.Image{Source: oci.Ref{Registry: "q.example", Repository: "a", Tag: "v1"}}
	other("a list", func(o *pack.Options) { o.Only = &gaps.List{Images: []oci.Gap{{Image: img}}} })
	img.Path = "b"
	other("another list", func(o *pack.Options) { o.Only = &gaps.List{Images: []oci.Gap{{Image: img}}} })
	other("a mirror", func(o *pack.Options) { o.Mirror = oci.Mirror{Host: "m.example"} })
	other("a depth", func(o *pack.Options) { o.Mirror = oci.Mirror{Host: "m.example", MaxNestedPaths: 2} })
	other("one repository of releases", func(o *pack.Options) {
		o.Mirror = oci.Mirror{Host: "m.example", MaxNestedPaths: 2, Shared: oci.Shared{Repository: "r"}}
	})
	other("a configuration", func(o *pack.Options) { o.Config = b.Prepare(jobtest.Images("q.example/a:v2")).Config })
}
