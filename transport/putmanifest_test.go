package transport

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// keeper is a registry that stores any manifest as it comes, and has no referrers API.
type keeper struct {
	mu        sync.Mutex
	manifests map[string][]byte // by tag or digest
	types     map[string]string
}

func (k *keeper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	name := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	switch {
	case !strings.Contains(r.URL.Path, "/manifests/"):
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodPut:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		for _, at := range []string{name, oci.Digest(body).String()} {
			k.manifests[at], k.types[at] = body, r.Header.Get("Content-Type")
		}
		w.WriteHeader(http.StatusCreated)
	case k.manifests[name] == nil:
		w.WriteHeader(http.StatusNotFound)
	default:
		w.Header().Set("Content-Type", k.types[name])
		w.Header().Set("Docker-Content-Digest", oci.Digest(k.manifests[name]).String())
		_, _ = w.Write(k.manifests[name]) // the client may be gone
	}
}

// TestOddManifestsAreStored pushes manifests that only a tolerant reader takes, with the
// subjects that they have.
func TestOddManifestsAreStored(t *testing.T) {
	t.Parallel()
	k := &keeper{manifests: map[string][]byte{}, types: map[string]string{}}
	host, c, content := fake(t, k.ServeHTTP), insecure(t), ocitest.New(1)
	config := content.Blob([]byte("{}"), "application/vnd.oci.empty.v1+json")
	subject := content.Image(false)
	r, err := c.Repository(oci.Ref{Registry: host, Repository: "a"})
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, more := range []string{
		`"annotations":{"n":1,"s":"kept"},"subject":{"mediaType":"x","digest":"` + subject.Digest.String() + `","size":1,"annotations":[]}`,
		`"annotations":[],"artifactType":"x/y","subject":{"digest":"` + subject.Digest.String() + `","size":1}`,
		`"artifactType":7,"subject":{}`, `"subject":"sha256:00"`, `"annotations":"","subject":null`,
	} {
		body := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":2},"layers":null,%s}`+"\n", oci.MediaTypeManifest, config.MediaType, config.Digest, more)
		d := content.Blob(body, oci.MediaTypeManifest)
		for range 2 { // the second time changes nothing
			if err := r.putManifest(t.Context(), d, body, "t"); err != nil {
				t.Errorf("%s: %v", more, err)
			}
		}
		if string(k.manifests[d.Digest.String()]) != string(body) || k.types["t"] != d.MediaType {
			t.Errorf("%s: stored %q as %q", more, k.manifests[d.Digest.String()], k.types["t"])
		}
		if strings.Contains(more, subject.Digest.String()) {
			listed = append(listed, d.Digest.String())
		}
	}
	var index struct{ Manifests []oci.Descriptor }
	if err := json.Unmarshal(k.manifests[fallbackTag(subject)], &index); err != nil || len(index.Manifests) != len(listed) {
		t.Fatalf("fallback index %s, %v", k.manifests[fallbackTag(subject)], err)
	}
	for i, d := range index.Manifests {
		if d.Digest.String() != listed[i] || i == 0 && (d.Annotations["s"] != "kept" || d.ArtifactType != config.MediaType) || i == 1 && d.ArtifactType != "x/y" {
			t.Errorf("entry %d of the fallback index is %+v", i, d)
		}
	}
	found, err := r.Attachments(t.Context(), subject)
	if err != nil || len(found.List) != len(listed) {
		t.Errorf("attached are %+v, %v", found, err)
	}
}

// TestFallbackTagOfTheImage: oc-mirror v2 tags an image sha256-HEX with its own digest, which is
// the tag that lists its referrers. The platforms of an index there are no referrers.
func TestFallbackTagOfTheImage(t *testing.T) {
	t.Parallel()
	k := &keeper{manifests: map[string][]byte{}, types: map[string]string{}}
	c, content := insecure(t), ocitest.New(1)
	r, err := c.Repository(oci.Ref{Registry: fake(t, k.ServeHTTP), Repository: "a"})
	if err != nil {
		t.Fatal(err)
	}
	subject := content.Index(false, content.Image(false), content.ImageFor("arm64", false))
	section, err := content.Reader(subject.Digest)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(section)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.putManifest(t.Context(), subject, body, fallbackTag(subject)); err != nil {
		t.Fatal(err)
	}
	referrer := content.Blob(fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"artifactType":"x/y","config":{"mediaType":"x","digest":%[2]q,"size":2},"layers":[],"subject":{"mediaType":%[3]q,"digest":%[2]q,"size":1}}`, oci.MediaTypeManifest, subject.Digest, subject.MediaType), oci.MediaTypeManifest)
	section, err = content.Reader(referrer.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if body, err = io.ReadAll(section); err != nil {
		t.Fatal(err)
	}
	if err := r.putManifest(t.Context(), referrer, body, ""); err != nil {
		t.Fatal(err)
	}
	var index struct{ Manifests []oci.Descriptor }
	if err := json.Unmarshal(k.manifests[fallbackTag(subject)], &index); err != nil || len(index.Manifests) != 1 || index.Manifests[0].Digest != referrer.Digest {
		t.Errorf("referrers %+v, %v", index.Manifests, err)
	}
}

// TestOpenUntyped asks for a manifest of a media type that is not known.
func TestOpenUntyped(t *testing.T) {
	t.Parallel()
	k := &keeper{manifests: map[string][]byte{}, types: map[string]string{}}
	c, content := insecure(t), ocitest.New(1)
	r, err := c.Repository(oci.Ref{Registry: fake(t, k.ServeHTTP), Repository: "a"})
	if err != nil {
		t.Fatal(err)
	}
	d := content.Image(true)
	body, err := oci.ReadManifest(t.Context(), content, d)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.putManifest(t.Context(), d, body, d.Digest.String()); err != nil {
		t.Fatal(err)
	}
	index := content.Blob(fmt.Appendf(nil, `{"schemaVersion":2,"manifests":[{"digest":%q,"size":%d}]}`, d.Digest, d.Size), oci.MediaTypeIndex)
	body, err = oci.ReadManifest(t.Context(), content, index)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.putManifest(t.Context(), index, body, index.Digest.String()); err != nil {
		t.Fatal(err)
	}
	children, err := oci.ReadChildren(t.Context(), r, index)
	if err != nil || len(children) != 1 || children[0].MediaType != d.MediaType {
		t.Errorf("children %+v, %v", children, err)
	}
}
