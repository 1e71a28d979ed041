package transport

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/internal/order"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// within is an inventory of one repository in which images contain each other.
func within(c *ocitest.Content, repo string) *oci.Inventory {
	children := []oci.Descriptor{c.ImageFor("amd64", true), c.ImageFor("arm64", true)}
	multi := c.Index(false, children...)
	nested := c.Index(false, multi)
	inv := &oci.Inventory{}
	for i, d := range append([]oci.Descriptor{nested, c.Index(false, nested, children[0]), c.Index(true, children[1]), c.Index(true, children...), multi}, children...) {
		img := oci.Image{Origin: "additional", Source: oci.Ref{Registry: "registry.example", Repository: repo, Tag: fmt.Sprint("t", i)}, Root: d}
		for k := range 4 {
			img.Tags = append(img.Tags, fmt.Sprintf("t%d-%d", i, k))
		}
		inv.Images = append(inv.Images, img)
	}
	inv.Sort()
	return inv
}

// TestImagesWithinImages has docker-registry 2.8 write manifests again, under their tags, that
// images of the same repository contain.
func TestImagesWithinImages(t *testing.T) {
	t.Parallel()
	c, reg, content := insecure(t), registrytest.Start(t), ocitest.New(5)
	c.retry.Times = 0
	for i := range 5 {
		inv := within(content, fmt.Sprint("team/web", i))
		m := mirrorAt(c, reg.Host, 8)
		if err := fill(t.Context(), m, content, inv); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		if err := m.Confirm(t.Context(), content, inv.Images); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
	}
}

// TestWaves has each image after all that it contains.
func TestWaves(t *testing.T) {
	t.Parallel()
	content := ocitest.New(6)
	inv := within(content, "team/web")
	other := within(content, "team/other").Images[0] // alone in its repository
	m := mirrorAt(insecure(t), "a.io", 1)
	waves, err := order.Waves(t.Context(), content, m.target, append(inv.Images, other))
	if err != nil || len(waves) != 4 || len(waves[0]) != 3 {
		t.Fatalf("%d waves, %v", len(waves), err)
	}
	done, n := map[string]bool{}, 0
	for _, wave := range waves {
		for _, img := range wave {
			n++
			if img.Source.Repository != "team/web" {
				continue
			}
			err := oci.WalkIndexes(t.Context(), content, img, func(d oci.Descriptor, _ []byte) error {
				for _, named := range inv.Images {
					if d.Digest == named.Root.Digest && d.Digest != img.Root.Digest && !done[d.Digest.String()] {
						return fmt.Errorf("%s comes before %s, which it contains", img.Source, named.Source)
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
		for _, img := range wave {
			done[img.Root.Digest.String()] = true
		}
	}
	if n != len(inv.Images)+1 {
		t.Errorf("%d images in waves", n)
	}
}

// TestPartsConsistentLater has a registry refuse an index for a while because of what it
// took before, and one because of what it was never sent.
func TestPartsConsistentLater(t *testing.T) {
	t.Parallel()
	const answer = `{"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match uploaded content"},{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry"}]}`
	for refusals, works := range map[int32]bool{2: true, 1000: false} {
		content := ocitest.New(7)
		k := &keeper{manifests: map[string][]byte{}, types: map[string]string{}}
		var refused atomic.Int32
		host := fake(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut && oci.IsIndex(r.Header.Get("Content-Type")) && refused.Add(1) <= refusals {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, answer) // the client may be gone
				return
			}
			k.ServeHTTP(w, r)
		})
		inv := images(map[string]oci.Descriptor{"a": content.Index(false, content.Image(false))})
		inv.Images[0].Tags = nil
		m := mirrorAt(insecure(t), host, 1)
		err := m.Manifests(t.Context(), content, inv.Images)
		var e *RegistryError
		switch {
		case works && (err != nil || refused.Load() != 3):
			t.Errorf("%d pushes, %v", refused.Load(), err)
		case !works && (!errors.As(err, &e) || e.Code != "MANIFEST_BLOB_UNKNOWN" || !strings.Contains(err.Error(), "400 blob unknown to registry") || refused.Load() != 3):
			t.Errorf("%d pushes, %v", refused.Load(), err)
		}
		if works {
			continue
		}
		refused.Store(0)
		r, rerr := m.client.Repository(m.target.Repo(inv.Images[0]))
		if rerr != nil {
			t.Fatal(rerr)
		}
		fresh := &pushing{m: mirrorAt(m.client, host, 1), src: content, wait: &patience{}}
		body, rerr := oci.ReadManifest(t.Context(), content, inv.Images[0].Root)
		if _, err = fresh.putSoon(t.Context(), r, inv.Images[0], inv.Images[0].Root, body, "1"); rerr != nil || err == nil || refused.Load() != 1 {
			t.Errorf("nothing was sent before: %d pushes, %v, %v", refused.Load(), err, rerr)
		}
	}
}
