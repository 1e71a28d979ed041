package pack_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestInlineData takes from a manifest what its registry lacks, and not what is wrong there.
func TestInlineData(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 1)
	body := []byte(`{"inline":true}`)
	d := b.Content.Blob(body, "application/vnd.example.config.v1+json")
	manifest := func(data string) oci.Descriptor {
		return b.Content.Blob(fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":%d,"data":%q},"layers":[]}`,
			oci.MediaTypeManifest, d.MediaType, d.Digest, d.Size, data), oci.MediaTypeManifest)
	}
	good, bad := b.Push(manifest("eyJpbmxpbmUiOnRydWV9"), "team/good", "v1"), b.Push(manifest("eyJpbmxpbmUiOnRydWZ9"), "team/bad", "v1")
	b.Proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		lacks := strings.HasSuffix(r.URL.Path, "/blobs/"+d.Digest.String())
		if lacks {
			w.WriteHeader(http.StatusNotFound)
		}
		return lacks
	}
	if _, err := pack.Run(t.Context(), b.Pack(b.Prepare(jobtest.Images(bad)), "other")); err == nil || !strings.Contains(err.Error(), d.Digest.String()) {
		t.Errorf("data of another digest: %v", err)
	}
	done, err := pack.Run(t.Context(), b.Pack(b.Prepare(jobtest.Images(good)), "drive"))
	if err != nil {
		t.Fatal(err)
	}
	checkWhole(t, b, done, "team/good:v1")
}

// TestOddManifestIsReported carries a manifest that some registries refuse, and says so.
func TestOddManifestIsReported(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 2)
	layer := b.Content.Layer(1<<10, ocitest.LayerGzip)
	d := b.Content.Blob(fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"artifactType":7,"config":{"mediaType":"x/y","digest":%q,"size":%d}}`,
		oci.MediaTypeManifest, layer.Digest, layer.Size), oci.MediaTypeManifest)
	b.Proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/team/odd/manifests/v2") && !strings.HasSuffix(r.URL.Path, d.Digest.String()) {
			return false
		}
		body, err := oci.ReadManifest(t.Context(), b.Content, d)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", d.MediaType)
		_, _ = w.Write(body) // the client may be gone
		return true
	}
	b.Push(b.Content.Image(false, layer), "team/odd", "v1") // for the blob
	done, err := pack.Run(t.Context(), b.Pack(b.Prepare(jobtest.Images(b.Proxy.Host+"/team/odd:v2")), "drive"))
	if err != nil {
		t.Fatal(err)
	}
	checkWhole(t, b, done, "team/odd:v2")
	if log := b.Log.String(); strings.Count(log, "artifactType of another type") != 1 || !strings.Contains(log, d.Digest.String()) {
		t.Errorf("log %s", log)
	}
}

// TestLostWhileWritten has a registry lose a layer of one platform after it was looked for: image
// and platform are named.
func TestLostWhileWritten(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 61)
	c := b.Content
	own := c.Layer(1000, ocitest.LayerTar)
	ref := b.Push(c.Index(false, c.ImageFor("amd64", false, c.Layer(1000, ocitest.LayerTar)), c.ImageFor("arm64", false, own)), "team/a", "v1")
	b.Proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		lost := r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/blobs/"+own.Digest.String())
		if lost {
			w.WriteHeader(http.StatusNotFound)
		}
		return lost
	}
	_, err := pack.Run(t.Context(), b.Pack(b.Prepare(jobtest.Images(ref)), "drive"))
	part, ok := errors.AsType[*oci.PartError](err)
	if !ok || !slices.Equal(part.Platforms, []string{"linux/arm64"}) || !strings.Contains(err.Error(), ref) {
		t.Errorf("error %v", err)
	}
}
