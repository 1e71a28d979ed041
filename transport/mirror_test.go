package transport

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

func writeFile(t *testing.T, name, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestEveryKindArrives carries every kind of image from one registry to
// another, and has both ends checked by the second opinion.
func TestEveryKindArrives(t *testing.T) {
	from, to := registrytest.Start(t), registrytest.Start(t)
	content := ocitest.New(1)
	kinds := content.Kinds()
	c := insecure(t)
	inv := &oci.Inventory{}
	router := map[string]oci.Source{}
	for name, root := range kinds {
		if err := ocitest.Push(t.Context(), content, root, "http://"+from.Host, "team/"+name, "1"); err != nil {
			t.Fatal(err)
		}
		ref := oci.Ref{Registry: from.Host, Repository: "team/" + name, Tag: "1"}
		d, src, err := c.Resolve(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		if d.Digest != root.Digest || d.MediaType != root.MediaType || d.Size != root.Size {
			t.Errorf("%s resolves to %+v, want %+v", name, d, root)
		}
		pinned, _, err := c.Resolve(t.Context(), ref.WithDigest(root.Digest))
		if err != nil || pinned.Digest != root.Digest {
			t.Errorf("%s by digest: %+v, %v", name, pinned, err)
		}
		router[name] = src
		inv.Images = append(inv.Images, oci.Image{Source: ref, Root: d, Tags: []string{"1", "latest"}})
	}
	inv.Sort()
	for _, img := range inv.Images {
		one := &oci.Inventory{Images: []oci.Image{img}}
		mustFill(t, mirrorAt(c, to.Host, 2), router[strings.TrimPrefix(img.Source.Repository, "team/")], one)
	}
	for name, root := range kinds {
		for _, tag := range []string{"1", "latest"} {
			if err := ocitest.Compare(t.Context(), content, root, "http://"+to.Host, "mirror/team/"+name, tag); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestSecondRunOnlyLooks(t *testing.T) {
	proxy, c := proxied(t)
	content := ocitest.New(2)
	inv := images(content.Kinds())
	inv.Images[0].Tags = nil // pulled by digest alone
	m := mirrorAt(c, proxy.Host, 4)
	first, err := m.Missing(t.Context(), content, inv)
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Images) != len(inv.Images) || first.Present != 0 || len(first.Blobs) == 0 {
		t.Fatalf("an empty mirror lacks %d of %d images, %d blobs", len(first.Images), len(inv.Images), len(first.Blobs))
	}
	mustFill(t, m, content, inv)
	proxy.Reset()
	m.Verify = VerifyManifests
	again, err := m.Missing(t.Context(), content, inv)
	if err != nil {
		t.Fatal(err)
	}
	if len(again.Images) != 0 || len(again.Blobs) != 0 || again.Present != len(inv.Images) {
		t.Errorf("a full mirror lacks %d images, %d blobs, has %d", len(again.Images), len(again.Blobs), again.Present)
	}
	want := len(inv.Images)
	for _, img := range inv.Images {
		err := oci.WalkIndexes(t.Context(), content, img, func(d oci.Descriptor, _ []byte) error {
			if d.Digest != img.Root.Digest && oci.IsManifest(d.MediaType) {
				want++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := proxy.Counts(); len(got) != 2 || got["HEAD manifest"] != 2*len(inv.Images)-1 || got["GET manifest"] != want {
		t.Errorf("requests: %v, want two HEADs for each of %d images but one for that without a tag, a GET for each of %d manifests, and nothing else", got, len(inv.Images), want)
	}
	tag := "satchel-" + inv.Images[0].Root.Digest.Encoded()
	if !slices.ContainsFunc(proxy.Requests(), func(r string) bool { return strings.HasSuffix(r, "/manifests/"+tag) }) {
		t.Errorf("no request for the tag %s", tag)
	}
}

func TestSharedBlobIsUploadedOnce(t *testing.T) {
	proxy, c := proxied(t)
	content := ocitest.New(3)
	shared := content.Layer(1<<20, ocitest.LayerGzip)
	inv := images(map[string]oci.Descriptor{
		"a": content.Image(false, shared), "b": content.ImageFor("arm64", false, shared), "c": content.ImageFor("s390x", false, shared),
	})
	counted := &countedSource{Source: content, opens: map[string]int{}}
	mustFill(t, mirrorAt(c, proxy.Host, 1), counted, inv)
	if got := counted.opens[shared.Digest.String()]; got != 1 {
		t.Errorf("the shared blob was read %d times", got)
	}
	// One shared layer and three configs.
	if n := proxy.Count("PUT upload"); n != 4 {
		t.Errorf("%d uploads, want 4", n)
	}
	if n := proxy.Count("POST mount"); n != 2 {
		t.Errorf("%d mounts, want 2", n)
	}

	// A fourth repository gets it by a mount from one that is known to have it.
	inv.Images = append(inv.Images, oci.Image{Source: oci.Ref{Registry: "registry.example", Repository: "team/d", Tag: "1"}, Root: inv.Images[0].Root, Tags: []string{"1"}})
	inv.Images[0].Tags = []string{"2"}
	missing, err := mirrorAt(c, proxy.Host, 2).Missing(t.Context(), content, inv)
	if err != nil {
		t.Fatal(err)
	}
	if len(missing.Images) != 2 || len(missing.Blobs) != 2 {
		t.Fatalf("lacks %d images and %d blobs, want 2 and 2", len(missing.Images), len(missing.Blobs))
	}
	for _, d := range missing.Blobs {
		if d.From.Repository != "mirror/team/a" || len(d.Repos) != 1 || d.Repos[0].Repository != "mirror/team/d" {
			t.Errorf("delivery %+v", d)
		}
	}
	proxy.Reset()
	mustFill(t, mirrorAt(c, proxy.Host, 2), content, inv)
	if proxy.Count("PUT upload") != 0 || proxy.Count("POST mount") != 2 {
		t.Errorf("requests %v, want two mounts and no upload", proxy.Counts())
	}
	if err := ocitest.Compare(t.Context(), content, inv.Images[0].Root, "http://"+proxy.Host, "mirror/team/d", "1"); err != nil {
		t.Error(err)
	}
}

// countedSource counts how often each blob is opened. It is for one goroutine.
type countedSource struct {
	oci.Source
	opens map[string]int
}

func (s *countedSource) Open(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
	s.opens[d.Digest.String()]++
	return s.Source.Open(ctx, d, off)
}

// A mount from a repository without the blob is not granted.
func TestRefusedMountIsUploaded(t *testing.T) {
	proxy, c := proxied(t)
	content, d := oneBlob(proxy.Host, 200<<10)
	d.From = oci.Ref{Registry: proxy.Host, Repository: "mirror/empty"}
	d.Repos = append(d.Repos, oci.Ref{Registry: proxy.Host, Repository: "mirror/two"})
	if err := mirrorAt(c, proxy.Host, 1).Blobs(t.Context(), content, slices.Values([]Delivery{d})); err != nil {
		t.Fatal(err)
	}
	for _, ref := range d.Repos {
		if !has(t, c, ref, d.Blob) {
			t.Errorf("not in %s", ref.Name())
		}
	}
	want := map[string]int{"POST mount": 2, "PUT upload": 1, "GET blob": 2, "HEAD blob": 2, "GET base": 1}
	if got := proxy.Counts(); !equalCounts(got, want) {
		t.Errorf("requests %v, want %v: the refused mount's own session is used", got, want)
	}
}

func equalCounts(a, b map[string]int) bool {
	for k, n := range a {
		if b[k] != n {
			return false
		}
	}
	return len(a) == len(b)
}

func TestRangedRead(t *testing.T) {
	proxy, c := proxied(t)
	content, d := oneBlob(proxy.Host, 3<<20)
	if err := mirrorAt(c, proxy.Host, 1).Blobs(t.Context(), content, slices.Values([]Delivery{d})); err != nil {
		t.Fatal(err)
	}
	r, err := c.Repository(d.Repos[0])
	if err != nil {
		t.Fatal(err)
	}
	whole, err := readFrom(t, content, d.Blob, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, off := range []int64{0, 1, 1 << 20, d.Blob.Size - 1, d.Blob.Size} {
		proxy.Reset()
		got, err := readFrom(t, r, d.Blob, off)
		if err != nil || !bytes.Equal(got, whole[off:]) {
			t.Errorf("from %d: %d bytes, %v", off, len(got), err)
		}
		if sent := proxy.BlobBytes(); sent != d.Blob.Size-off {
			t.Errorf("from %d: the registry sent %d bytes, want %d", off, sent, d.Blob.Size-off)
		}
	}
	if _, err := r.Open(t.Context(), d.Blob, d.Blob.Size+1); err == nil {
		t.Error("an offset beyond the end is accepted")
	}
}

// TestManifestIsStoredOnce has several images of one index in one repository: what
// it names is sent once, and the index once for each tag and once for that of its digest.
func TestManifestIsStoredOnce(t *testing.T) {
	proxy, c := proxied(t)
	content := ocitest.New(12)
	root := content.Index(false, content.Image(false, content.Layer(1000, ocitest.LayerGzip)), content.ImageFor("arm64", false, content.Layer(1000, ocitest.LayerGzip)))
	inv := &oci.Inventory{}
	for _, tag := range []string{"1", "2", "3", "4"} {
		src := oci.Ref{Registry: "registry.example", Repository: "team/a", Tag: tag}
		inv.Images = append(inv.Images, oci.Image{Origin: "additional", Source: src, Root: root, Tags: []string{tag}})
	}
	mustFill(t, mirrorAt(c, proxy.Host, 4), content, inv)
	if n := proxy.Count("PUT manifest"); n != 2+4+1 {
		t.Errorf("%d manifests were sent, want the two of the index, and it for each of four tags and for its digest's", n)
	}
	for _, img := range inv.Images {
		if err := ocitest.Compare(t.Context(), content, root, "http://"+proxy.Host, "mirror/team/a", img.Tags[0]); err != nil {
			t.Error(err)
		}
	}
}
